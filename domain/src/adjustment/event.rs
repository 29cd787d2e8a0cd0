//! What is stored of an adjustment, for ever.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account,
    aggregate::events_named,
    free_text::FreeText,
    id::{AdjustmentId, OperatorId},
    money::Money,
    posting::{Movement, Posting},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentEvent {
    Proposed(Box<Proposed>),
    /// A balance of the platform before, in the books from here on.
    TakenOver(Box<TakenOver>),
    Approved(Box<Adjusted>),
    Rejected {
        by: OperatorId,
        reason: FreeText,
    },
    ReversalProposed {
        by: OperatorId,
        reason: FreeText,
    },
    Reversed(Box<Adjusted>),
    ReversalRejected {
        by: OperatorId,
        reason: FreeText,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    pub adjustment_id: AdjustmentId,
    pub livemode: bool,
    pub debit: Account,
    pub credit: Account,
    pub amount: Money,
    pub by: OperatorId,
    pub reason: FreeText,
    /// When it is to take effect, where that is not the moment of its approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<DateTime<Utc>>,
}

/// An opening balance. It was decided where it came from: nobody proposes it here, and two people may reverse it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOver {
    pub adjustment_id: AdjustmentId,
    pub livemode: bool,
    pub debit: Account,
    pub credit: Account,
    pub amount: Money,
    /// Who took it over.
    pub by: OperatorId,
    /// From where.
    pub reason: FreeText,
    /// The moment at which it was the balance.
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjusted {
    pub adjustment_id: AdjustmentId,
    pub debit: Account,
    pub credit: Account,
    pub amount: Money,
    pub approved_by: OperatorId,
    pub effective_at: DateTime<Utc>,
}

events_named!(AdjustmentEvent {
    Proposed = "proposed", "1.0";
    TakenOver = "taken_over", "1.0";
    Approved = "approved", "1.0";
    Rejected = "rejected", "1.0";
    ReversalProposed = "reversal_proposed", "1.0";
    Reversed = "reversed", "1.0";
    ReversalRejected = "reversal_rejected", "1.0";
});

impl AdjustmentEvent {
    #[must_use]
    pub fn posting(&self) -> Posting {
        match self {
            Self::TakenOver(opening) => opening.posting(),
            Self::Approved(adjusted) => adjusted.posting(),
            Self::Reversed(adjusted) => adjusted.posting().reversing(adjusted.adjustment_id),
            Self::Proposed(_) | Self::Rejected { .. } => Posting::none(),
            Self::ReversalProposed { .. } | Self::ReversalRejected { .. } => Posting::none(),
        }
    }
}

impl TakenOver {
    fn posting(&self) -> Posting {
        let Self { debit, credit, amount, .. } = *self;
        Posting::moving(self.effective_at, &[Movement { debit, credit, money: amount }])
    }
}

impl Adjusted {
    fn posting(&self) -> Posting {
        let Self { debit, credit, amount, .. } = *self;
        Posting::moving(self.effective_at, &[Movement { debit, credit, money: amount }])
    }
}
