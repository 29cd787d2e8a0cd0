//! docs/risk.md and the default rules as files: read, sound, and decided as shown.

use std::{collections::BTreeSet, fs, path::PathBuf};

use domain::{
    id::MerchantId,
    merchant::{Standing, event::Limits},
    money::Money,
    risk::{
        RiskDecision,
        engine::{Rulebook, explain},
        facts::{Counters, Facts, MerchantFacts, Payer},
        rule::{Condition, Rule},
        rule_set::RuleSet,
    },
    risk_rules::check,
};
use serde_json::Value;
use uuid::Uuid;

use crate::documents::compare;

fn document() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/risk.md");
    fs::read_to_string(path).unwrap()
}

/// What stands between fences of this language.
fn blocks(language: &str) -> Vec<String> {
    let text = document();
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_default_rules_are_also_files_to_begin_from() {
    for (name, livemode) in [("live", true), ("test", false)] {
        let made = serde_json::to_string_pretty(&RuleSet::by_default(livemode)).unwrap() + "\n";
        let path = format!("../domain/src/risk/default_rules/{name}.json");
        compare(&path, &made);
        assert_eq!(serde_json::from_str::<RuleSet>(&made).unwrap(), RuleSet::by_default(livemode));
    }
}

#[test]
fn the_document_shows_one_rule_of_every_kind_and_each_is_sound() {
    let rules: Vec<Rule> = blocks("json rule").iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let shown: BTreeSet<&str> = rules.iter().map(|rule| rule.when.kind()).collect();
    assert_eq!(shown, Condition::KINDS.iter().copied().collect::<BTreeSet<_>>());
    let by_default = RuleSet::by_default(true);
    assert_eq!(check(&RuleSet { rules, ..by_default }), Ok(()));
}

#[test]
fn the_document_tells_the_decision_of_its_own_example() {
    let [set] = blocks("json rules").try_into().unwrap();
    let set: RuleSet = serde_json::from_str(&set).unwrap();
    assert_eq!(check(&set), Ok(()));
    let merchant = MerchantFacts {
        merchant_id: MerchantId::new(Uuid::from_u128(1)),
        standing: Standing::Active,
        age_days: 12,
        local_hour: Some(3),
        limits: Limits::default(),
    };
    let payer = Payer { ip_country: "BR".parse().ok(), card_country: "DE".parse().ok(), ..Payer::default() };
    let facts = Facts {
        at: "2026-01-29T12:00:00Z".parse().unwrap(),
        amount: Money::new(1_200_000, "USD".parse().unwrap()),
        channel: "stripe".parse().unwrap(),
        merchant,
        payer,
        counters: Counters::default(),
    };
    let (none, version) = (BTreeSet::new(), 4);
    let book = Rulebook { version, rules: &set, blocked: &none, allowed: &none };
    let explanation = explain(&book, &facts);
    assert_eq!(explanation.assessment.decision, RiskDecision::Review);
    let [told] = blocks("json explanation").try_into().unwrap();
    assert_eq!(serde_json::to_value(explanation).unwrap(), serde_json::from_str::<Value>(&told).unwrap());
}
