//! What each event of a payment changes in which quarter of an hour.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::payment::dispute::DisputeOutcome;
use domain::payment::event::{Funds, Initiated, PaymentEvent, Route};
use domain::sealed::Sealed;
use event_store::{Poison, Recorded};
use uuid::Uuid;

use super::sums::Change;
use super::{BucketRow, CountedRow};
use crate::payments::uuid_of;
use crate::rows::Rows;
use crate::word::word;

/// A bucket and what is added to it; the bucket itself where it may be new.
pub(super) struct Touch {
    pub(super) id: Uuid,
    pub(super) new: Option<Box<BucketRow>>,
    pub(super) change: Change,
}

/// Remembers what must be known of the payment, and tells which buckets change how.
pub(super) fn count(
    counted: &mut Rows<CountedRow>,
    recorded: &Recorded,
    fact: &PaymentEvent,
) -> Result<Vec<Touch>, Poison> {
    let at = recorded.recorded_at;
    if let PaymentEvent::Initiated(initiated) = fact {
        let row = begun(initiated, at);
        let customer = initiated.purpose.customer_email.as_ref().and_then(Sealed::blind_index);
        let change = Change::Began { asked: Some(initiated.amount), customer: customer.map(str::to_owned) };
        let touch = touch(at, &row, change);
        counted.put(row);
        return Ok(vec![touch]);
    }
    if let PaymentEvent::TakenOver(taken) = fact {
        // It began elsewhere and is counted there; money that moves from here on is counted here.
        let mut row = begun(&taken.initiated(), at);
        (row.is_answered, row.is_captured, row.is_over) = (true, true, true);
        counted.put(row);
        return Ok(Vec::new());
    }
    let id = uuid_of(&recorded.aggregate_id).ok_or_else(|| Poison::Event("no payment has such a name".to_owned()))?;
    let row = counted.must(&(id,))?;
    if let PaymentEvent::AttemptOpened(opened) = fact {
        row.attempt = i32::try_from(opened.attempt).unwrap_or(i32::MAX);
        row.open(at, &opened.route);
        return Ok(vec![touch(at, row, Change::Began { asked: None, customer: None })]);
    }
    let mut touched = Vec::new();
    touched.extend(moved(fact).map(|change| touch(at, row, change)));
    touched.extend(row.became(at, fact).map(|change| Touch { id: row.bucket_id, new: None, change }));
    Ok(touched)
}

fn begun(initiated: &Initiated, at: DateTime<Utc>) -> CountedRow {
    let mut row = CountedRow {
        payment_id: initiated.payment_id.uuid(),
        merchant_id: initiated.merchant_id.uuid(),
        livemode: initiated.livemode,
        attempt: 1,
        bucket_id: Uuid::nil(),
        opened_at: at,
        is_answered: false,
        is_captured: false,
        is_over: false,
        channel: String::new(),
        currency: initiated.amount.currency.code().to_owned(),
        method: String::new(),
    };
    row.open(at, &initiated.route);
    row
}

/// The quarter of an hour a moment is in.
fn quarter(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::minutes(15)).unwrap_or(at)
}

fn bucket_id(starts_at: DateTime<Utc>, row: &CountedRow) -> Uuid {
    let CountedRow { merchant_id, livemode, channel, currency, method, .. } = row;
    let name = format!("{} {livemode} {} {channel} {currency} {method}", merchant_id.simple(), starts_at.timestamp());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// The bucket of this moment, for what happens now.
fn touch(at: DateTime<Utc>, row: &CountedRow, change: Change) -> Touch {
    let starts_at = quarter(at);
    let id = bucket_id(starts_at, row);
    let bucket = BucketRow {
        id,
        merchant_id: row.merchant_id,
        livemode: row.livemode,
        starts_at,
        channel: row.channel.clone(),
        currency: row.currency.clone(),
        method: row.method.clone(),
        payments_count: 0,
        attempts_count: 0,
        succeeded_count: 0,
        failed_count: 0,
        rejected_count: 0,
        abandoned_count: 0,
        asked_minor: 0,
        captures_count: 0,
        captured_minor: 0,
        fee_minor: 0,
        refunds_count: 0,
        refunded_minor: 0,
        fee_returned_minor: 0,
        disputes_count: 0,
        disputed_minor: 0,
        declines: None,
        latency_ms: None,
        customers: None,
    };
    Touch { id, new: Some(Box::new(bucket)), change }
}

/// Money that moved, counted when it did.
fn moved(fact: &PaymentEvent) -> Option<Change> {
    match fact {
        PaymentEvent::Captured(it) => Some(Change::Captured { amount: it.amount, fee: it.fee }),
        PaymentEvent::RefundConfirmed(it) => Some(Change::Refunded { amount: it.amount, fee: it.fee_returned }),
        PaymentEvent::RefundBounced(it) => Some(Change::Bounced { amount: it.amount, fee: it.fee_returned }),
        // What is nobody's is no merchant's dispute.
        PaymentEvent::Disputed(it) if it.funds != Funds::Suspense => Some(Change::Disputed { amount: it.amount }),
        PaymentEvent::DisputeClosed { outcome: DisputeOutcome::Won, moved } if moved.funds != Funds::Suspense => {
            Some(Change::DisputeWon { amount: moved.amount })
        }
        PaymentEvent::DisputeWonAfterAll(moved) if moved.funds != Funds::Suspense => {
            Some(Change::DisputeWon { amount: moved.amount })
        }
        PaymentEvent::Disputed(_)
        | PaymentEvent::DisputeClosed { .. }
        | PaymentEvent::DisputeWonAfterAll(_)
        | PaymentEvent::AuthorisationLetGo { .. }
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
        | PaymentEvent::Cancelled { .. }
        | PaymentEvent::Voided { .. }
        | PaymentEvent::AuthorisationExpired { .. }
        | PaymentEvent::AuthorisedLate { .. }
        | PaymentEvent::LateAuthorisationReleased { .. }
        | PaymentEvent::MoneySuspended(_)
        | PaymentEvent::SuspenseReturned(_)
        | PaymentEvent::AmountMismatched(_)
        | PaymentEvent::RefundReserved { .. }
        | PaymentEvent::RefundReleased { .. }
        | PaymentEvent::Settled(_) => None,
    }
}

impl CountedRow {
    /// A new attempt: nothing is known of it yet.
    fn open(&mut self, at: DateTime<Utc>, route: &Route) {
        self.channel = route.channel.name().to_owned();
        self.method = route.method.as_ref().map(|method| method.as_str().to_owned()).unwrap_or_default();
        self.opened_at = at;
        (self.is_answered, self.is_captured, self.is_over) = (false, false, false);
        self.bucket_id = bucket_id(quarter(at), self);
    }

    /// What became of the attempt, counted where it began. What is about an earlier attempt was counted then.
    fn became(&mut self, at: DateTime<Utc>, fact: &PaymentEvent) -> Option<Change> {
        match fact {
            PaymentEvent::Authorised { .. } => self.answer(at).map(|after_ms| Change::Answered { after_ms }),
            PaymentEvent::Captured(_) if !self.is_captured => {
                self.is_captured = true;
                Some(Change::Succeeded { after_ms: self.answer(at) })
            }
            PaymentEvent::Failed { decline, .. } => {
                self.is_over = true;
                Some(Change::Failed { decline: word(decline), after_ms: self.answer(at) })
            }
            PaymentEvent::RiskRejected { .. }
            | PaymentEvent::ReviewRejected { .. }
            | PaymentEvent::ReviewLapsed { .. } => {
                self.is_over = true;
                Some(Change::Rejected)
            }
            PaymentEvent::Cancelled { .. }
            | PaymentEvent::Voided { .. }
            | PaymentEvent::AuthorisationExpired { .. }
                if !self.is_captured && !self.is_over =>
            {
                self.is_over = true;
                Some(Change::Abandoned)
            }
            PaymentEvent::Captured(_)
            | PaymentEvent::Cancelled { .. }
            | PaymentEvent::Voided { .. }
            | PaymentEvent::AuthorisationExpired { .. }
            | PaymentEvent::Initiated(_)
            | PaymentEvent::TakenOver(_)
            | PaymentEvent::AttemptOpened(_)
            | PaymentEvent::RiskApproved { .. }
            | PaymentEvent::ReviewRequested { .. }
            | PaymentEvent::ReviewApproved { .. }
            | PaymentEvent::Submitted { .. }
            | PaymentEvent::OutcomeUnknown { .. }
            | PaymentEvent::CaptureRequested { .. }
            | PaymentEvent::CaptureDeclined { .. }
            | PaymentEvent::CancellationRequested { .. }
            | PaymentEvent::AuthorisedLate { .. }
            | PaymentEvent::LateAuthorisationReleased { .. }
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
            | PaymentEvent::Settled(_) => None,
        }
    }

    /// The first answer of the channel, and how long the customer had waited for it.
    fn answer(&mut self, at: DateTime<Utc>) -> Option<i64> {
        let is_first = !std::mem::replace(&mut self.is_answered, true);
        is_first.then(|| (at - self.opened_at).num_milliseconds().max(0))
    }
}
