//! Why a turn was not taken.

use chrono::Utc;
use event_store::{Failure, Outcome};

use crate::{due::Then, runner::PAUSE};

/// What a decision says that is to be made again with the counters at hand.
pub(crate) const UNCOUNTED: &str = "uncounted";

pub(crate) enum Trouble {
    /// The log is away or busy: that counts against nobody.
    Passing(String),
    /// The work itself cannot be done.
    Stuck(String),
    /// It is to know first what was counted before.
    Uncounted,
}

impl Trouble {
    /// What an outcome that is no success comes to.
    pub(crate) fn of(outcome: Result<Outcome, Failure>) -> Self {
        match outcome {
            Ok(Outcome::Refused { answer, .. }) if answer.body == UNCOUNTED => Self::Uncounted,
            Ok(Outcome::Refused { answer, .. }) => Self::Stuck(format!("refused: {}", answer.body)),
            Ok(other) => Self::Passing(format!("{other:?}")),
            Err(failure @ (Failure::Data { .. } | Failure::TooLarge { .. } | Failure::Unreadable { .. })) => {
                Self::Stuck(failure.to_string())
            }
            Err(failure) => Self::Passing(failure.to_string()),
        }
    }
}

pub(crate) fn later(reason: &str) -> Then {
    tracing::warn!(reason, "the processes cannot go on for now");
    Then::At(Utc::now() + PAUSE)
}
