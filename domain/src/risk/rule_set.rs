//! Rules that decide together, in order, and where review and rejection begin.

use serde::{Deserialize, Serialize};

use crate::risk::{RiskDecision, Score, rule::Rule};

/// Reads from JSON as it is written there; what is sound is decided when it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    pub format: Format,
    /// A score of this or more asks for a person.
    pub review_at: Score,
    /// A score of this or more is a no.
    pub reject_at: Score,
    /// How long a person has to review, and what then; where it is not said, a day, and then somebody is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewPolicy>,
    pub rules: Vec<Rule>,
}

/// What becomes of a payment that nobody reviews.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewPolicy {
    pub within_seconds: u32,
    pub then: Unreviewed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreviewed {
    /// It is rejected; its order stays open for another attempt.
    Reject,
    /// It goes on waiting, and somebody is called.
    CallSomebody,
}

impl ReviewPolicy {
    pub const WITHIN_SECONDS_MAX: u32 = 30 * 86_400;
    const BY_DEFAULT: Self = Self { within_seconds: 86_400, then: Unreviewed::CallSomebody };
}

/// The shape of the rules: what another release wrote otherwise is not guessed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Format {
    One,
}

impl RuleSet {
    /// What is said of reviews, or what holds where nothing is said.
    #[must_use]
    pub fn review_policy(&self) -> ReviewPolicy {
        self.review.unwrap_or(ReviewPolicy::BY_DEFAULT)
    }

    #[must_use]
    pub fn by_score(&self, score: Score) -> RiskDecision {
        if score >= self.reject_at {
            RiskDecision::Reject
        } else if score >= self.review_at {
            RiskDecision::Review
        } else {
            RiskDecision::Approve
        }
    }
}

impl TryFrom<u8> for Format {
    type Error = &'static str;

    fn try_from(format: u8) -> Result<Self, Self::Error> {
        if format == 1 { Ok(Self::One) } else { Err("a format of risk rules other than 1") }
    }
}

impl From<Format> for u8 {
    fn from(format: Format) -> Self {
        match format {
            Format::One => 1,
        }
    }
}
