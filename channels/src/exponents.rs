//! A partner's minor units from ours and back: exactly, or not at all.

use domain::{currency::Currency, money::Money};

use crate::outcome::{NotSent, Reason};

/// Where a partner counts in other decimals than the currency truly has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exponents(&'static [(&'static str, u8)]);

impl Exponents {
    /// No deviation.
    pub const TRUE: Self = Self::deviating(&[]);

    #[must_use]
    pub const fn deviating(table: &'static [(&'static str, u8)]) -> Self {
        Self(table)
    }

    /// How many decimals the partner counts in.
    #[must_use]
    pub fn of(self, currency: Currency) -> u8 {
        let deviation = self.0.iter().find(|(code, _)| *code == currency.code());
        deviation.map_or(currency.exponent(), |(_, exponent)| *exponent)
    }

    /// # Errors
    /// No whole number of the partner's minor units, or beyond 64 bits.
    pub fn to_partner(self, money: Money) -> Result<i64, NotSent> {
        rescale(money.amount_minor, money.currency.exponent(), self.of(money.currency))
            .ok_or_else(|| NotSent::never(Reason::AmountNotExpressible(money)))
    }

    /// Nothing where it is no whole number of ours, beyond 64 bits, or of no currency we know.
    #[must_use]
    pub fn from_partner(self, amount_minor: i64, currency: &str) -> Option<Money> {
        let currency: Currency = currency.parse().ok()?;
        let ours = rescale(amount_minor, self.of(currency), currency.exponent())?;
        Some(Money::new(ours, currency))
    }
}

fn rescale(amount: i64, from: u8, to: u8) -> Option<i64> {
    let scale = 10_i64.checked_pow(u32::from(from.abs_diff(to)))?;
    if to >= from {
        return amount.checked_mul(scale);
    }
    if amount.checked_rem(scale)? == 0 { amount.checked_div(scale) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVIATING: Exponents = Exponents::deviating(&[("ISK", 2), ("MGA", 0)]);

    fn money(amount_minor: i64, currency: &str) -> Money {
        Money::new(amount_minor, currency.parse().unwrap())
    }

    #[test]
    fn what_converts_exactly_comes_back_as_it_was() {
        for (ours, theirs) in [(money(700, "ISK"), 70_000), (money(700, "MGA"), 7), (money(700, "USD"), 700)] {
            assert_eq!(DEVIATING.to_partner(ours), Ok(theirs));
            assert_eq!(DEVIATING.from_partner(theirs, ours.currency.code()), Some(ours));
        }
    }

    #[test]
    fn what_does_not_is_refused_both_ways() {
        for refused in [money(701, "MGA"), money(i64::MAX, "ISK"), money(-1, "MGA")] {
            let reason = Reason::AmountNotExpressible(refused);
            assert_eq!(DEVIATING.to_partner(refused), Err(NotSent::never(reason)));
        }
        assert_eq!(DEVIATING.from_partner(99, "ISK"), None);
        assert_eq!(DEVIATING.from_partner(i64::MAX, "MGA"), None);
        assert_eq!(DEVIATING.from_partner(1, "XAU"), None);
    }
}
