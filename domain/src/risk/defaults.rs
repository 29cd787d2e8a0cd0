//! The rules that decide until an operator publishes others: ordinary payments pass.

use std::collections::BTreeMap;

use crate::{
    currency::Currency,
    risk::{
        RiskDecision, Score,
        rule::{Condition, Per, Period, Place, Rule, RuleId, SandboxToken, Window},
        rule_set::{Format, RuleSet},
    },
};

/// Ten thousand dollars or about as much, in minor units.
const LARGE: [(&str, i64); 17] = [
    ("AUD", 1_500_000),
    ("BRL", 5_500_000),
    ("BTC", 10_000_000),
    ("CAD", 1_400_000),
    ("CHF", 900_000),
    ("CNY", 7_000_000),
    ("ETH", 3_000_000_000),
    ("EUR", 900_000),
    ("GBP", 800_000),
    ("HKD", 7_800_000),
    ("INR", 85_000_000),
    ("JPY", 1_500_000),
    ("KRW", 14_000_000),
    ("SGD", 1_300_000),
    ("USD", 1_000_000),
    ("USDC", 10_000_000_000),
    ("USDT", 10_000_000_000),
];

impl RuleSet {
    /// In test mode tokens alone decide, within the lists and limits: a test of load is no fraud.
    #[must_use]
    pub fn by_default(livemode: bool) -> Self {
        let mut rules = vec![
            rule("blocklist", 100, Some(RiskDecision::Reject), Condition::Blocked),
            rule("allowlist", 0, Some(RiskDecision::Approve), Condition::Allowed),
            rule("daily_limit", 100, Some(RiskDecision::Reject), Condition::LimitExceeded { period: Period::Day }),
            rule("monthly_limit", 100, Some(RiskDecision::Reject), Condition::LimitExceeded { period: Period::Month }),
        ];
        rules.extend(if livemode { live() } else { test() });
        Self { format: Format::One, review_at: Score::capped(50), reject_at: Score::capped(90), review: None, rules }
    }
}

fn test() -> Vec<Rule> {
    let token = |behaviour: &str| Condition::MethodToken { tokens: [SandboxToken::ours(behaviour)].into() };
    vec![
        rule("sandbox_reject", 100, Some(RiskDecision::Reject), token("blocked_by_risk")),
        rule("sandbox_review", 60, Some(RiskDecision::Review), token("elevated_risk")),
    ]
}

/// No signal but the largest amounts is enough by itself to make a payment wait for a person.
fn live() -> Vec<Rule> {
    let many = |per, window, count| Condition::CountAbove { per, window, count };
    let apart = |one, other| Condition::CountryMismatch { one, other };
    let new = Condition::NewMerchant { younger_than_days: 30, amounts_minor: large(1, 5) };
    let card_week = Condition::SumAbove { per: Per::CardToken, window: Window::Week, amounts_minor: large(2, 1) };
    vec![
        rule("large_amount", 25, None, Condition::AmountAbove { amounts_minor: large(1, 1) }),
        rule("very_large_amount", 25, None, Condition::AmountAbove { amounts_minor: large(5, 1) }),
        rule("new_merchant", 20, None, new),
        rule("night", 5, None, Condition::NightHours { from_hour: 1, until_hour: 5 }),
        rule("card_abroad", 15, None, apart(Place::Ip, Place::Card)),
        rule("customer_abroad", 10, None, apart(Place::Ip, Place::Customer)),
        rule("card_minute", 30, None, many(Per::CardToken, Window::Minute, 3)),
        rule("card_hour", 30, None, many(Per::CardToken, Window::Hour, 10)),
        rule("card_day", 20, None, many(Per::CardToken, Window::Day, 30)),
        rule("card_week_sum", 20, None, card_week),
        rule("customer_hour", 20, None, many(Per::Customer, Window::Hour, 10)),
        rule("ip_minute", 20, None, many(Per::Ip, Window::Minute, 20)),
        rule("ip_hour", 20, None, many(Per::Ip, Window::Hour, 200)),
        rule("counters_late", 10, None, Condition::CountersOlderThan { seconds: 300 }),
    ]
}

fn rule(id: &str, score: u32, decision: Option<RiskDecision>, when: Condition) -> Rule {
    Rule { id: RuleId::ours(id), score: Score::capped(score), decision, when }
}

/// The large amounts, times and divided by so much.
fn large(times: i64, parts: i64) -> BTreeMap<Currency, i64> {
    let scaled = |minor: i64| minor.saturating_mul(times).checked_div(parts).unwrap_or(i64::MAX);
    LARGE.iter().filter_map(|(code, minor)| Some((code.parse().ok()?, scaled(*minor)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_defaults_name_is_what_it_should_be() {
        assert_eq!(large(1, 1).len(), LARGE.len());
        for (currency, minor) in large(1, 5) {
            assert!(minor > 0, "{currency}");
        }
        for livemode in [false, true] {
            let rules = RuleSet::by_default(livemode);
            let reread: RuleSet = serde_json::from_str(&serde_json::to_string(&rules).unwrap()).unwrap();
            assert_eq!(reread, rules);
        }
    }
}
