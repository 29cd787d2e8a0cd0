//! Rule sets, sound and not, and entries on and off both lists.

use domain::{
    risk::{entry::Entry, rule_set::RuleSet},
    risk_rules::RiskRulesCommand,
};

use super::*;

fn entry() -> impl Strategy<Value = Entry> {
    let index = "0123456789abcdef".repeat(4);
    let entries = [
        r#"{"merchant":"MER00000000000000000000000000000001"}"#,
        &format!(r#"{{"customer":"{index}"}}"#),
        &format!(r#"{{"card_token":"{index}"}}"#),
        r#"{"ip":"192.0.2.0/24"}"#,
        r#"{"country":"AQ"}"#,
    ];
    prop::sample::select(entries.map(|json| serde_json::from_str(json).unwrap()).to_vec())
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let unsound = RuleSet { rules: Vec::new(), ..RuleSet::by_default(true) };
    prop::sample::select(vec![RuleSet::by_default(true), RuleSet::by_default(false), unsound])
}

pub(crate) fn history() -> impl Strategy<Value = Vec<RiskRulesCommand>> {
    let publish = (rules(), operator(), text()).prop_map(|(rules, by, reason)| {
        let rules = Box::new(rules);
        RiskRulesCommand::Publish { rules, by, reason }
    });
    let listed = || (entry(), operator(), text());
    let command = prop_oneof![
        2 => publish,
        3 => listed().prop_map(|(entry, by, reason)| RiskRulesCommand::Block { entry, by, reason }),
        2 => listed().prop_map(|(entry, by, reason)| RiskRulesCommand::Unblock { entry, by, reason }),
        3 => listed().prop_map(|(entry, by, reason)| RiskRulesCommand::Allow { entry, by, reason }),
        2 => listed().prop_map(|(entry, by, reason)| RiskRulesCommand::Disallow { entry, by, reason }),
    ];
    prop::collection::vec(command, 0..20)
}
