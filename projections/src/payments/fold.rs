//! What each event of a payment does to its row and to the row of its attempt.

use domain::id::RefundId;
use domain::money::Money;
use domain::payment::attempt::{Decline, Phase};
use domain::payment::dispute::DisputeOutcome;
use domain::payment::event::{Captured, DisputeMoved, Funds, PaymentEvent, RefundMoved};
use domain::payment::status::{Seen, Status};
use domain::payment::taken_over::TakenOver;
use domain::risk::Assessment;
use event_store::{Poison, Recorded};
use serde::Deserialize as _;
use serde::de::IntoDeserializer;
use serde_json::{Map, Value};

use super::{AttemptRow, PaymentRow, method, new, opened, uuid_of};
use crate::rows::Rows;
use crate::word::word;

pub(super) fn fold(
    payments: &mut Rows<PaymentRow>,
    attempts: &mut Rows<AttemptRow>,
    recorded: &Recorded,
    fact: &PaymentEvent,
) -> Result<(), Poison> {
    if let PaymentEvent::Initiated(initiated) = fact {
        payments.put(new(recorded, initiated));
        attempts.put(opened(recorded, initiated.payment_id.uuid(), 1, &initiated.route));
        return Ok(());
    }
    if let PaymentEvent::TakenOver(taken) = fact {
        let (mut row, attempt) = taken_over(recorded, taken);
        row.status = row.seen()?.name().to_owned();
        payments.put(row);
        attempts.put(attempt);
        return Ok(());
    }
    let id = uuid_of(&recorded.aggregate_id).ok_or_else(|| Poison::Event("no payment has such a name".to_owned()))?;
    let row = payments.must(&(id,))?;
    row.version = recorded.sequence;
    row.updated_position = recorded.position;
    row.updated_at = recorded.recorded_at;
    if let PaymentEvent::AttemptOpened(next) = fact {
        let number = number(next.attempt);
        row.open(number, next.route.channel.name(), method(&next.route));
        attempts.put(opened(recorded, id, number, &next.route));
    }
    if let Some(about) = attempt_of(fact) {
        let attempt = attempts.must(&(id, number(about)))?;
        attempt.position = recorded.position;
        attempt.fold(recorded, fact);
        if attempt.attempt == row.attempt {
            row.follow(attempt);
        }
    }
    row.fold(recorded, fact, attempts, id)?;
    row.status = row.seen()?.name().to_owned();
    Ok(())
}

/// As it stood on the platform before. Where it was settled there, no settlement of ours has it.
fn taken_over(recorded: &Recorded, taken: &TakenOver) -> (PaymentRow, AttemptRow) {
    let mut attempt = opened(recorded, taken.payment_id.uuid(), 1, &taken.route);
    attempt.phase = word(taken.phase());
    attempt.channel_trade_no = Some(taken.channel_trade_no.clone());
    attempt.captured_minor = taken.captured.amount_minor;
    attempt.authorised_minor = if taken.captured.is_zero() { taken.amount } else { taken.captured }.amount_minor;
    attempt.answered_at = Some(taken.occurred_at);
    let mut row = new(recorded, &taken.initiated());
    row.follow(&attempt);
    row.captured_minor = taken.captured.amount_minor;
    row.fee_minor = taken.fees.amount_minor;
    row.refunded_minor = taken.refunded.amount_minor;
    row.fee_returned_minor = taken.fees_returned.amount_minor;
    row.captured_at = Some(taken.occurred_at).filter(|_captured| !taken.captured.is_zero());
    (row, attempt)
}

/// The attempt an event is about alone.
const fn attempt_of(fact: &PaymentEvent) -> Option<u32> {
    match fact {
        PaymentEvent::RiskApproved { attempt, .. }
        | PaymentEvent::RiskRejected { attempt, .. }
        | PaymentEvent::ReviewRequested { attempt, .. }
        | PaymentEvent::ReviewApproved { attempt, .. }
        | PaymentEvent::ReviewRejected { attempt, .. }
        | PaymentEvent::ReviewLapsed { attempt }
        | PaymentEvent::Submitted { attempt, .. }
        | PaymentEvent::Authorised { attempt, .. }
        | PaymentEvent::OutcomeUnknown { attempt }
        | PaymentEvent::Failed { attempt, .. }
        | PaymentEvent::CaptureRequested { attempt, .. }
        | PaymentEvent::CaptureDeclined { attempt, .. }
        | PaymentEvent::Voided { attempt, .. }
        | PaymentEvent::AuthorisationExpired { attempt, .. }
        | PaymentEvent::AuthorisedLate { attempt, .. }
        | PaymentEvent::AuthorisationLetGo { attempt, .. }
        | PaymentEvent::LateAuthorisationReleased { attempt, .. } => Some(*attempt),
        PaymentEvent::Captured(captured) => Some(captured.attempt),
        PaymentEvent::Initiated(_)
        | PaymentEvent::TakenOver(_)
        | PaymentEvent::AttemptOpened(_)
        | PaymentEvent::CancellationRequested { .. }
        | PaymentEvent::Cancelled { .. }
        | PaymentEvent::MoneySuspended(_)
        | PaymentEvent::SuspenseReturned(_)
        | PaymentEvent::AmountMismatched(_)
        | PaymentEvent::RefundReserved { .. }
        | PaymentEvent::RefundConfirmed(_)
        | PaymentEvent::RefundReleased { .. }
        | PaymentEvent::RefundBounced(_)
        | PaymentEvent::Disputed(_)
        | PaymentEvent::DisputeClosed { .. }
        | PaymentEvent::DisputeWonAfterAll(_)
        | PaymentEvent::Settled(_) => None,
    }
}

impl PaymentRow {
    /// Another try: what is known of the one before is in its own row.
    fn open(&mut self, attempt: i32, channel: &str, method: Option<String>) {
        self.attempt = attempt;
        self.channel = channel.to_owned();
        self.method = method;
        self.phase = word(Phase::Initiated);
        (self.decline, self.channel_trade_no, self.risk_score, self.risk_decision) = (None, None, None, None);
    }

    /// The last attempt is shown with the payment.
    fn follow(&mut self, attempt: &AttemptRow) {
        self.phase.clone_from(&attempt.phase);
        self.decline.clone_from(&attempt.decline);
        self.channel_trade_no.clone_from(&attempt.channel_trade_no);
        self.risk_score = attempt.risk_score;
        self.risk_decision.clone_from(&attempt.risk_decision);
    }

    /// What concerns the payment as a whole.
    fn fold(
        &mut self,
        recorded: &Recorded,
        fact: &PaymentEvent,
        attempts: &mut Rows<AttemptRow>,
        id: uuid::Uuid,
    ) -> Result<(), Poison> {
        match fact {
            PaymentEvent::Captured(captured) => self.capture(recorded, captured),
            PaymentEvent::Cancelled { .. } => {
                self.is_cancelled = true;
                let attempt = attempts.must(&(id, self.attempt))?;
                if matches!(phase(&attempt.phase)?, Phase::Initiated | Phase::InReview | Phase::Approved) {
                    attempt.phase = word(Phase::Withdrawn);
                    attempt.position = recorded.position;
                }
                self.phase.clone_from(&attempt.phase);
            }
            PaymentEvent::RefundReserved { refund_id, amount, .. } => self.reserve(*refund_id, *amount),
            PaymentEvent::RefundConfirmed(moved) => {
                self.release(moved.refund_id);
                self.refund(moved, 1);
            }
            PaymentEvent::RefundReleased { refund_id, .. } => self.release(*refund_id),
            PaymentEvent::RefundBounced(moved) => self.refund(moved, -1),
            PaymentEvent::Disputed(moved) => self.dispute(moved, 1),
            PaymentEvent::DisputeClosed { outcome: DisputeOutcome::Won, moved }
            | PaymentEvent::DisputeWonAfterAll(moved) => self.dispute(moved, -1),
            PaymentEvent::Settled(settled) => self.settlement_id = Some(settled.settlement_id.uuid()),
            PaymentEvent::DisputeClosed { outcome: DisputeOutcome::Lost, .. }
            | PaymentEvent::Initiated(_)
            | PaymentEvent::TakenOver(_)
            | PaymentEvent::AttemptOpened(_)
            | PaymentEvent::RiskApproved { .. }
            | PaymentEvent::RiskRejected { .. }
            | PaymentEvent::ReviewRequested { .. }
            | PaymentEvent::ReviewApproved { .. }
            | PaymentEvent::ReviewRejected { .. }
            | PaymentEvent::ReviewLapsed { .. }
            | PaymentEvent::Submitted { .. }
            | PaymentEvent::Authorised { .. }
            | PaymentEvent::OutcomeUnknown { .. }
            | PaymentEvent::Failed { .. }
            | PaymentEvent::CaptureRequested { .. }
            | PaymentEvent::CaptureDeclined { .. }
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::Voided { .. }
            | PaymentEvent::AuthorisationExpired { .. }
            | PaymentEvent::AuthorisedLate { .. }
            | PaymentEvent::LateAuthorisationReleased { .. }
            | PaymentEvent::AuthorisationLetGo { .. }
            | PaymentEvent::MoneySuspended(_)
            | PaymentEvent::SuspenseReturned(_)
            | PaymentEvent::AmountMismatched(_) => {}
        }
        Ok(())
    }

    fn capture(&mut self, recorded: &Recorded, captured: &Captured) {
        self.captured_minor = self.captured_minor.saturating_add(captured.amount.amount_minor);
        self.fee_minor = self.fee_minor.saturating_add(captured.fee.amount_minor);
        self.captured_at.get_or_insert(recorded.recorded_at);
    }

    fn reserve(&mut self, refund_id: RefundId, amount: Money) {
        self.refunding_minor = self.refunding_minor.saturating_add(amount.amount_minor);
        if let Value::Object(open) = self.refunds_open.get_or_insert_with(|| Value::Object(Map::new())) {
            open.insert(refund_id.to_string(), amount.amount_minor.into());
        }
    }

    /// It is not on its way any more, if it was.
    fn release(&mut self, refund_id: RefundId) {
        let Some(Value::Object(open)) = &mut self.refunds_open else { return };
        let amount_minor = open.remove(&refund_id.to_string()).and_then(|amount| amount.as_i64()).unwrap_or(0);
        self.refunding_minor = self.refunding_minor.saturating_sub(amount_minor);
        if open.is_empty() {
            self.refunds_open = None;
        }
    }

    /// Given back for good, or come back from there.
    fn refund(&mut self, moved: &RefundMoved, sign: i64) {
        let add = |sum: i64, amount: Money| sum.saturating_add(amount.amount_minor.saturating_mul(sign));
        self.refunded_minor = add(self.refunded_minor, moved.amount);
        self.fee_returned_minor = add(self.fee_returned_minor, moved.fee_returned);
    }

    /// Held of the merchant's money, or given back. What is more than was captured is nobody's, and not held here.
    fn dispute(&mut self, moved: &DisputeMoved, sign: i64) {
        if moved.funds != Funds::Suspense {
            self.disputed_minor = self.disputed_minor.saturating_add(moved.amount.amount_minor.saturating_mul(sign));
        }
    }

    fn seen(&self) -> Result<Status, Poison> {
        Ok(Status::of(Seen {
            captured_minor: self.captured_minor,
            reserved_minor: self.refunding_minor,
            refunded_minor: self.refunded_minor,
            is_cancelled: self.is_cancelled,
            phase: Some(phase(&self.phase)?),
        }))
    }
}

impl AttemptRow {
    fn fold(&mut self, recorded: &Recorded, fact: &PaymentEvent) {
        match fact {
            PaymentEvent::RiskApproved { assessment, .. } => self.check(Phase::Approved, assessment),
            PaymentEvent::RiskRejected { assessment, .. } => self.check(Phase::Rejected, assessment),
            PaymentEvent::ReviewRequested { assessment, .. } => self.check(Phase::InReview, assessment),
            PaymentEvent::ReviewApproved { .. } => self.phase = word(Phase::Approved),
            PaymentEvent::ReviewRejected { .. } | PaymentEvent::ReviewLapsed { .. } => {
                self.phase = word(Phase::Rejected);
            }
            PaymentEvent::Submitted { .. } => {
                self.phase = word(Phase::Submitted);
                self.submitted_at = Some(recorded.recorded_at);
            }
            PaymentEvent::OutcomeUnknown { .. } => self.phase = word(Phase::Unknown),
            PaymentEvent::Authorised { amount, channel_trade_no, .. } => {
                self.authorised_minor = amount.amount_minor;
                self.accept(recorded, Phase::Authorised, channel_trade_no);
            }
            PaymentEvent::Captured(captured) => {
                self.captured_minor = self.captured_minor.saturating_add(captured.amount.amount_minor);
                self.authorised_minor = self.authorised_minor.max(self.captured_minor);
                self.accept(recorded, Phase::Captured, &captured.channel_trade_no);
            }
            PaymentEvent::Failed { decline, .. } => self.refuse(recorded, *decline),
            PaymentEvent::Voided { .. } if self.captured_minor == 0 => self.phase = word(Phase::Voided),
            PaymentEvent::AuthorisationExpired { .. } if self.captured_minor == 0 => self.phase = word(Phase::Expired),
            PaymentEvent::Voided { .. }
            | PaymentEvent::AuthorisationExpired { .. }
            | PaymentEvent::CaptureRequested { .. }
            | PaymentEvent::CaptureDeclined { .. }
            | PaymentEvent::AuthorisedLate { .. }
            | PaymentEvent::LateAuthorisationReleased { .. }
            | PaymentEvent::Initiated(_)
            | PaymentEvent::TakenOver(_)
            | PaymentEvent::AttemptOpened(_)
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::Cancelled { .. }
            | PaymentEvent::MoneySuspended(_)
            | PaymentEvent::SuspenseReturned(_)
            | PaymentEvent::AmountMismatched(_)
            | PaymentEvent::RefundReserved { .. }
            | PaymentEvent::RefundConfirmed(_)
            | PaymentEvent::RefundReleased { .. }
            | PaymentEvent::RefundBounced(_)
            | PaymentEvent::Disputed(_)
            | PaymentEvent::DisputeClosed { .. }
            | PaymentEvent::DisputeWonAfterAll(_)
            | PaymentEvent::AuthorisationLetGo { .. }
            | PaymentEvent::Settled(_) => {}
        }
    }

    fn check(&mut self, phase: Phase, assessment: &Assessment) {
        self.phase = word(phase);
        self.risk_score = Some(i16::from(u8::from(assessment.score)));
        self.risk_decision = Some(word(assessment.decision));
    }

    fn accept(&mut self, recorded: &Recorded, phase: Phase, channel_trade_no: &str) {
        self.phase = word(phase);
        self.channel_trade_no = Some(channel_trade_no.to_owned());
        self.answered_at.get_or_insert(recorded.recorded_at);
    }

    fn refuse(&mut self, recorded: &Recorded, decline: Decline) {
        self.phase = word(Phase::Failed);
        self.decline = Some(word(decline));
        self.answered_at.get_or_insert(recorded.recorded_at);
    }
}

fn number(attempt: u32) -> i32 {
    i32::try_from(attempt).unwrap_or(i32::MAX)
}

/// As [`word`] wrote it.
fn phase(text: &str) -> Result<Phase, Poison> {
    let read: Result<Phase, serde::de::value::Error> = Phase::deserialize(text.into_deserializer());
    read.map_err(|reason| Poison::Event(reason.to_string()))
}
