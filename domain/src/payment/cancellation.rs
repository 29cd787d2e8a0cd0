//! Cancelling what is not yet taken, racing with the channel that may be taking it.

use crate::{
    actor::Actor,
    free_text::FreeText,
    payment::{Cancellation, Decision, Payment, PaymentRefusal, already, attempt::Phase, event::PaymentEvent},
};

impl Payment {
    /// Done at once where no channel can take money any more; otherwise asked for, until the channel has let go.
    /// After a part was captured the rest is let go: what was taken stays, and may be settled.
    pub(super) fn cancel(&self, by: Actor, reason: Option<&FreeText>) -> Decision {
        let attempt = self.current()?;
        let rest_released = self.captured_minor > 0 && attempt.remainder_released;
        if rest_released || self.cancellation != Cancellation::NotAsked {
            return already();
        }
        if self.captured_minor > 0 && attempt.remaining_minor() == 0 {
            return Err(PaymentRefusal::PaymentCaptured);
        }
        if attempt.is_capture_in_progress() {
            return Err(PaymentRefusal::CaptureInProgress);
        }
        let reason = reason.cloned();
        Ok(vec![match attempt.phase {
            Phase::Submitted | Phase::Unknown | Phase::Authorised | Phase::Captured => {
                PaymentEvent::CancellationRequested { by, reason }
            }
            Phase::Initiated
            | Phase::InReview
            | Phase::Approved
            | Phase::Rejected
            | Phase::Failed
            | Phase::Voided
            | Phase::Expired
            | Phase::Withdrawn => PaymentEvent::Cancelled { by, reason },
        }])
    }

    /// Whoever asked, or time itself.
    pub(super) const fn who_cancels(&self) -> Actor {
        match self.cancellation {
            Cancellation::Requested(by) => by,
            Cancellation::NotAsked | Cancellation::Done => Actor::Process,
        }
    }

    /// The money came and no more will: what was asked to be cancelled is there to be refunded instead.
    pub(super) fn fold_cancellation(&mut self) {
        let nothing_left = self.attempts.last().is_some_and(|attempt| attempt.remaining_minor() == 0);
        if self.captured_minor.is_positive() && nothing_left {
            self.cancellation = Cancellation::NotAsked;
        }
    }

    pub(super) fn fold_cancelled(&mut self) {
        self.cancellation = Cancellation::Done;
        if let Some(attempt) = self.attempts.last_mut()
            && matches!(attempt.phase, Phase::Initiated | Phase::InReview | Phase::Approved)
        {
            attempt.phase = Phase::Withdrawn;
        }
    }
}
