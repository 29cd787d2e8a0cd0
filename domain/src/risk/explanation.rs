//! Why an assessment says what it says, rule by rule, for whoever asks.

use std::fmt::{Display, Write as _};

use serde::Serialize;

use crate::{
    currency::Currency,
    money::Money,
    risk::{
        Assessment, RiskDecision, Score,
        facts::{AsOf, Facts},
        look::{Look, agreed_limit},
        rule::{Condition, Rule, RuleId},
    },
};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub assessment: Assessment,
    pub ground: Ground,
    pub review_at: Score,
    pub reject_at: Score,
    /// One for each rule, in their order.
    pub findings: Vec<Finding>,
}

/// What the decision rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    Rule(RuleId),
    Score,
}

/// One rule, fired or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub rule: RuleId,
    pub kind: &'static str,
    pub fired: bool,
    pub score: Score,
    pub decision: Option<RiskDecision>,
    pub saw: String,
    pub against: String,
    /// What the counter was true at, for rules that look at one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AsOf>,
}

impl Finding {
    pub(super) fn new(rule: &Rule, look: &Look<'_>, facts: &Facts) -> Self {
        Self {
            rule: rule.id.clone(),
            kind: rule.when.kind(),
            fired: look.fired,
            score: rule.score,
            decision: rule.outright(),
            saw: look.saw.to_string(),
            against: against(&rule.when, facts),
            as_of: look.as_of,
        }
    }
}

/// What the rule would have to see, or to see more of.
fn against(when: &Condition, facts: &Facts) -> String {
    let currency = facts.amount.currency;
    let above = |minor: Option<i64>| most(minor, currency);
    match when {
        Condition::Blocked => "the blocklist".to_owned(),
        Condition::Allowed => "the allowlist".to_owned(),
        Condition::AmountAbove { amounts_minor } | Condition::SumAbove { amounts_minor, .. } => {
            above(amounts_minor.get(&currency).copied())
        }
        Condition::CountAbove { count, .. } => format!("more than {count}"),
        Condition::CountryMismatch { .. } => "the same country twice".to_owned(),
        Condition::CountryIn { countries, .. } => one_of(countries),
        Condition::NightHours { from_hour, until_hour } => format!("from hour {from_hour} to before hour {until_hour}"),
        Condition::NewMerchant { younger_than_days, amounts_minor } => {
            format!("fewer than {younger_than_days} days and {}", above(amounts_minor.get(&currency).copied()))
        }
        Condition::MethodToken { tokens } => one_of(tokens),
        Condition::LimitExceeded { period } => above(agreed_limit(facts, *period)),
        Condition::ChannelIn { channels } => one_of(channels),
        Condition::StandingIn { standings } => one_of(standings.iter().map(|standing| standing.name())),
        Condition::CountersOlderThan { seconds } => format!("more than {seconds} seconds"),
    }
}

fn most(minor: Option<i64>, currency: Currency) -> String {
    minor
        .map_or_else(|| format!("no limit in {currency}"), |minor| format!("more than {}", Money::new(minor, currency)))
}

fn one_of<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("one of");
    for value in values {
        // Writing to a text cannot fail.
        write!(text, " {value}").unwrap_or_default();
    }
    text
}
