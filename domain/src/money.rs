//! Money: integer minor units, checked arithmetic, shares that lose nothing.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{currency::Currency, refusal::refusals};

/// An amount in minor units. Any sign: what must be positive is said where it is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    pub amount_minor: i64,
    pub currency: Currency,
}

refusals! {
    /// Why two amounts cannot be reckoned with each other.
    pub enum MoneyRefusal {
        CurrencyMismatch = "currency_mismatch", 422, "The two amounts are in different currencies.", "两笔金额的币种不同。";
        SharesEmpty = "shares_empty", 422, "There is nobody to share the amount among.", "没有可以分配金额的对象。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
    }
}

impl Money {
    #[must_use]
    pub const fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.amount_minor == 0
    }

    /// # Errors
    /// Another currency, or a sum beyond 64 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyRefusal> {
        self.with(other, i64::checked_add)
    }

    /// # Errors
    /// Another currency, or a difference beyond 64 bits.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyRefusal> {
        self.with(other, i64::checked_sub)
    }

    fn with(self, other: Self, reckon: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyRefusal> {
        if self.currency != other.currency {
            return Err(MoneyRefusal::CurrencyMismatch);
        }
        let amount_minor = reckon(self.amount_minor, other.amount_minor).ok_or(MoneyRefusal::AmountOverflow)?;
        Ok(Self::new(amount_minor, self.currency))
    }

    /// A share rounded half to even, and all the rest: together they are the amount.
    #[must_use]
    pub fn share(self, share: BasisPoints) -> (Self, Self) {
        let share = share.of(self.amount_minor);
        // A share of at most the whole has the sign of the whole and is no larger: the difference is in range.
        let rest = self.amount_minor.saturating_sub(share);
        (Self::new(share, self.currency), Self::new(rest, self.currency))
    }

    /// Divides by weight, losing nothing: each gets its floor, then the first ones a minor unit more until none is left.
    ///
    /// # Errors
    /// No weights, or only zeros.
    pub fn allocate(self, weights: &[u32]) -> Result<Vec<Self>, MoneyRefusal> {
        let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
        let amount = i128::from(self.amount_minor);
        let mut parts = Vec::with_capacity(weights.len());
        for weight in weights {
            let part = amount.checked_mul(i128::from(*weight)).and_then(|n| n.checked_div(total));
            parts.push(part.ok_or(MoneyRefusal::SharesEmpty)?);
        }
        let mut left = amount.saturating_sub(parts.iter().sum());
        if parts.is_empty() {
            return Err(MoneyRefusal::SharesEmpty);
        }
        for (part, _) in parts.iter_mut().zip(weights).filter(|(_, weight)| **weight > 0) {
            let unit = left.signum();
            *part = part.saturating_add(unit);
            left = left.saturating_sub(unit);
        }
        let in_range = |part: i128| i64::try_from(part).ok().ok_or(MoneyRefusal::AmountOverflow);
        parts.into_iter().map(|part| Ok(Self::new(in_range(part)?, self.currency))).collect()
    }

    /// Divides into equal parts that differ by one minor unit at most.
    ///
    /// # Errors
    /// No parts.
    pub fn split(self, parts: usize) -> Result<Vec<Self>, MoneyRefusal> {
        self.allocate(&vec![1; parts])
    }
}

/// In major units with all decimals of the currency: `12.30 USD`, `1230 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.exponent());
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.amount_minor.unsigned_abs(), width = decimals.saturating_add(1));
        let (major, minor) = digits.split_at(digits.len().saturating_sub(decimals));
        let point = if decimals == 0 { "" } else { "." };
        write!(f, "{sign}{major}{point}{minor} {}", self.currency)
    }
}

/// Hundredths of a percent, from nothing to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BasisPoints(u16);

impl BasisPoints {
    pub const NONE: Self = Self(0);
    pub const WHOLE: u16 = 10_000;

    #[must_use]
    pub const fn new(points: u16) -> Option<Self> {
        if points <= Self::WHOLE { Some(Self(points)) } else { None }
    }

    /// This share of an amount, rounded half to even.
    #[must_use]
    pub fn of(self, amount_minor: i64) -> i64 {
        proportion(amount_minor, i64::from(self.0), i64::from(Self::WHOLE))
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = &'static str;

    fn try_from(points: u16) -> Result<Self, Self::Error> {
        Self::new(points).ok_or("more than 10000 basis points")
    }
}

impl From<BasisPoints> for u16 {
    fn from(points: BasisPoints) -> Self {
        points.0
    }
}

/// `amount * part / whole`, rounded half to even, for a part of 0 to the whole; nothing of nothing.
#[must_use]
pub fn proportion(amount_minor: i64, part: i64, whole: i64) -> i64 {
    // Two 64-bit factors fit 128 bits, and a part no larger than the whole leaves no more than the amount.
    let product = i128::from(amount_minor).saturating_mul(i128::from(part.clamp(0, whole.max(0))));
    i64::try_from(divide_half_even(product, i128::from(whole.max(1)))).unwrap_or(amount_minor)
}

/// Rounds to the nearest, and a tie to the even neighbour. The divisor is positive.
fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    let floor = dividend.div_euclid(divisor);
    let twice = dividend.rem_euclid(divisor).saturating_mul(2);
    let up = twice > divisor || (twice == divisor && floor.rem_euclid(2) == 1);
    floor.saturating_add(i128::from(up))
}

/// Sums per currency in 128 bits: more 64-bit amounts than any log will hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Currency, i128>);

impl Totals {
    pub fn add(&mut self, money: Money) {
        self.add_minor(money.currency, i128::from(money.amount_minor));
    }

    pub fn subtract(&mut self, money: Money) {
        self.add_minor(money.currency, i128::from(money.amount_minor).saturating_neg());
    }

    fn add_minor(&mut self, currency: Currency, amount_minor: i128) {
        let sum = self.0.entry(currency).or_default();
        *sum = sum.saturating_add(amount_minor);
    }

    #[must_use]
    pub fn of(&self, currency: Currency) -> i128 {
        self.0.get(&currency).copied().unwrap_or_default()
    }

    /// Every currency sums to nothing.
    #[must_use]
    pub fn are_zero(&self) -> bool {
        self.0.values().all(|sum| *sum == 0)
    }
}

#[cfg(test)]
mod tests;
