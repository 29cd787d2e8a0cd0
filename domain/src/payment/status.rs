//! The nine statuses the outside sees, by one total function of the state.

use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    id::{CaptureId, RefundId},
    money::Money,
    payment::{
        Agreed, Cancellation, Payment,
        attempt::{Attempt, CaptureMode, CapturePhase, Phase},
    },
};

/// All that the status depends on, as a payment's state has it or a row of it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub captured_minor: i64,
    /// Refunds on their way.
    pub reserved_minor: i64,
    pub refunded_minor: i64,
    pub is_cancelled: bool,
    /// Of the last attempt.
    pub phase: Option<Phase>,
}

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
    pub const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Processing,
        Self::RequiresReview,
        Self::Success,
        Self::Failed,
        Self::Cancelled,
        Self::Refunding,
        Self::Refunded,
        Self::PartiallyRefunded,
    ];

    /// Money first: what was captured says more than how an attempt went.
    #[must_use]
    pub const fn of(seen: Seen) -> Self {
        if seen.captured_minor > 0 {
            return Self::of_captured(seen);
        }
        if seen.is_cancelled {
            return Self::Cancelled;
        }
        match seen.phase {
            None | Some(Phase::Initiated | Phase::Approved) => Self::Pending,
            Some(Phase::InReview) => Self::RequiresReview,
            Some(Phase::Submitted | Phase::Unknown | Phase::Authorised) => Self::Processing,
            Some(Phase::Captured) => Self::Success,
            Some(Phase::Rejected | Phase::Failed | Phase::Voided) => Self::Failed,
            Some(Phase::Expired | Phase::Withdrawn) => Self::Cancelled,
        }
    }

    const fn of_captured(seen: Seen) -> Self {
        if seen.reserved_minor > 0 {
            return Self::Refunding;
        }
        match seen.refunded_minor {
            0 => Self::Success,
            refunded if refunded >= seen.captured_minor => Self::Refunded,
            _ => Self::PartiallyRefunded,
        }
    }

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

/// An attempt, as those see it who act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub number: u32,
    pub channel: Channel,
    pub capture_mode: CaptureMode,
    pub phase: Phase,
    /// The channel's number of the authorisation it rests on.
    pub authorised_as: Option<String>,
}

impl Tried {
    fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            channel: attempt.channel,
            capture_mode: attempt.capture_mode,
            phase: attempt.phase,
            authorised_as: attempt.authorised_as.clone(),
        }
    }
}

/// What may be asked of a payment's state by those who do not decide.
impl Payment {
    /// The last attempt: all before it have ended.
    #[must_use]
    pub fn tried(&self) -> Option<Tried> {
        self.attempts.last().map(Tried::of)
    }

    /// One attempt, by its number.
    #[must_use]
    pub fn tried_as(&self, number: u32) -> Option<Tried> {
        self.attempts.iter().find(|attempt| attempt.number == number).map(Tried::of)
    }

    /// What was asked for under this name, and whether the channel has yet to say what became of it.
    #[must_use]
    pub fn capture_asked(&self, capture_id: CaptureId) -> Option<(Money, bool)> {
        let known = self.attempts.iter().find_map(|attempt| attempt.captures.get(&capture_id))?;
        Some((self.in_minor(known.amount_minor)?, known.phase == CapturePhase::Requested))
    }

    /// What of the authorisation may still be captured, and whether that is being done.
    #[must_use]
    pub fn left_to_capture(&self) -> Option<(Money, bool)> {
        let attempt = self.attempts.last().filter(|attempt| !attempt.has_ended())?;
        Some((self.in_minor(attempt.remaining_minor())?, attempt.is_capture_in_progress()))
    }

    /// What was captured, by name.
    #[must_use]
    pub fn captures(&self) -> Vec<(CaptureId, Money)> {
        let known = self.attempts.iter().flat_map(|attempt| &attempt.captures);
        let captured = known.filter(|(_id, capture)| capture.phase == CapturePhase::Captured);
        captured.filter_map(|(id, capture)| Some((*id, self.in_minor(capture.amount_minor)?))).collect()
    }

    /// What was set aside for a refund of this name, whatever became of it.
    #[must_use]
    pub fn refund_reserved(&self, refund_id: RefundId) -> Option<Money> {
        self.refunds.amount_minor(refund_id).and_then(|amount_minor| self.in_minor(amount_minor))
    }

    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(Seen {
            captured_minor: self.captured_minor,
            reserved_minor: self.refunds.reserved_minor(),
            refunded_minor: self.refunds.confirmed_minor(),
            is_cancelled: self.cancellation == Cancellation::Done,
            phase: self.attempts.last().map(|attempt| attempt.phase),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_name_the_outside_knows() {
        let all = [
            (Status::Pending, "pending"),
            (Status::Processing, "processing"),
            (Status::RequiresReview, "requires_review"),
            (Status::Success, "success"),
            (Status::Failed, "failed"),
            (Status::Cancelled, "cancelled"),
            (Status::Refunding, "refunding"),
            (Status::Refunded, "refunded"),
            (Status::PartiallyRefunded, "partially_refunded"),
        ];
        assert!(all.iter().all(|(status, name)| status.name() == *name));
    }
}
