//! Random commands for every aggregate: few names, that they meet; amounts at the edges.

use chrono::{DateTime, Utc};
use domain::{
    actor::Actor,
    currency::Currency,
    fee::{FeeOnRefund, FeePlan},
    free_text::FreeText,
    id::OperatorId,
    money::BasisPoints,
    money::Money,
};
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) mod adjustment;
pub(crate) mod merchant;
pub(crate) mod old_name;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod periods;
pub(crate) mod refund;
pub(crate) mod remittance;
pub(crate) mod risk_rules;
pub(crate) mod saga;
pub(crate) mod settled_funds;
pub(crate) mod settlement;

pub(crate) fn number() -> impl Strategy<Value = Uuid> {
    (1_u128..4).prop_map(Uuid::from_u128)
}

pub(crate) fn at() -> impl Strategy<Value = DateTime<Utc>> {
    (0_i64..4).prop_map(|seconds| DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap())
}

pub(crate) fn text() -> impl Strategy<Value = FreeText> {
    prop::sample::select(vec!["one", "two"]).prop_map(|text| FreeText::parse(text).unwrap())
}

pub(crate) fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["one", "two"]).prop_map(str::to_owned)
}

pub(crate) fn operator() -> impl Strategy<Value = OperatorId> {
    number().prop_map(OperatorId::new)
}

pub(crate) fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![Just(Actor::Process), operator().prop_map(Actor::Operator)]
}

pub(crate) fn currency() -> impl Strategy<Value = Currency> {
    prop_oneof![9 => Just(Currency::USD), 1 => Just(Currency::EUR)]
}

/// Round sums that add up to each other, single units, and the edges of 64 bits.
pub(crate) fn minor() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => prop::sample::select(vec![10_000_i64, 5_000, 4_000, 6_000, 3_333, 1]),
        2 => 1_i64..10_000,
        1 => prop::sample::select(vec![0, -1, -5_000, i64::MAX, i64::MAX - 1, i64::MAX / 2, i64::MIN, i64::MIN + 1]),
        1 => any::<i64>(),
    ]
}

pub(crate) fn money() -> impl Strategy<Value = Money> {
    (minor(), currency()).prop_map(|(amount_minor, currency)| Money::new(amount_minor, currency))
}

pub(crate) fn fee_plan() -> impl Strategy<Value = FeePlan> {
    let fixed = prop_oneof![Just(30_i64), 0_i64..500, Just(i64::MAX)];
    let maximum = prop::option::of(prop_oneof![100_i64..1_000, Just(i64::MAX)]);
    let on_refund = prop_oneof![Just(FeeOnRefund::Kept), Just(FeeOnRefund::Returned)];
    (0_u16..=10_000, fixed, 0_i64..100, maximum, on_refund).prop_map(
        |(points, fixed_minor, minimum_minor, maximum_minor, on_refund)| {
            let rate = BasisPoints::new(points).unwrap();
            FeePlan { rate, fixed_minor, minimum_minor, maximum_minor, on_refund }
        },
    )
}
