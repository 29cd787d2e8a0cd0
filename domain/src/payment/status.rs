//! The nine statuses the outside sees, by one total function of the state.

use serde::{Deserialize, Serialize};

use crate::{
    money::Money,
    payment::{Agreed, Cancellation, Payment, attempt::Phase},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Processing,
    RequiresReview,
    Success,
    Failed,
    Cancelled,
    Refunding,
    Refunded,
    PartiallyRefunded,
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::RequiresReview => "requires_review",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::PartiallyRefunded => "partially_refunded",
        }
    }
}

/// What may be asked of a payment's state by those who do not decide.
impl Payment {
    /// Money first: what was captured says more than how an attempt went.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.captured_minor > 0 {
            return self.status_of_captured();
        }
        if self.cancellation == Cancellation::Done {
            return Status::Cancelled;
        }
        match self.attempts.last().map(|attempt| attempt.phase) {
            None | Some(Phase::Initiated | Phase::Approved) => Status::Pending,
            Some(Phase::InReview) => Status::RequiresReview,
            Some(Phase::Submitted | Phase::Unknown | Phase::Authorised) => Status::Processing,
            Some(Phase::Captured) => Status::Success,
            Some(Phase::Rejected | Phase::Failed | Phase::Voided) => Status::Failed,
            Some(Phase::Expired | Phase::Withdrawn) => Status::Cancelled,
        }
    }

    const fn status_of_captured(&self) -> Status {
        if self.refunds.reserved_minor() > 0 {
            return Status::Refunding;
        }
        match self.refunds.confirmed_minor() {
            0 => Status::Success,
            refunded if refunded >= self.captured_minor => Status::Refunded,
            _ => Status::PartiallyRefunded,
        }
    }

    /// What was agreed, once the payment exists.
    #[must_use]
    pub const fn agreement(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// The number and phase of the last attempt.
    #[must_use]
    pub fn last_attempt(&self) -> Option<(u32, Phase)> {
        self.attempts.last().map(|attempt| (attempt.number, attempt.phase))
    }

    #[must_use]
    pub fn captured(&self) -> Option<Money> {
        self.in_minor(self.captured_minor)
    }

    #[must_use]
    pub fn refunded(&self) -> Option<Money> {
        self.in_minor(self.refunds.confirmed_minor())
    }

    /// Cancellation was asked for and the channel has not yet let go.
    #[must_use]
    pub const fn is_being_cancelled(&self) -> bool {
        matches!(self.cancellation, Cancellation::Requested(_))
    }

    fn in_minor(&self, amount_minor: i64) -> Option<Money> {
        self.agreed.as_ref().map(|agreed| Money::new(amount_minor, agreed.amount.currency))
    }
}
