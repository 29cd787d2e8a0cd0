//! What is stored of risk rules, for ever. None of it moves money.

use serde::{Deserialize, Serialize};

use crate::{
    aggregate::events_named,
    free_text::FreeText,
    id::OperatorId,
    posting::Posting,
    risk::{entry::Entry, rule_set::RuleSet},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskRulesEvent {
    Published(Box<Published>),
    Blocked { entry: Entry, by: OperatorId, reason: FreeText },
    Unblocked { entry: Entry, by: OperatorId, reason: FreeText },
    Allowed { entry: Entry, by: OperatorId, reason: FreeText },
    Disallowed { entry: Entry, by: OperatorId, reason: FreeText },
}

/// The whole rule set, so that an assessment is explained by its version alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Counted from 1; assessments name it.
    pub version: u32,
    pub rules: RuleSet,
    pub by: OperatorId,
    pub reason: FreeText,
}

events_named!(RiskRulesEvent {
    Published = "published", "1.0";
    Blocked = "blocked", "1.0";
    Unblocked = "unblocked", "1.0";
    Allowed = "allowed", "1.0";
    Disallowed = "disallowed", "1.0";
});

impl RiskRulesEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Published(_) | Self::Blocked { .. } | Self::Unblocked { .. } => Posting::none(),
            Self::Allowed { .. } | Self::Disallowed { .. } => Posting::none(),
        }
    }
}
