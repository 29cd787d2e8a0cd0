//! Money: checked sums, exact display, and shares in which no minor unit is lost.

use proptest::prelude::*;

use super::*;

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::EUR)
}

/// Amounts over the whole range, with the edges often.
fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => any::<i64>(),
        4 => -20_000_i64..20_000,
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]),
    ]
}

#[test]
fn sums_are_checked() {
    assert_eq!(usd(1).checked_add(usd(2)), Ok(usd(3)));
    assert_eq!(usd(1).checked_sub(usd(2)), Ok(usd(-1)));
    assert_eq!(usd(i64::MAX).checked_add(usd(1)), Err(MoneyRefusal::AmountOverflow));
    assert_eq!(usd(i64::MIN).checked_sub(usd(1)), Err(MoneyRefusal::AmountOverflow));
}

#[test]
fn currencies_do_not_mix() {
    assert_eq!(usd(1).checked_add(euro(1)), Err(MoneyRefusal::CurrencyMismatch));
    assert_eq!(usd(1).checked_sub(euro(1)), Err(MoneyRefusal::CurrencyMismatch));
}

#[test]
fn display_is_in_major_units_with_every_decimal() {
    let shown = |amount, code: &str| Money::new(amount, code.parse().unwrap()).to_string();
    assert_eq!(shown(1230, "USD"), "12.30 USD");
    assert_eq!(shown(-5, "USD"), "-0.05 USD");
    assert_eq!(shown(0, "USD"), "0.00 USD");
    assert_eq!(shown(1230, "JPY"), "1230 JPY");
    assert_eq!(shown(1, "BTC"), "0.00000001 BTC");
    assert_eq!(shown(1_000, "KWD"), "1.000 KWD");
    assert_eq!(shown(i64::MIN, "USD"), "-92233720368547758.08 USD");
}

#[test]
fn half_goes_to_the_even_neighbour() {
    let half = BasisPoints::new(5_000).unwrap();
    let rounded: Vec<i64> = [1, 3, 5, 7, -1, -3, -5, 2].map(|amount| half.of(amount)).to_vec();
    assert_eq!(rounded, [0, 2, 2, 4, 0, -2, -2, 1]);
    assert_eq!(BasisPoints::new(290).unwrap().of(10_000), 290);
    assert_eq!(BasisPoints::new(290).unwrap().of(10_017), 290);
    assert_eq!(BasisPoints::new(290).unwrap().of(10_018), 291);
}

#[test]
fn a_share_is_of_nothing_to_the_whole() {
    assert_eq!(BasisPoints::new(10_000).map(u16::from), Some(10_000));
    assert_eq!(BasisPoints::new(10_001), None);
    assert_eq!(serde_json::from_str::<BasisPoints>("10000").ok(), BasisPoints::new(10_000));
    assert!(serde_json::from_str::<BasisPoints>("10001").is_err());
    assert_eq!(proportion(100, 3, 0), 0);
    assert_eq!(proportion(100, 200, 100), 100);
    assert_eq!(proportion(100, -1, 100), 0);
}

#[test]
fn allocation_gives_the_odd_units_to_the_first() {
    assert_eq!(usd(100).split(3), Ok(vec![usd(34), usd(33), usd(33)]));
    assert_eq!(usd(-100).split(3), Ok(vec![usd(-34), usd(-33), usd(-33)]));
    assert_eq!(usd(10).allocate(&[0, 1, 2]), Ok(vec![usd(0), usd(4), usd(6)]));
    assert_eq!(usd(10).allocate(&[]), Err(MoneyRefusal::SharesEmpty));
    assert_eq!(usd(10).allocate(&[0, 0]), Err(MoneyRefusal::SharesEmpty));
}

#[test]
fn totals_hold_what_no_single_amount_could() {
    let mut totals = Totals::default();
    totals.add(usd(i64::MAX));
    totals.add(usd(i64::MAX));
    totals.add(euro(5));
    assert_eq!(totals.of(Currency::USD), i128::from(i64::MAX) * 2);
    assert!(!totals.are_zero());
    totals.subtract(usd(i64::MAX));
    totals.subtract(usd(i64::MAX));
    totals.subtract(euro(5));
    assert!(totals.are_zero());
    assert_eq!(totals.of(Currency::EUR), 0);
}

proptest! {
    #![proptest_config(crate::cases::cases())]

    #[test]
    fn a_share_and_its_rest_are_the_amount(amount in amounts(), points in 0_u16..=10_000) {
        let (share, rest) = usd(amount).share(BasisPoints::new(points).unwrap());
        prop_assert_eq!(share.checked_add(rest), Ok(usd(amount)));
        prop_assert!(share.amount_minor.unsigned_abs() <= amount.unsigned_abs());
    }

    #[test]
    fn a_share_is_within_half_a_unit(amount in amounts(), points in 0_u16..=10_000) {
        let share = i128::from(BasisPoints::new(points).unwrap().of(amount));
        let exact_times_whole = i128::from(amount) * i128::from(points);
        prop_assert!((share * 10_000 - exact_times_whole).abs() <= 5_000);
    }

    #[test]
    fn an_allocation_is_the_amount(amount in amounts(), weights in prop::collection::vec(any::<u32>(), 1..9)) {
        if let Ok(parts) = usd(amount).allocate(&weights) {
            let sum: i128 = parts.iter().map(|part| i128::from(part.amount_minor)).sum();
            prop_assert_eq!(sum, i128::from(amount));
            prop_assert_eq!(parts.len(), weights.len());
        } else {
            prop_assert!(weights.iter().all(|weight| *weight == 0));
        }
    }

    #[test]
    fn equal_parts_differ_by_one_unit_at_most(amount in amounts(), count in 1_usize..20) {
        let parts = usd(amount).split(count).unwrap();
        let amounts: Vec<i128> = parts.iter().map(|part| i128::from(part.amount_minor)).collect();
        prop_assert!(amounts.iter().max().unwrap() - amounts.iter().min().unwrap() <= 1);
    }

    #[test]
    fn adding_and_taking_away_is_nothing(a in amounts(), b in amounts()) {
        if let Ok(sum) = usd(a).checked_add(usd(b)) {
            prop_assert_eq!(sum.checked_sub(usd(b)), Ok(usd(a)));
        } else {
            prop_assert!(a.checked_add(b).is_none());
        }
    }

    #[test]
    fn the_displayed_digits_are_the_minor_units(amount in amounts(), at in 0_usize..171) {
        let currency = Currency::all().nth(at).unwrap();
        let shown = Money::new(amount, currency).to_string();
        let (number, code) = shown.split_once(' ').unwrap();
        prop_assert_eq!(code, currency.code());
        let digits: String = number.chars().filter(|c| *c != '.').collect();
        prop_assert_eq!(digits.parse::<i64>().unwrap(), amount);
        let decimals = number.split_once('.').map_or(0, |(_, minor)| minor.len());
        prop_assert_eq!(decimals, usize::from(currency.exponent()));
    }

    #[test]
    fn money_reads_back_from_json(amount in amounts(), at in 0_usize..171) {
        let money = Money::new(amount, Currency::all().nth(at).unwrap());
        let json = serde_json::to_string(&money).unwrap();
        prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    }
}
