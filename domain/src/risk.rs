//! What a risk check says of a payment: a score, a decision and the reasons that fired.

use serde::{Deserialize, Serialize};

mod defaults;
pub mod engine;
pub mod entry;
pub mod explanation;
pub mod exposure;
pub mod facts;
mod look;
pub mod rule;
pub mod rule_set;
pub mod velocity;

/// 0 is harmless, 100 is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

/// From the mildest to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskDecision {
    Approve,
    Review,
    Reject,
}

/// A decision with all that is needed to explain it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    pub score: Score,
    pub decision: RiskDecision,
    /// The names of the rules that fired.
    pub reasons: Vec<String>,
    pub rules_version: u32,
}

impl RiskDecision {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Review => "review",
            Self::Reject => "reject",
        }
    }
}

impl Score {
    #[must_use]
    pub const fn new(score: u8) -> Option<Self> {
        if score <= 100 { Some(Self(score)) } else { None }
    }

    /// What is beyond certain is certain.
    #[must_use]
    pub fn capped(score: u32) -> Self {
        Self(u8::try_from(score.min(100)).unwrap_or(100))
    }
}

impl TryFrom<u8> for Score {
    type Error = &'static str;

    fn try_from(score: u8) -> Result<Self, Self::Error> {
        Self::new(score).ok_or("a score above 100")
    }
}

impl From<Score> for u8 {
    fn from(score: Score) -> Self {
        score.0
    }
}

#[cfg(test)]
pub(crate) mod tests;
