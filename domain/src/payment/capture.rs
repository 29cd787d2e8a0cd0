//! Capturing: all at once with the authorisation, or as it is asked for, in parts.

use chrono::{DateTime, Utc};

use crate::{
    id::CaptureId,
    money::Money,
    payment::{
        Cancellation, Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, CaptureMode, CapturePhase, Decline, Phase, Stage},
        event::{Captured, Mismatched, PaymentEvent, Suspended},
        suspense::Source,
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
        let mismatch = |expected| {
            let (number, channel) = (attempt.number, Some(attempt.channel));
            let (stage, capture_id, channel_trade_no) =
                (Stage::Captured, Some(capture_id), Some(channel_trade_no.to_owned()));
            let reported = amount;
            self.mismatch(Mismatched {
                attempt: number,
                channel,
                stage,
                capture_id,
                channel_trade_no,
                expected,
                reported,
            })
        };
        if let Some(known) = attempt.captured(capture_id, expected.currency).or_else(|| self.suspense.amount(source)) {
            let same = known == amount;
            return if same { already() } else { mismatch(known) };
        }
        if amount.amount_minor <= 0 {
            return mismatch(expected);
        }
        if amount != expected {
            let (channel, channel_trade_no) = (attempt.channel, Some(channel_trade_no.to_owned()));
            let moved = Suspended { source, channel, amount, channel_trade_no, effective_at };
            return Ok(vec![PaymentEvent::MoneySuspended(Box::new(moved))]);
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
            (Some(asked), CaptureMode::Manual) if asked.amount_minor <= attempt.remaining_minor() => asked.amount_minor,
            (_, CaptureMode::Automatic) if attempt.captured_minor == 0 => {
                self.agreed.as_ref().map_or(0, |agreed| agreed.amount.amount_minor)
            }
            (_, CaptureMode::Automatic | CaptureMode::Manual) => 0,
        }
    }

    pub(super) fn hear_capture_declined(&self, attempt: &Attempt, capture_id: CaptureId, decline: Decline) -> Decision {
        let source = Source::Capture { attempt: attempt.number, capture_id };
        match (attempt.captures.get(&capture_id).map(|capture| capture.phase), attempt.capture_mode) {
            (Some(CapturePhase::Captured | CapturePhase::Declined), _) => already(),
            (None, _) if self.suspense.amount(source).is_some() => already(),
            (None, CaptureMode::Manual) => Err(PaymentRefusal::CaptureUnknown),
            // Told late: the try after it was taken.
            (None, CaptureMode::Automatic) if attempt.captured_minor > 0 => already(),
            (Some(CapturePhase::Requested), _) | (None, CaptureMode::Automatic) => {
                let capture_id = Some(capture_id);
                Ok(vec![PaymentEvent::CaptureDeclined { attempt: attempt.number, capture_id, decline }])
            }
        }
    }

    /// Declined as a whole after it was authorised. The authorisation stands until the channel lets go of it; where it
    /// was to be captured without being asked for, somebody must know that it will not be, once.
    pub(super) fn hear_declined_after_all(&self, attempt: &Attempt, decline: Decline) -> Decision {
        let awaits_capture = attempt.phase == Phase::Authorised && attempt.capture_mode == CaptureMode::Automatic;
        if !awaits_capture || attempt.capture_declined {
            return already();
        }
        Ok(vec![PaymentEvent::CaptureDeclined { attempt: attempt.number, capture_id: None, decline }])
    }

    pub(super) fn fold_captured(&mut self, captured: &Captured) {
        self.captured_minor = self.captured_minor.saturating_add(captured.amount.amount_minor);
        self.fees_minor = self.fees_minor.saturating_add(captured.fee.amount_minor);
        self.fold_cancellation();
    }
}
