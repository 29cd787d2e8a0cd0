//! What a channel tells us of an attempt, in whatever order and however often it does.

use chrono::{DateTime, Utc};

use crate::{
    id::CaptureId,
    money::Money,
    payment::{
        Cancellation, Decision, Payment, PaymentRefusal, already,
        attempt::{Attempt, Decline, Phase, Stage},
        event::{Mismatched, PaymentEvent},
    },
};

/// Evidence from a channel. A timeout is none: it is reported as `Unknown`.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    Authorised {
        amount: Money,
        channel_trade_no: String,
        effective_at: DateTime<Utc>,
    },
    Captured {
        capture_id: CaptureId,
        amount: Money,
        channel_trade_no: String,
        effective_at: DateTime<Utc>,
    },
    CaptureDeclined {
        capture_id: CaptureId,
        decline: Decline,
    },
    Declined {
        decline: Decline,
    },
    Unknown,
    /// Of which authorisation, by the channel's number of it, where it says so.
    Voided {
        channel_trade_no: Option<String>,
    },
    Expired {
        channel_trade_no: Option<String>,
    },
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
            Report::Authorised { amount, channel_trade_no, .. }
                if attempt.is_authorised_otherwise(Some(channel_trade_no)) =>
            {
                self.hear_authorised_late(attempt, *amount, channel_trade_no)
            }
            Report::Declined { decline } => self.hear_declined_after_all(attempt, *decline),
            Report::Voided { channel_trade_no } => self.hear_voided(attempt, channel_trade_no.as_deref()),
            Report::Expired { channel_trade_no } => self.hear_expired(attempt, channel_trade_no.as_deref()),
            // What comes after better evidence, late or doubled, says nothing new.
            Report::Authorised { .. } | Report::Unknown => already(),
        }
    }

    /// An attempt that has ended stays ended. Success all the same is late: what it brings is not the merchant's.
    fn hear_ended(&self, attempt: &Attempt, report: &Report) -> Decision {
        match report {
            Report::Authorised { amount, channel_trade_no, .. } => {
                self.hear_authorised_late(attempt, *amount, channel_trade_no)
            }
            Report::Captured { capture_id, amount, channel_trade_no, effective_at } => {
                self.hear_captured(attempt, *capture_id, *amount, channel_trade_no, *effective_at)
            }
            Report::Voided { channel_trade_no } | Report::Expired { channel_trade_no } => {
                self.hear_let_go(attempt, channel_trade_no.as_deref())
            }
            Report::CaptureDeclined { .. } | Report::Declined { .. } | Report::Unknown => already(),
        }
    }

    fn hear_authorised(&self, attempt: &Attempt, amount: Money, channel_trade_no: &str) -> Decision {
        let expected = self.agreed()?.amount;
        if amount != expected {
            return self.mismatch(Mismatched {
                attempt: attempt.number,
                channel: Some(attempt.channel),
                stage: Stage::Authorised,
                capture_id: None,
                channel_trade_no: Some(channel_trade_no.to_owned()),
                expected,
                reported: amount,
            });
        }
        let channel_trade_no = channel_trade_no.to_owned();
        Ok(vec![PaymentEvent::Authorised {
            attempt: attempt.number,
            channel: attempt.channel,
            amount,
            channel_trade_no,
        }])
    }

    fn hear_voided(&self, attempt: &Attempt, named: Option<&str>) -> Decision {
        if attempt.is_authorised_otherwise(named) {
            return self.hear_let_go(attempt, named);
        }
        if is_nothing_left(attempt) {
            return already();
        }
        let (released, channel_trade_no) = (self.remaining(attempt)?, named.map(str::to_owned));
        let voided = PaymentEvent::Voided { attempt: attempt.number, released, channel_trade_no };
        Ok(self.and_cancelled_if_asked(voided))
    }

    /// Expiry closes the payment, unless part of it was captured in time.
    fn hear_expired(&self, attempt: &Attempt, named: Option<&str>) -> Decision {
        if attempt.is_authorised_otherwise(named) {
            return self.hear_let_go(attempt, named);
        }
        if is_nothing_left(attempt) {
            return already();
        }
        let (released, channel_trade_no) = (self.remaining(attempt)?, named.map(str::to_owned));
        let expired = PaymentEvent::AuthorisationExpired { attempt: attempt.number, released, channel_trade_no };
        if attempt.captured_minor > 0 {
            return Ok(vec![expired]);
        }
        Ok(vec![expired, PaymentEvent::Cancelled { by: self.who_cancels(), reason: None }])
    }

    /// What cannot be true, such as another amount than was told before: kept once for a person to look at, never booked.
    pub(super) fn mismatch(&self, told: Mismatched) -> Decision {
        if self.has_mismatched(&told) {
            return already();
        }
        Ok(vec![PaymentEvent::AmountMismatched(Box::new(told))])
    }

    /// The same report was kept before, whatever was expected then.
    pub(super) fn has_mismatched(&self, told: &Mismatched) -> bool {
        self.mismatches.iter().any(|known| known.is_same_report(told))
    }

    fn remaining(&self, attempt: &Attempt) -> Result<Money, PaymentRefusal> {
        Ok(Money::new(attempt.remaining_minor(), self.agreed()?.amount.currency))
    }

    /// With the attempt gone and nothing captured, a cancellation that was asked for is done.
    fn and_cancelled_if_asked(&self, ended: PaymentEvent) -> Vec<PaymentEvent> {
        match self.cancellation {
            Cancellation::Requested(by) if self.captured_minor == 0 => {
                vec![ended, PaymentEvent::Cancelled { by, reason: None }]
            }
            Cancellation::NotAsked | Cancellation::Requested(_) | Cancellation::Done => vec![ended],
        }
    }
}

fn is_nothing_left(attempt: &Attempt) -> bool {
    attempt.phase == Phase::Captured && attempt.remaining_minor() == 0
}
