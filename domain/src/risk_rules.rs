//! The risk rules of one mode: a rule set with a version, a blocklist and an allowlist.

use core::net::IpAddr;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::Aggregate,
    free_text::FreeText,
    id::OperatorId,
    network::Network,
    refusal::refusals,
    risk::{engine::Rulebook, entry::Entry, rule_set::RuleSet},
};

pub mod event;
mod soundness;
use event::{Published, RiskRulesEvent};
pub use soundness::check;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskRules {
    /// How many rule sets were published.
    version: u32,
    rules: Option<RuleSet>,
    blocked: BTreeSet<Entry>,
    allowed: BTreeSet<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RiskRulesCommand {
    Publish { rules: Box<RuleSet>, by: OperatorId, reason: FreeText },
    Block { entry: Entry, by: OperatorId, reason: FreeText },
    Unblock { entry: Entry, by: OperatorId, reason: FreeText },
    Allow { entry: Entry, by: OperatorId, reason: FreeText },
    Disallow { entry: Entry, by: OperatorId, reason: FreeText },
}

refusals! {
    /// Why risk rules say no, in the order the rules are tried.
    pub enum RiskRulesRefusal {
        RulesTooMany = "rules_too_many", 422, "A rule set has at most 200 rules.", "规则集最多包含 200 条规则。";
        ThresholdsCrossed = "thresholds_crossed", 422,
            "Rejection begins below review.", "拒绝分数低于人工审核分数。";
        ReviewPeriodMalformed = "review_period_malformed", 422,
            "A review takes between one second and 30 days.", "人工审核时限须在 1 秒至 30 天之间。";
        RuleIdRepeated = "rule_id_repeated", 422, "Two rules have the same id.", "两条规则的编号相同。";
        RuleNamesNothing = "rule_names_nothing", 422,
            "A rule names nothing that it could fire at.", "规则没有列出任何触发对象。";
        TokensTooMany = "tokens_too_many", 422, "A rule names at most 100 tokens.", "一条规则最多列出 100 个令牌。";
        ThresholdNegative = "threshold_negative", 422, "The threshold must not be negative.", "起结金额不能为负数。";
        PlacesEqual = "places_equal", 422, "A country always equals itself.", "国家或地区不能与自身比较。";
        HoursMalformed = "hours_malformed", 422,
            "Hours are two different ones, from 0 to 23.", "时段须为 0 至 23 之间的两个不同小时。";
        DecisionContradictsRule = "decision_contradicts_rule", 422,
            "This kind of rule cannot decide so.", "该类规则不能作出这种决定。";
        ListsPassedOver = "lists_passed_over", 422,
            "The rules must heed the blocklist and the allowlist.", "规则集必须包含黑名单和白名单规则。";
        EntryBlocked = "entry_blocked", 409, "The entry is blocked; unblock it first.", "该条目在黑名单中，请先移除。";
        ListFull = "list_full", 409, "A list has at most 10000 entries.", "名单最多 10000 条。";
    }
}

type Decision = Result<Vec<RiskRulesEvent>, RiskRulesRefusal>;

impl Aggregate for RiskRules {
    const TYPE: &'static str = "risk_rules";
    const STATE_VERSION: i32 = 1;
    type Command = RiskRulesCommand;
    type Event = RiskRulesEvent;
    type Refusal = RiskRulesRefusal;

    fn decide(&self, command: &RiskRulesCommand) -> Decision {
        match command {
            RiskRulesCommand::Publish { rules, by, reason } => self.publish(rules, *by, reason),
            RiskRulesCommand::Block { entry, by, reason } => self.block(entry, *by, reason),
            RiskRulesCommand::Unblock { entry, by, reason } => self.unblock(entry, *by, reason),
            RiskRulesCommand::Allow { entry, by, reason } => self.allow(entry, *by, reason),
            RiskRulesCommand::Disallow { entry, by, reason } => self.disallow(entry, *by, reason),
        }
    }

    fn apply(&mut self, event: &RiskRulesEvent) {
        match event {
            RiskRulesEvent::Published(published) => {
                self.version = published.version;
                self.rules = Some(published.rules.clone());
            }
            RiskRulesEvent::Blocked { entry, .. } => {
                self.blocked.insert(entry.clone());
            }
            RiskRulesEvent::Unblocked { entry, .. } => {
                self.blocked.remove(entry);
            }
            RiskRulesEvent::Allowed { entry, .. } => {
                self.allowed.insert(entry.clone());
            }
            RiskRulesEvent::Disallowed { entry, .. } => {
                self.allowed.remove(entry);
            }
        }
    }
}

impl RiskRules {
    pub const ENTRIES_MAX: usize = 10_000;

    fn publish(&self, rules: &RuleSet, by: OperatorId, reason: &FreeText) -> Decision {
        if self.rules.as_ref() == Some(rules) {
            return Ok(Vec::new());
        }
        check(rules)?;
        let (version, rules, reason) = (self.version.saturating_add(1), rules.clone(), reason.clone());
        Ok(vec![RiskRulesEvent::Published(Box::new(Published { version, rules, by, reason }))])
    }

    /// Also what is allowed: the blocklist wins, and who blocks in a hurry asks nobody.
    fn block(&self, entry: &Entry, by: OperatorId, reason: &FreeText) -> Decision {
        if self.blocked.contains(entry) {
            return Ok(Vec::new());
        }
        if self.blocked.len() >= Self::ENTRIES_MAX {
            return Err(RiskRulesRefusal::ListFull);
        }
        Ok(vec![RiskRulesEvent::Blocked { entry: entry.clone(), by, reason: reason.clone() }])
    }

    fn unblock(&self, entry: &Entry, by: OperatorId, reason: &FreeText) -> Decision {
        if !self.blocked.contains(entry) {
            return Ok(Vec::new());
        }
        Ok(vec![RiskRulesEvent::Unblocked { entry: entry.clone(), by, reason: reason.clone() }])
    }

    fn allow(&self, entry: &Entry, by: OperatorId, reason: &FreeText) -> Decision {
        if self.allowed.contains(entry) {
            return Ok(Vec::new());
        }
        if self.blocked.contains(entry) {
            return Err(RiskRulesRefusal::EntryBlocked);
        }
        if self.allowed.len() >= Self::ENTRIES_MAX {
            return Err(RiskRulesRefusal::ListFull);
        }
        Ok(vec![RiskRulesEvent::Allowed { entry: entry.clone(), by, reason: reason.clone() }])
    }

    fn disallow(&self, entry: &Entry, by: OperatorId, reason: &FreeText) -> Decision {
        if !self.allowed.contains(entry) {
            return Ok(Vec::new());
        }
        Ok(vec![RiskRulesEvent::Disallowed { entry: entry.clone(), by, reason: reason.clone() }])
    }

    /// The entries of both lists that hold the address, the narrowest first.
    #[must_use]
    pub fn listed(&self, address: IpAddr) -> Vec<Network> {
        let is_listed = |network: &Network| {
            let entry = Entry::Ip(*network);
            self.blocked.contains(&entry) || self.allowed.contains(&entry)
        };
        Network::around(address).filter(is_listed).collect()
    }

    /// What payments are assessed by: the rules last published, else those given for the mode, as version 0.
    #[must_use]
    pub fn rulebook<'a>(&'a self, by_default: &'a RuleSet) -> Rulebook<'a> {
        let rules = self.rules.as_ref().unwrap_or(by_default);
        Rulebook { version: self.version, rules, blocked: &self.blocked, allowed: &self.allowed }
    }
}

#[cfg(test)]
mod tests;
