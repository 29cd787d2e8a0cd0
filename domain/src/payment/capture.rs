//! Capturing: all at once with the authorisation, or as it is asked for, in parts.

use chrono::{DateTime, Utc};

use crate::{
    id::CaptureId,
    money::Money,
    payment::{
        Cancellation, Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, CaptureMode, CapturePhase, Decline, Phase, Stage},
        event::{Captured, PaymentEvent},
        suspense::{Source, suspend},
    },
};

impl Payment {
    pub(super) fn request_capture(&self, capture_id: CaptureId, amount: Money) -> Decision {
        let agreed = self.agreed()?;
        let attempt = self.current()?;
        if let Some(known) = self.attempts.iter().find_map(|attempt| attempt.captures.get(&capture_id)) {
            let same = known.amount_minor == amount.amount_minor && amount.currency == agreed.amount.currency;
            return if same { already() } else { Err(PaymentRefusal::CaptureDiffers) };
        }
        // Its money came before it was asked for: nothing would ever answer it.
        if self.suspense.amount(Source::Capture { attempt: attempt.number, capture_id }).is_some() {
            return Err(PaymentRefusal::CaptureDiffers);
        }
        if self.cancellation == Cancellation::Done {
            return Err(PaymentRefusal::PaymentCancelled);
        }
        Self::guard_amount(agreed, amount)?;
        if self.cancellation != Cancellation::NotAsked {
            return Err(PaymentRefusal::CancellationInProgress);
        }
        if attempt.capture_mode == CaptureMode::Automatic {
            return Err(PaymentRefusal::CaptureAutomatic);
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

    /// A capture reported of an attempt, under way or ended. What was expected is the merchant's, all else is nobody's:
    /// the channel has taken it, so it is booked, and waits in suspense.
    pub(super) fn hear_captured(
        &self,
        attempt: &Attempt,
        capture_id: CaptureId,
        amount: Money,
        channel_trade_no: &str,
        effective_at: DateTime<Utc>,
    ) -> Decision {
        let agreed = self.agreed()?;
        let source = Source::Capture { attempt: attempt.number, capture_id };
        let expected = Money::new(self.expected_minor(attempt, capture_id), agreed.amount.currency);
        if let Some(known) = attempt.captured(capture_id, expected.currency).or_else(|| self.suspense.amount(source)) {
            let same = known == amount;
            return if same { already() } else { self.mismatch(attempt.number, Stage::Captured, known, amount) };
        }
        if amount.amount_minor <= 0 {
            return self.mismatch(attempt.number, Stage::Captured, expected, amount);
        }
        if amount != expected {
            return Ok(vec![suspend(source, attempt.channel, amount, effective_at)]);
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

    /// What this capture should bring: what was asked for under its id; where nobody asks, all that was agreed, once.
    fn expected_minor(&self, attempt: &Attempt, capture_id: CaptureId) -> i64 {
        if attempt.has_ended() {
            return 0;
        }
        match (attempt.captures.get(&capture_id), attempt.capture_mode) {
            (Some(asked), _) if asked.amount_minor <= attempt.remaining_minor() => asked.amount_minor,
            (None, CaptureMode::Automatic) if attempt.captures.is_empty() => {
                self.agreed.as_ref().map_or(0, |agreed| agreed.amount.amount_minor)
            }
            (Some(_), _) | (None, CaptureMode::Automatic | CaptureMode::Manual) => 0,
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
        self.fold_cancellation();
    }
}
