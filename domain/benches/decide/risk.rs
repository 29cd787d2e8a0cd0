//! Decisions of risk rules: rules published, entries on and off lists of thousands.

use domain::{
    free_text::TextRefusal,
    id::{MerchantId, OperatorId},
    risk::{entry::Entry, rule_set::RuleSet},
    risk_rules::RiskRulesCommand,
};

use crate::{Cases, number, one_after_the_other, why};

pub(crate) fn rules() -> Result<Cases<RiskRulesCommand>, TextRefusal> {
    let (by, reason) = (OperatorId::new(number(1)), why()?);
    let entry = |of: u128| Entry::Merchant(MerchantId::new(number(of)));
    let block = |of: u128| RiskRulesCommand::Block { entry: entry(of), by, reason: reason.clone() };
    let given: Vec<RiskRulesCommand> = (1..5_000).map(block).collect();
    let publish = |livemode| {
        let rules = Box::new(RuleSet::by_default(livemode));
        RiskRulesCommand::Publish { rules, by, reason: reason.clone() }
    };
    Ok(one_after_the_other(
        &given,
        vec![
            ("publish", publish(false)),
            ("block", block(5_000)),
            ("unblock", RiskRulesCommand::Unblock { entry: entry(5_000), by, reason: reason.clone() }),
            ("allow", RiskRulesCommand::Allow { entry: entry(5_000), by, reason: reason.clone() }),
            ("disallow", RiskRulesCommand::Disallow { entry: entry(5_000), by, reason: reason.clone() }),
        ],
    ))
}
