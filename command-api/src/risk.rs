//! The rules of risk and their lists: what operators publish, block and allow.

use domain::{
    free_text::FreeText,
    id::{OperatorId, RiskRulesId},
    risk::{entry::Entry, rule_set::RuleSet},
    risk_rules::{RiskRules, RiskRulesCommand},
};
use event_store::Tenant;
use futures_util::future::BoxFuture;
use gate::{Body as _, Call, Caller, Problem, body, rules};
use serde_json::{Value, json};

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{at_version, stream},
};

body! {
    /// All rules of one mode at once.
    pub(crate) struct PublishRules {
        required rules: RuleSet = {
            "format": 1, "review_at": 50, "reject_at": 90,
            "review": { "within_seconds": 86400, "then": "reject" },
            "rules": [
                { "id": "blocklist", "score": 100, "when": "blocked" },
                { "id": "allowlist", "score": 0, "when": "allowed" },
                { "id": "card_hour", "score": 50,
                  "when": { "count_above": { "per": "card_token", "window": "1h", "count": 10 } } }
            ]
        }, "The whole rule set, as docs/risk.md has it; payments are assessed by it from the next one on.";
        required livemode: bool = true, "Whether it is for real money.";
        required reason: FreeText = "Card testing seen this morning", "Why. Kept with the event, as it is written.";
    }
}

body! {
    /// One entry of a list.
    pub(crate) struct ListEntry {
        required entry: Entry = { "ip": "192.0.2.0/24" }, "A merchant, customer, card_token, ip or country: docs/risk.md.";
        required livemode: bool = true, "Whether it is for real money.";
        required reason: FreeText = "Seen in chargebacks", "Why. Kept with the event, as it is written.";
    }
}

const PUBLISHED: Words = ("the rules decide from now on", "规则已生效");
const LISTED: Words = ("the list is changed", "名单已更新");

pub(crate) fn publish<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let PublishRules { rules, livemode, reason } = PublishRules::parse(&call.body)?;
        let command = RiskRulesCommand::Publish { rules: Box::new(rules), by: person(call)?, reason };
        Ok(tell(call, livemode, PUBLISHED, command, None))
    })
}

pub(crate) fn block<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async { list(call, |entry, by, reason| RiskRulesCommand::Block { entry, by, reason }) })
}

pub(crate) fn unblock<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async { list(call, |entry, by, reason| RiskRulesCommand::Unblock { entry, by, reason }) })
}

pub(crate) fn allow<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async { list(call, |entry, by, reason| RiskRulesCommand::Allow { entry, by, reason }) })
}

pub(crate) fn disallow<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async { list(call, |entry, by, reason| RiskRulesCommand::Disallow { entry, by, reason }) })
}

fn list(call: &Call, command: fn(Entry, OperatorId, FreeText) -> RiskRulesCommand) -> Result<Plan, Problem> {
    let ListEntry { entry, livemode, reason } = ListEntry::parse(&call.body)?;
    let command = command(entry.clone(), person(call)?, reason);
    Ok(tell(call, livemode, LISTED, command, Some(entry)))
}

/// One command on the rules of a mode.
fn tell(call: &Call, livemode: bool, words: Words, command: RiskRulesCommand, entry: Option<Entry>) -> Plan {
    let (rules, teller, demanded) = (stream(RiskRulesId::derive(livemode)), Teller::of(call), call.if_match);
    Plan::new(Tenant { merchant_id: None, livemode: Some(livemode) }, move |books| {
        at_version::<RiskRules>(books, &rules, demanded)?;
        if let Err(refusal) = books.tell::<RiskRules>(&rules, &command)? {
            return Ok(teller.refused(refusal));
        }
        let state = books.state::<RiskRules>(&rules)?;
        let by_default = RuleSet::by_default(livemode);
        let book = state.rulebook(&by_default);
        let is_on = |list: &std::collections::BTreeSet<Entry>| entry.as_ref().map(|entry| list.contains(entry));
        let mut told = json!({ "livemode": livemode, "rules_version": book.version });
        if let (Some(told), Some(entry)) = (told.as_object_mut(), &entry) {
            told.insert("entry".to_owned(), json!(entry));
            told.insert("blocked".to_owned(), Value::from(is_on(book.blocked)));
            told.insert("allowed".to_owned(), Value::from(is_on(book.allowed)));
        }
        Ok(teller.done(words, told))
    })
}

/// Only people decide what decides.
fn person(call: &Call) -> Result<OperatorId, Problem> {
    match call.caller {
        Caller::Operator { operator_id, .. } => Ok(operator_id),
        Caller::Merchant { .. } => Err(Problem::turned_away(rules::SCOPE_MISSING)),
    }
}
