//! What a risk check says of a payment: a score, a decision and the reasons that fired.

use serde::{Deserialize, Serialize};

/// 0 is harmless, 100 is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Score {
    #[must_use]
    pub const fn new(score: u8) -> Option<Self> {
        if score <= 100 { Some(Self(score)) } else { None }
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
mod tests {
    use super::*;

    #[test]
    fn a_score_is_0_to_100() {
        assert_eq!(Score::new(100).map(u8::from), Some(100));
        assert_eq!(Score::new(101), None);
        assert!(serde_json::from_str::<Score>("101").is_err());
        assert_eq!(serde_json::to_string(&Score::new(7)).unwrap(), "7");
    }
}
