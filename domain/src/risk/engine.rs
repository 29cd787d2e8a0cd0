//! The risk engine: rules held against what is known of a payment, and nothing else.

use std::collections::BTreeSet;

use crate::risk::{
    Assessment, RiskDecision, Score,
    entry::Entry,
    explanation::{Explanation, Finding, Ground},
    facts::Facts,
    look::{agreed_limit, is_known, look},
    rule::{Condition, Rule},
    rule_set::RuleSet,
};

/// All that decides: a rule set with its version, and both lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rulebook<'a> {
    pub version: u32,
    pub rules: &'a RuleSet,
    pub blocked: &'a BTreeSet<Entry>,
    pub allowed: &'a BTreeSet<Entry>,
}

impl Rulebook<'_> {
    /// Whether what was counted before may change what is decided of this payment.
    #[must_use]
    pub fn looks_at_counters(&self, facts: &Facts) -> bool {
        self.rules.rules.iter().any(|rule| match &rule.when {
            Condition::CountAbove { per, .. } | Condition::SumAbove { per, .. } => is_known(facts, *per),
            Condition::LimitExceeded { period } => agreed_limit(facts, *period).is_some(),
            Condition::Blocked | Condition::Allowed | Condition::AmountAbove { .. } => false,
            Condition::CountryMismatch { .. } | Condition::CountryIn { .. } | Condition::NightHours { .. } => false,
            Condition::NewMerchant { .. } | Condition::MethodToken { .. } | Condition::ChannelIn { .. } => false,
            Condition::StandingIn { .. } | Condition::CountersOlderThan { .. } => false,
        })
    }
}

/// The reason told where counters could not be had in time.
pub const UNCOUNTED: &str = "counters_unavailable";

/// What was counted could not be had: what would have been let through waits for a person. A no stays a no.
#[must_use]
pub fn uncounted(assessment: Assessment) -> Assessment {
    let decision = assessment.decision.max(RiskDecision::Review);
    let reasons = assessment.reasons.into_iter().chain([UNCOUNTED.to_owned()]).collect();
    Assessment { decision, reasons, ..assessment }
}

/// What the rules say of the payment: the score, the decision, and every rule that fired, in their order.
#[must_use]
pub fn assess(book: &Rulebook<'_>, facts: &Facts) -> Assessment {
    assessed(book, &fired(book, facts)).0
}

/// The same assessment with all of its grounds: every rule, fired or not, with what it saw against what it allows.
#[must_use]
pub fn explain(book: &Rulebook<'_>, facts: &Facts) -> Explanation {
    let (assessment, ground) = assessed(book, &fired(book, facts));
    let findings = book.rules.rules.iter().map(|rule| Finding::new(rule, &look(&rule.when, book, facts), facts));
    let RuleSet { review_at, reject_at, .. } = *book.rules;
    Explanation { assessment, ground, review_at, reject_at, findings: findings.collect() }
}

fn fired<'a>(book: &Rulebook<'a>, facts: &Facts) -> Vec<&'a Rule> {
    book.rules.rules.iter().filter(|rule| look(&rule.when, book, facts).fired).collect()
}

fn assessed(book: &Rulebook<'_>, fired: &[&Rule]) -> (Assessment, Ground) {
    let score = Score::capped(fired.iter().map(|rule| u32::from(u8::from(rule.score))).fold(0, u32::saturating_add));
    let (decision, ground) = decided(book.rules.by_score(score), fired);
    let reasons = fired.iter().map(|rule| rule.id.to_string()).collect();
    (Assessment { score, decision, reasons, rules_version: book.version }, ground)
}

/// An approval counts unless a hard rule fired; then the strictest word counts, be it a rule's own or the score's.
fn decided(by_score: RiskDecision, fired: &[&Rule]) -> (RiskDecision, Ground) {
    let by_rule = |rule: &Rule| Ground::Rule(rule.id.clone());
    if !fired.iter().any(|rule| rule.when.is_hard()) {
        let approval = fired.iter().find(|rule| rule.outright() == Some(RiskDecision::Approve));
        if let Some(rule) = approval {
            return (RiskDecision::Approve, by_rule(rule));
        }
    }
    let mut strictest = (by_score, Ground::Score);
    for rule in fired {
        if let Some(decision) = rule.outright().filter(|decision| *decision > strictest.0) {
            strictest = (decision, by_rule(rule));
        }
    }
    strictest
}
