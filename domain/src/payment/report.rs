//! What a channel tells us of an attempt, in whatever order and however often it does.

use chrono::{DateTime, Utc};

use crate::{
    id::CaptureId,
    money::Money,
    payment::{
        Cancellation, Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, Decline, Phase, Stage},
        event::PaymentEvent,
    },
};

/// Evidence from a channel. A timeout is none: it is reported as `Unknown`.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    Authorised { amount: Money, channel_trade_no: String, effective_at: DateTime<Utc> },
    Captured { capture_id: CaptureId, amount: Money, channel_trade_no: String, effective_at: DateTime<Utc> },
    CaptureDeclined { capture_id: CaptureId, decline: Decline },
    Declined { decline: Decline },
    Unknown,
    Voided,
    Expired,
}

impl Payment {
    pub(super) fn hear(&self, number: u32, report: &Report) -> Decision {
        let attempt = self.attempt(number)?;
        match attempt.phase {
            Phase::Initiated | Phase::InReview | Phase::Approved | Phase::Rejected | Phase::Withdrawn => {
                Err(PaymentRefusal::AttemptNotSubmitted)
            }
            Phase::Submitted | Phase::Unknown | Phase::Authorised | Phase::Captured => {
                self.hear_running(attempt, report)
            }
            Phase::Failed | Phase::Voided | Phase::Expired => self.hear_ended(attempt, report),
        }
    }

    fn hear_running(&self, attempt: &Attempt, report: &Report) -> Decision {
        let open = matches!(attempt.phase, Phase::Submitted | Phase::Unknown);
        match report {
            Report::Authorised { amount, channel_trade_no, .. } if open => {
                self.hear_authorised(attempt, *amount, channel_trade_no)
            }
            Report::Captured { capture_id, amount, channel_trade_no, effective_at } => {
                self.hear_captured(attempt, *capture_id, *amount, channel_trade_no, *effective_at)
            }
            Report::CaptureDeclined { capture_id, decline } => {
                self.hear_capture_declined(attempt, *capture_id, *decline)
            }
            Report::Declined { decline } if open => {
                let failed = PaymentEvent::Failed { attempt: attempt.number, decline: *decline };
                Ok(self.and_cancelled_if_asked(failed))
            }
            Report::Unknown if attempt.phase == Phase::Submitted => {
                Ok(vec![PaymentEvent::OutcomeUnknown { attempt: attempt.number }])
            }
            Report::Voided => self.hear_voided(attempt),
            Report::Expired => self.hear_expired(attempt),
            // What comes after better evidence, late or doubled, says nothing new.
            Report::Authorised { .. } | Report::Declined { .. } | Report::Unknown => already(),
        }
    }

    /// An attempt that has ended stays ended. Success all the same is late: what it brings is not the merchant's.
    fn hear_ended(&self, attempt: &Attempt, report: &Report) -> Decision {
        match report {
            Report::Authorised { amount, .. } => self.hear_authorised_late(attempt, *amount),
            Report::Captured { capture_id, amount, channel_trade_no, effective_at } => {
                self.hear_captured(attempt, *capture_id, *amount, channel_trade_no, *effective_at)
            }
            Report::CaptureDeclined { .. }
            | Report::Declined { .. }
            | Report::Unknown
            | Report::Voided
            | Report::Expired => already(),
        }
    }

    fn hear_authorised_late(&self, attempt: &Attempt, amount: Money) -> Decision {
        // An authorisation that was let go is told of again when reports are doubled: that is old news.
        let told_before = self.mismatches.contains(&(attempt.number, Stage::Authorised, amount));
        if told_before || attempt.authorised_minor > 0 || attempt.late_authorisation.is_some() {
            return already();
        }
        if amount.amount_minor <= 0 {
            return self.mismatch(attempt.number, Stage::Authorised, self.agreed()?.amount, amount);
        }
        let (attempt, channel) = (attempt.number, attempt.channel);
        Ok(vec![PaymentEvent::AuthorisedLate { attempt, channel, amount }])
    }

    fn hear_authorised(&self, attempt: &Attempt, amount: Money, channel_trade_no: &str) -> Decision {
        let expected = self.agreed()?.amount;
        if amount != expected {
            return self.mismatch(attempt.number, Stage::Authorised, expected, amount);
        }
        let channel_trade_no = channel_trade_no.to_owned();
        Ok(vec![PaymentEvent::Authorised {
            attempt: attempt.number,
            channel: attempt.channel,
            amount,
            channel_trade_no,
        }])
    }

    fn hear_voided(&self, attempt: &Attempt) -> Decision {
        if is_nothing_left(attempt) {
            return already();
        }
        let voided = PaymentEvent::Voided { attempt: attempt.number, released: self.remaining(attempt)? };
        Ok(self.and_cancelled_if_asked(voided))
    }

    /// Expiry closes the payment, unless part of it was captured in time.
    fn hear_expired(&self, attempt: &Attempt) -> Decision {
        if is_nothing_left(attempt) {
            return already();
        }
        let expired =
            PaymentEvent::AuthorisationExpired { attempt: attempt.number, released: self.remaining(attempt)? };
        if attempt.captured_minor > 0 {
            return Ok(vec![expired]);
        }
        Ok(vec![expired, PaymentEvent::Cancelled { by: self.who_cancels() }])
    }

    /// What cannot be true, such as another amount than was told before: kept once for a person to look at, never booked.
    pub(super) fn mismatch(&self, attempt: u32, stage: Stage, expected: Money, reported: Money) -> Decision {
        if self.mismatches.contains(&(attempt, stage, reported)) {
            return already();
        }
        Ok(vec![PaymentEvent::AmountMismatched { attempt, stage, expected, reported }])
    }

    fn remaining(&self, attempt: &Attempt) -> Result<Money, PaymentRefusal> {
        Ok(Money::new(attempt.remaining_minor(), self.agreed()?.amount.currency))
    }

    /// With the attempt gone and nothing captured, a cancellation that was asked for is done.
    fn and_cancelled_if_asked(&self, ended: PaymentEvent) -> Vec<PaymentEvent> {
        match self.cancellation {
            Cancellation::Requested(by) if self.captured_minor == 0 => vec![ended, PaymentEvent::Cancelled { by }],
            Cancellation::NotAsked | Cancellation::Requested(_) | Cancellation::Done => vec![ended],
        }
    }

    /// The channel let go of an authorisation that came after its attempt had ended.
    pub(super) fn release_late(&self, number: u32) -> Decision {
        let attempt = self.attempt(number)?;
        let late = attempt.late_authorisation.ok_or(PaymentRefusal::NothingLate)?;
        if late.released {
            return already();
        }
        let (channel, released) = (attempt.channel, late.amount);
        Ok(vec![PaymentEvent::LateAuthorisationReleased { attempt: number, channel, released }])
    }
}

fn is_nothing_left(attempt: &Attempt) -> bool {
    attempt.phase == Phase::Captured && attempt.remaining_minor() == 0
}
