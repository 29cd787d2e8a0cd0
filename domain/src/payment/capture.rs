//! Capturing: in parts up to what was authorised, or all at once with the authorisation.

use chrono::{DateTime, Utc};

use crate::{
    id::CaptureId,
    money::Money,
    payment::{
        Cancellation, Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, CapturePhase, Decline, Phase, Stage},
        event::{Captured, PaymentEvent},
    },
};

impl Payment {
    pub(super) fn request_capture(&self, capture_id: CaptureId, amount: Money) -> Decision {
        let agreed = self.agreed()?;
        let attempt = self.current()?;
        if let Some(known) = attempt.captures.get(&capture_id) {
            let same = known.amount_minor == amount.amount_minor && amount.currency == agreed.amount.currency;
            return if same { already() } else { Err(PaymentRefusal::CaptureDiffers) };
        }
        if self.cancellation == Cancellation::Done {
            return Err(PaymentRefusal::PaymentCancelled);
        }
        Self::guard_amount(agreed, amount)?;
        if self.cancellation != Cancellation::NotAsked {
            return Err(PaymentRefusal::CancellationInProgress);
        }
        if !matches!(attempt.phase, Phase::Authorised | Phase::Captured) {
            return Err(PaymentRefusal::PaymentNotAuthorised);
        }
        if attempt.is_capture_in_progress() {
            return Err(PaymentRefusal::CaptureInProgress);
        }
        if amount.amount_minor > attempt.remaining_minor() {
            return Err(PaymentRefusal::CaptureAmountExceeded);
        }
        Ok(vec![PaymentEvent::CaptureRequested { attempt: attempt.number, capture_id, amount }])
    }

    /// A capture reported of an attempt that is under way. Only the amount that was asked for is booked.
    pub(super) fn hear_captured(
        &self,
        attempt: &Attempt,
        capture_id: CaptureId,
        amount: Money,
        channel_trade_no: &str,
        effective_at: DateTime<Utc>,
    ) -> Decision {
        let agreed = self.agreed()?;
        let expected = Money::new(self.expected_minor(attempt, capture_id), agreed.amount.currency);
        if amount != expected {
            return self.mismatch(attempt.number, Stage::Captured, expected, amount);
        }
        if attempt.captures.get(&capture_id).is_some_and(|known| known.phase == CapturePhase::Captured) {
            return already();
        }
        // Nothing is expected where nothing is left to capture, and nothing is no capture.
        if amount.is_zero() {
            return already();
        }
        let fee_minor = attempt.fee_plan.of_next(attempt.captured_minor, amount.amount_minor);
        let fee = Money::new(fee_minor, amount.currency);
        let net = amount.checked_sub(fee).ok().ok_or(PaymentRefusal::AmountOverflow)?;
        Ok(vec![PaymentEvent::Captured(Box::new(Captured {
            attempt: attempt.number,
            capture_id,
            merchant_id: agreed.merchant_id,
            channel: attempt.channel,
            amount,
            fee,
            net,
            channel_trade_no: channel_trade_no.to_owned(),
            effective_at,
        }))])
    }

    /// What this capture should bring: what was asked for, else all that is left, else all that was agreed.
    fn expected_minor(&self, attempt: &Attempt, capture_id: CaptureId) -> i64 {
        match attempt.captures.get(&capture_id) {
            Some(known) if known.phase == CapturePhase::Captured => known.amount_minor,
            Some(known) => known.amount_minor.min(attempt.remaining_minor()),
            None if matches!(attempt.phase, Phase::Submitted | Phase::Unknown) => {
                self.agreed.as_ref().map_or(0, |agreed| agreed.amount.amount_minor)
            }
            None => attempt.remaining_minor(),
        }
    }

    pub(super) fn hear_capture_declined(&self, attempt: &Attempt, capture_id: CaptureId, decline: Decline) -> Decision {
        let Some(capture) = attempt.captures.get(&capture_id) else {
            return Err(PaymentRefusal::CaptureUnknown);
        };
        match capture.phase {
            CapturePhase::Requested => {
                Ok(vec![PaymentEvent::CaptureDeclined { attempt: attempt.number, capture_id, decline }])
            }
            CapturePhase::Captured | CapturePhase::Declined => already(),
        }
    }

    pub(super) fn fold_captured(&mut self, captured: &Captured) {
        self.captured_minor = self.captured_minor.saturating_add(captured.amount.amount_minor);
        self.fees_minor = self.fees_minor.saturating_add(captured.fee.amount_minor);
        // The money came: what was asked to be cancelled is there to be refunded instead.
        self.cancellation = Cancellation::NotAsked;
    }
}
