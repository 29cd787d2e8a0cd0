//! What is stored of periods, for ever. None of it moves money.

use serde::{Deserialize, Serialize};

use crate::{aggregate::events_named, free_text::FreeText, id::OperatorId, month::Month, posting::Posting};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodsEvent {
    /// With it, every month before.
    Closed {
        livemode: bool,
        month: Month,
        by: OperatorId,
    },
    ReopeningProposed(Box<ReopeningProposed>),
    ReopeningRejected {
        month: Month,
        by: OperatorId,
        reason: FreeText,
    },
    /// It alone: the months before it stay closed. What was carried over stays where it is.
    Reopened {
        month: Month,
        proposed_by: OperatorId,
        approved_by: OperatorId,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReopeningProposed {
    pub month: Month,
    pub by: OperatorId,
    pub reason: FreeText,
}

events_named!(PeriodsEvent {
    Closed = "closed", "1.0";
    ReopeningProposed = "reopening_proposed", "1.0";
    ReopeningRejected = "reopening_rejected", "1.0";
    Reopened = "reopened", "1.0";
});

impl PeriodsEvent {
    #[must_use]
    pub fn posting(&self) -> Posting {
        match self {
            Self::Closed { .. } | Self::ReopeningProposed(_) => Posting::none(),
            Self::ReopeningRejected { .. } | Self::Reopened { .. } => Posting::none(),
        }
    }
}
