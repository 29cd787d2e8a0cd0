//! Random rules, lists and payments: few values, that they meet.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, option, prelude::*, sample::select};

use super::*;
use crate::{
    blind_index::BlindIndex,
    country::Country,
    risk::rule::{Condition, Place, RuleId, SandboxToken},
};

fn index_of() -> impl Strategy<Value = BlindIndex> {
    select(vec!['a', 'b']).prop_map(index)
}

fn country() -> impl Strategy<Value = Country> {
    select(vec!["DE", "FR"]).prop_map(|code| code.parse().unwrap())
}

fn currency() -> impl Strategy<Value = Currency> {
    prop_oneof![4 => Just(Currency::USD), 1 => Just(Currency::EUR)]
}

fn minor() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0_i64..20_000, 1 => select(vec![0, -1, i64::MAX, i64::MIN]), 1 => any::<i64>()]
}

fn amounts() -> impl Strategy<Value = BTreeMap<Currency, i64>> {
    collection::btree_map(currency(), minor(), 0..3)
}

fn per() -> impl Strategy<Value = Per> {
    select(vec![Per::Merchant, Per::Customer, Per::CardToken, Per::Ip, Per::Country])
}

fn window() -> impl Strategy<Value = Window> {
    select(vec![Window::Minute, Window::Hour, Window::Day, Window::Week])
}

fn place() -> impl Strategy<Value = Place> {
    select(vec![Place::Ip, Place::Card, Place::Customer])
}

fn period() -> impl Strategy<Value = Period> {
    select(vec![Period::Day, Period::Month])
}

fn standing() -> impl Strategy<Value = Standing> {
    select(vec![Standing::Registered, Standing::Active, Standing::Suspended, Standing::Closed])
}

fn token() -> impl Strategy<Value = SandboxToken> {
    select(vec!["pm_sandbox_visa", "pm_sandbox_elevated_risk"]).prop_map(|token| token.parse().unwrap())
}

pub(super) fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        Just(Condition::Blocked),
        Just(Condition::Allowed),
        amounts().prop_map(|amounts_minor| Condition::AmountAbove { amounts_minor }),
        (per(), window(), 0_u64..4).prop_map(|(per, window, count)| Condition::CountAbove { per, window, count }),
        (per(), window(), amounts()).prop_map(|(per, window, amounts_minor)| Condition::SumAbove {
            per,
            window,
            amounts_minor
        }),
        (place(), place()).prop_map(|(one, other)| Condition::CountryMismatch { one, other }),
        (place(), collection::btree_set(country(), 0..3))
            .prop_map(|(place, countries)| Condition::CountryIn { place, countries }),
        (any::<u8>(), any::<u8>()).prop_map(|(from_hour, until_hour)| Condition::NightHours { from_hour, until_hour }),
        (0_u32..60, amounts()).prop_map(|(younger_than_days, amounts_minor)| {
            Condition::NewMerchant { younger_than_days, amounts_minor }
        }),
        collection::btree_set(token(), 0..3).prop_map(|tokens| Condition::MethodToken { tokens }),
        period().prop_map(|period| Condition::LimitExceeded { period }),
        collection::btree_set(select(Channel::ALL.to_vec()), 0..4)
            .prop_map(|channels| Condition::ChannelIn { channels }),
        collection::btree_set(standing(), 0..4).prop_map(|standings| Condition::StandingIn { standings }),
        (0_u32..10).prop_map(|seconds| Condition::CountersOlderThan { seconds }),
    ]
}

fn decision() -> impl Strategy<Value = RiskDecision> {
    select(vec![RiskDecision::Approve, RiskDecision::Review, RiskDecision::Reject])
}

/// Of any kind and any decision, sound or not, under the id.
pub(super) fn rule_called(id: &str) -> impl Strategy<Value = Rule> + use<> {
    let id: RuleId = id.parse().unwrap();
    (0_u32..=100, option::weighted(0.3, decision()), condition()).prop_map(move |(score, decision, when)| {
        let (id, score) = (id.clone(), Score::capped(score));
        Rule { id, score, decision, when }
    })
}

pub(super) fn rule_set() -> impl Strategy<Value = RuleSet> {
    let named: Vec<_> = (0..8).map(|number| rule_called(&format!("r{number}"))).collect();
    (named, 0_usize..9, 0_u32..=100, 0_u32..=100).prop_map(|(mut named, count, review, reject)| {
        named.truncate(count);
        let (review_at, reject_at) = (Score::capped(review), Score::capped(reject));
        RuleSet { review_at, reject_at, ..rules(named) }
    })
}

pub(super) fn list() -> impl Strategy<Value = BTreeSet<Entry>> {
    let network = select(vec!["192.0.2.7", "192.0.2.0/24", "198.51.100.0/24"]);
    let entry = prop_oneof![
        Just(entry(r#"{"merchant":"MER00000000000000000000000000000001"}"#)),
        index_of().prop_map(Entry::Customer),
        index_of().prop_map(Entry::CardToken),
        network.prop_map(|network| Entry::Ip(network.parse().unwrap())),
        country().prop_map(Entry::Country),
    ];
    collection::btree_set(entry, 0..3)
}

fn tallied() -> impl Strategy<Value = Tally> {
    (0_u64..4, -5_i64..10, currency(), minor()).prop_map(|(count, seconds, currency, minor)| {
        let sums_minor = [(currency, i128::from(minor))].into();
        Tally { count, sums_minor, as_of: as_of(seconds) }
    })
}

fn payer() -> impl Strategy<Value = Payer> {
    let ip = option::of(select(vec!["192.0.2.7", "198.51.100.1"]));
    let countries = [option::of(country()), option::of(country()), option::of(country())];
    (option::of(index_of()), option::of(index_of()), option::of(token()), ip, countries).prop_map(
        |(customer, card_token, sandbox_token, address, [ip_country, card_country, customer_country])| {
            let at = address.map(at_address).unwrap_or_default();
            Payer { customer, card_token, sandbox_token, ip_country, card_country, customer_country, ..at }
        },
    )
}

pub(super) fn payment() -> impl Strategy<Value = Facts> {
    let limits = (option::of(minor()), option::of(minor())).prop_map(|(per_day_minor, per_month_minor)| Limits {
        per_payment_minor: None,
        per_day_minor,
        per_month_minor,
    });
    let merchant = (standing(), 0_u32..60, option::of(0_u8..24), limits);
    let counters =
        (collection::btree_map((per(), window()), tallied(), 0..8), collection::btree_map(period(), tallied(), 0..3));
    (minor(), currency(), select(Channel::ALL.to_vec()), merchant, payer(), counters).prop_map(
        |(amount_minor, currency, channel, merchant, payer, (velocity, periods))| {
            let (standing, age_days, local_hour, limits) = merchant;
            let merchant = MerchantFacts { standing, age_days, local_hour, limits, ..facts().merchant };
            let (amount, counters) = (Money::new(amount_minor, currency), Counters { velocity, periods });
            Facts { amount, channel, merchant, payer, counters, ..facts() }
        },
    )
}
