//! The risk engine: kinds of rules at their edges, which wins, what passes by default.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{
    engine::{Rulebook, assess, explain},
    entry::Entry,
    explanation::{Explanation, Ground},
    facts::{AsOf, Counters, Facts, MerchantFacts, Payer, Tally},
    rule::{Per, Period, Rule, Window},
    rule_set::RuleSet,
    *,
};
use crate::{
    channel::Channel,
    currency::Currency,
    id::MerchantId,
    merchant::{Standing, event::Limits},
    money::Money,
    network::Network,
};

mod arbitrary;
mod decisions;
mod kinds;
mod laws;

pub(crate) fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

/// An ordinary payment of a merchant of some standing.
pub(crate) fn facts() -> Facts {
    let merchant = MerchantFacts {
        merchant_id: MerchantId::new(Uuid::from_u128(1)),
        standing: Standing::Active,
        age_days: 400,
        local_hour: Some(12),
        limits: Limits::default(),
    };
    let at = "2026-01-29T12:00:00Z".parse().unwrap();
    let (payer, counters) = (Payer::default(), Counters::default());
    Facts { at, amount: usd(10_000), channel: Channel::Stripe, merchant, payer, counters }
}

/// 64 times the same digit.
fn index(digit: char) -> crate::blind_index::BlindIndex {
    digit.to_string().repeat(64).parse().unwrap()
}

/// Somebody at this address, which stands on every list it could stand on.
pub(crate) fn at_address(text: &str) -> Payer {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let ip = format!("{digits:0>64}").parse().ok();
    Payer { ip, ip_networks: Network::around(text.parse().unwrap()).collect(), ..Payer::default() }
}

fn as_of(seconds_ago: i64) -> AsOf {
    AsOf { position: 7, at: facts().at - chrono::TimeDelta::seconds(seconds_ago) }
}

fn tally(count: u64, usd_minor: i128) -> Tally {
    Tally { count, sums_minor: [(Currency::USD, usd_minor)].into(), as_of: as_of(1) }
}

pub(crate) fn rule(json: &str) -> Rule {
    serde_json::from_str(json).unwrap()
}

fn entry(json: &str) -> Entry {
    serde_json::from_str(json).unwrap()
}

fn rules(rules: Vec<Rule>) -> RuleSet {
    RuleSet { rules, review_at: Score::capped(50), reject_at: Score::capped(90), ..RuleSet::by_default(true) }
}

/// The rules, version 3, without lists.
fn judged(set: &RuleSet, facts: &Facts) -> Explanation {
    judged_by_lists(set, facts, &[], &[])
}

fn judged_by_lists(set: &RuleSet, facts: &Facts, blocked: &[&str], allowed: &[&str]) -> Explanation {
    let list = |entries: &[&str]| entries.iter().map(|json| entry(json)).collect::<BTreeSet<_>>();
    let (blocked, allowed) = (list(blocked), list(allowed));
    let book = Rulebook { version: 3, rules: set, blocked: &blocked, allowed: &allowed };
    let explanation = explain(&book, facts);
    assert_eq!(assess(&book, facts), explanation.assessment);
    explanation
}

#[test]
fn a_score_is_0_to_100() {
    assert_eq!(Score::new(100).map(u8::from), Some(100));
    assert_eq!(Score::new(101), None);
    assert_eq!([0, 99, 100, 101, u32::MAX].map(|sum| u8::from(Score::capped(sum))), [0, 99, 100, 100, 100]);
    assert!(serde_json::from_str::<Score>("101").is_err());
    assert_eq!(serde_json::to_string(&Score::new(7)).unwrap(), "7");
}

#[test]
fn an_address_is_compared_and_never_shown() {
    let facts = Facts { payer: at_address("192.0.2.7"), ..facts() };
    let set = RuleSet::by_default(true);
    let shown = serde_json::to_string(&judged_by_lists(&set, &facts, &[r#"{"ip":"192.0.2.0/24"}"#], &[])).unwrap();
    assert!(shown.contains("ip 192.0.2.0/24") && !shown.contains("192.0.2.7"));
}
