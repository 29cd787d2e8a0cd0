//! What holds of every rule set and every payment.

use proptest::prelude::*;

use super::{
    arbitrary::{condition, list, payment, rule_called, rule_set},
    *,
};
use crate::{cases::cases, risk::rule::Condition, risk_rules};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_same_is_always_assessed_the_same(set in rule_set(), blocked in list(), allowed in list(), facts in payment()) {
        let book = Rulebook { version: 1, rules: &set, blocked: &blocked, allowed: &allowed };
        let (set_again, facts_again) = (set.clone(), facts.clone());
        let again = Rulebook { rules: &set_again, ..book };
        prop_assert_eq!(assess(&book, &facts), assess(&again, &facts_again));
        prop_assert_eq!(explain(&book, &facts), explain(&again, &facts_again));
    }

    #[test]
    fn an_assessment_is_what_its_explanation_says(
        set in rule_set(), blocked in list(), allowed in list(), facts in payment()
    ) {
        let book = Rulebook { version: 7, rules: &set, blocked: &blocked, allowed: &allowed };
        let explanation = explain(&book, &facts);
        let assessment = assess(&book, &facts);
        prop_assert_eq!(&explanation.assessment, &assessment);
        prop_assert_eq!(assessment.rules_version, 7);
        prop_assert_eq!(explanation.findings.len(), set.rules.len());
        let fired: Vec<_> = explanation.findings.iter().filter(|finding| finding.fired).collect();
        let reasons: Vec<String> = fired.iter().map(|finding| finding.rule.to_string()).collect();
        prop_assert_eq!(&assessment.reasons, &reasons);
        let sum: u32 = fired.iter().map(|finding| u32::from(u8::from(finding.score))).sum();
        prop_assert_eq!(u32::from(u8::from(assessment.score)), sum.min(100));
        // The ground is a rule that fired and said so, or the score.
        match &explanation.ground {
            Ground::Score => prop_assert_eq!(assessment.decision, set.by_score(assessment.score)),
            Ground::Rule(id) => {
                let says_so = |finding: &&&explanation::Finding| finding.rule == *id;
                prop_assert_eq!(fired.iter().find(says_so).unwrap().decision, Some(assessment.decision));
            }
        }
    }

    #[test]
    fn one_more_rule_that_fires_is_never_milder_unless_it_approves(
        set in rule_set(), more in rule_called("more"), at in 0_usize..9,
        blocked in list(), allowed in list(), facts in payment(),
    ) {
        let book = Rulebook { version: 1, rules: &set, blocked: &blocked, allowed: &allowed };
        let before = assess(&book, &facts);
        let mut longer = set.clone();
        longer.rules.insert(at.min(set.rules.len()), more.clone());
        let after = assess(&Rulebook { rules: &longer, ..book }, &facts);
        if !after.reasons.contains(&"more".to_owned()) {
            prop_assert_eq!(after, before);
        } else if more.outright() != Some(RiskDecision::Approve) && set.review_at <= set.reject_at {
            prop_assert!(after.score >= before.score);
            prop_assert!(after.decision >= before.decision, "{:?} after {:?}", after, before);
        }
    }

    #[test]
    fn what_is_blocked_or_beyond_a_limit_is_never_approved_by_sound_rules(
        set in rule_set(), blocked in list(), allowed in list(), facts in payment()
    ) {
        let mut sound = set;
        sound.rules.retain(|rule| risk_rules::check(&rules(vec![
            rule.clone(),
            super::rule(r#"{"id":"b","score":0,"when":"blocked"}"#),
            super::rule(r#"{"id":"a","score":0,"when":"allowed"}"#),
        ])).is_ok());
        let book = Rulebook { version: 1, rules: &sound, blocked: &blocked, allowed: &allowed };
        let explanation = explain(&book, &facts);
        let hard = |finding: &explanation::Finding| finding.fired && matches!(finding.kind, "blocked" | "limit_exceeded");
        if explanation.findings.iter().any(hard) {
            prop_assert!(explanation.assessment.decision > RiskDecision::Approve);
        }
        let by_list = |finding: &explanation::Finding| finding.fired && finding.kind == "allowed";
        if explanation.findings.iter().any(by_list) && !explanation.findings.iter().any(hard) {
            prop_assert_eq!(explanation.assessment.decision, RiskDecision::Approve);
        }
    }

    #[test]
    fn rules_read_back_as_they_were_written(set in rule_set()) {
        let text = serde_json::to_string(&set).unwrap();
        let reread: RuleSet = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&reread, &set);
        prop_assert_eq!(serde_json::to_string(&reread).unwrap(), text);
    }

    #[test]
    fn a_word_that_is_not_known_is_refused_wherever_it_stands(set in rule_set(), at in any::<prop::sample::Index>()) {
        let sound = serde_json::to_value(&set).unwrap();
        let mut objects = Vec::new();
        pointers(&sound, String::new(), &mut objects);
        let pointer = at.get(&objects);
        let mut broken = sound.clone();
        broken.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert("surprise".into(), 1.into());
        prop_assert!(serde_json::from_value::<RuleSet>(sound).is_ok());
        prop_assert!(serde_json::from_value::<RuleSet>(broken).is_err(), "{}", pointer);
    }
}

/// Every object of the document, by where it stands.
fn pointers(value: &serde_json::Value, here: String, found: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        object.iter().for_each(|(key, inner)| pointers(inner, format!("{here}/{key}"), found));
        found.push(here);
    } else if let Some(list) = value.as_array() {
        list.iter().enumerate().for_each(|(at, inner)| pointers(inner, format!("{here}/{at}"), found));
    }
}

#[test]
fn another_format_is_not_guessed_at() {
    let sound = serde_json::to_value(RuleSet::by_default(true)).unwrap();
    assert_eq!(sound["format"], 1);
    for format in [0, 2] {
        let mut other = sound.clone();
        other["format"] = format.into();
        assert!(serde_json::from_value::<RuleSet>(other).is_err());
    }
    for missing in ["format", "review_at", "reject_at", "rules"] {
        let mut other = sound.clone();
        other.as_object_mut().unwrap().remove(missing);
        assert!(serde_json::from_value::<RuleSet>(other).is_err(), "{missing}");
    }
}

#[test]
fn every_kind_is_written_under_its_name() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..500 {
        let condition = condition().new_tree(&mut runner).unwrap().current();
        let written = serde_json::to_value(&condition).unwrap();
        let name = written.as_str().map(str::to_owned);
        let name = name.or_else(|| written.as_object().unwrap().keys().next().cloned()).unwrap();
        assert_eq!(name, condition.kind());
        seen.insert(condition.kind());
    }
    assert_eq!(seen, Condition::KINDS.iter().copied().collect());
}

#[test]
fn random_payments_come_to_every_decision_on_every_ground() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..2_000 {
        let strategy = (rule_set(), list(), list(), payment());
        let (set, blocked, allowed, facts) = strategy.new_tree(&mut runner).unwrap().current();
        let book = Rulebook { version: 1, rules: &set, blocked: &blocked, allowed: &allowed };
        let explanation = explain(&book, &facts);
        seen.insert((explanation.assessment.decision, explanation.ground == Ground::Score));
    }
    assert_eq!(seen.len(), 6);
}
