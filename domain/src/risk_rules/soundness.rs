//! What must hold of a rule set before it decides over payments.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    risk::{
        RiskDecision,
        rule::{Condition, Rule},
        rule_set::{ReviewPolicy, RuleSet},
    },
    risk_rules::RiskRulesRefusal,
};

const RULES_MAX: usize = 200;
const TOKENS_MAX: usize = 100;

/// # Errors
/// The first thing that is wrong with the rules as a whole, or with the first rule that is wrong.
pub fn check(rules: &RuleSet) -> Result<(), RiskRulesRefusal> {
    if rules.rules.len() > RULES_MAX {
        return Err(RiskRulesRefusal::RulesTooMany);
    }
    if rules.reject_at < rules.review_at {
        return Err(RiskRulesRefusal::ThresholdsCrossed);
    }
    let is_sound = |policy: ReviewPolicy| (1..=ReviewPolicy::WITHIN_SECONDS_MAX).contains(&policy.within_seconds);
    if !rules.review.is_none_or(is_sound) {
        return Err(RiskRulesRefusal::ReviewPeriodMalformed);
    }
    let mut ids = BTreeSet::new();
    if !rules.rules.iter().all(|rule| ids.insert(&rule.id)) {
        return Err(RiskRulesRefusal::RuleIdRepeated);
    }
    rules.rules.iter().try_for_each(check_rule)?;
    let heeds = |list: &Condition| rules.rules.iter().any(|rule| rule.when == *list);
    if !heeds(&Condition::Blocked) || !heeds(&Condition::Allowed) {
        return Err(RiskRulesRefusal::ListsPassedOver);
    }
    Ok(())
}

fn check_rule(rule: &Rule) -> Result<(), RiskRulesRefusal> {
    check_condition(&rule.when)?;
    let approves = rule.outright() == Some(RiskDecision::Approve);
    let contradicts = if rule.when == Condition::Allowed { !approves } else { rule.when.is_hard() && approves };
    if contradicts { Err(RiskRulesRefusal::DecisionContradictsRule) } else { Ok(()) }
}

fn check_condition(when: &Condition) -> Result<(), RiskRulesRefusal> {
    let amounts = match when {
        Condition::AmountAbove { amounts_minor }
        | Condition::SumAbove { amounts_minor, .. }
        | Condition::NewMerchant { amounts_minor, .. } => Some(amounts_minor),
        Condition::Blocked | Condition::Allowed | Condition::LimitExceeded { .. } => None,
        Condition::CountAbove { .. } | Condition::CountersOlderThan { .. } | Condition::NightHours { .. } => None,
        Condition::CountryMismatch { .. } | Condition::CountryIn { .. } | Condition::MethodToken { .. } => None,
        Condition::ChannelIn { .. } | Condition::StandingIn { .. } => None,
    };
    if amounts.is_some_and(BTreeMap::is_empty) || names_nothing(when) {
        return Err(RiskRulesRefusal::RuleNamesNothing);
    }
    if matches!(when, Condition::MethodToken { tokens } if tokens.len() > TOKENS_MAX) {
        return Err(RiskRulesRefusal::TokensTooMany);
    }
    if amounts.is_some_and(|amounts| amounts.values().any(|minor| *minor < 0)) {
        return Err(RiskRulesRefusal::ThresholdNegative);
    }
    if matches!(when, Condition::CountryMismatch { one, other } if one == other) {
        return Err(RiskRulesRefusal::PlacesEqual);
    }
    if matches!(when, Condition::NightHours { from_hour, until_hour } if !are_hours(*from_hour, *until_hour)) {
        return Err(RiskRulesRefusal::HoursMalformed);
    }
    Ok(())
}

/// A list without entries never fires, which is not what whoever wrote the rule meant.
fn names_nothing(when: &Condition) -> bool {
    match when {
        Condition::CountryIn { countries, .. } => countries.is_empty(),
        Condition::MethodToken { tokens } => tokens.is_empty(),
        Condition::ChannelIn { channels } => channels.is_empty(),
        Condition::StandingIn { standings } => standings.is_empty(),
        Condition::Blocked | Condition::Allowed | Condition::LimitExceeded { .. } => false,
        Condition::AmountAbove { .. } | Condition::SumAbove { .. } | Condition::NewMerchant { .. } => false,
        Condition::CountAbove { .. } | Condition::CountersOlderThan { .. } | Condition::NightHours { .. } => false,
        Condition::CountryMismatch { .. } => false,
    }
}

const fn are_hours(from: u8, until: u8) -> bool {
    from < 24 && until < 24 && from != until
}
