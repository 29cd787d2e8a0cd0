//! Fees: the same in parts as at once, never more than the money, returned whole.

use proptest::prelude::*;

use super::*;

fn plan(points: u16, fixed_minor: i64, minimum_minor: i64, maximum_minor: Option<i64>) -> FeePlan {
    let rate = BasisPoints::new(points).unwrap();
    FeePlan { rate, fixed_minor, minimum_minor, maximum_minor, on_refund: FeeOnRefund::Returned }
}

fn plans() -> impl Strategy<Value = FeePlan> {
    let amount = || prop_oneof![0_i64..500, 0_i64..=i64::MAX];
    (0_u16..=10_000, amount(), amount(), prop::option::of(amount()))
        .prop_map(|(points, fixed, minimum, maximum)| plan(points, fixed, minimum, maximum))
        .prop_filter("bounds cross", |plan| plan.check().is_ok())
}

fn captured() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..100_000, 0_i64..=i64::MAX]
}

#[test]
fn a_fee_is_share_and_fixed_within_its_bounds() {
    assert_eq!(plan(290, 30, 0, None).of(10_000), 320);
    assert_eq!(plan(290, 30, 400, None).of(10_000), 400);
    assert_eq!(plan(290, 30, 0, Some(100)).of(10_000), 100);
    assert_eq!(FeePlan::FREE.of(10_000), 0);
}

#[test]
fn a_fee_is_never_more_than_the_money() {
    assert_eq!(plan(290, 30, 0, None).of(20), 20);
    assert_eq!(plan(290, 30, 0, None).of(0), 0);
    assert_eq!(plan(10_000, i64::MAX, 0, None).of(i64::MAX), i64::MAX);
}

#[test]
fn a_plan_says_what_is_wrong_with_it() {
    assert_eq!(plan(0, -1, 0, None).check(), Err(FeeRefusal::FeeNegative));
    assert_eq!(plan(0, 0, -1, None).check(), Err(FeeRefusal::FeeNegative));
    assert_eq!(plan(0, 0, 0, Some(-1)).check(), Err(FeeRefusal::FeeNegative));
    assert_eq!(plan(0, 0, 2, Some(1)).check(), Err(FeeRefusal::FeeBoundsCrossed));
    assert_eq!(plan(0, 0, 1, Some(1)).check(), Ok(()));
    assert_eq!(plan(0, 0, 0, Some(0)).check(), Ok(()));
}

#[test]
fn a_fee_comes_back_in_proportion_or_stays_earned() {
    let returned = plan(290, 30, 0, None);
    assert_eq!(returned.due_back(320, 5_000, 10_000), 160);
    assert_eq!(returned.due_back(320, 10_000, 10_000), 320);
    assert_eq!(FeePlan { on_refund: FeeOnRefund::Kept, ..returned }.due_back(320, 10_000, 10_000), 0);
}

proptest! {
    #![proptest_config(crate::cases::cases())]

    #[test]
    fn in_parts_or_at_once_a_payment_costs_the_same(
        plan in plans(), parts in prop::collection::vec(captured(), 1..6),
    ) {
        let (mut total, mut fees) = (0_i64, 0_i64);
        for part in parts {
            let Some(sum) = total.checked_add(part) else { break };
            fees += plan.of_next(total, part);
            total = sum;
        }
        prop_assert_eq!(fees, plan.of(total));
    }

    #[test]
    fn a_part_costs_no_more_than_itself(plan in plans(), total in captured(), part in captured()) {
        if total.checked_add(part).is_some() {
            let fee = plan.of_next(total, part);
            prop_assert!((0..=part).contains(&fee), "{} of {}", fee, part);
        }
    }

    #[test]
    fn what_is_due_back_is_all_of_it_at_the_end(plan in plans(), total in 1_i64..=i64::MAX) {
        let fees = plan.of(total);
        prop_assert_eq!(plan.due_back(fees, total, total), fees);
        prop_assert_eq!(plan.due_back(fees, 0, total), 0);
    }
}
