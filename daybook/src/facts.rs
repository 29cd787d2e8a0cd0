//! Counts the facts this process has written: how payments, refunds and sagas ended.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use command_api::Tally;
use domain::{
    aggregate::Aggregate as _,
    fact::Fact,
    payment::{
        Payment,
        event::{Captured, PaymentEvent},
        suspense::Source,
    },
    saga::{Resolution, Saga, event::SagaEvent},
};
use event_store::{Recorded, Store, Upcasters};
use meters::{Counter, Histogram, Kind, Page, SECONDS};
use tokio::sync::mpsc;

/// Facts that may wait to be counted; of more, only the number is known.
const ROOM: usize = 65_536;
/// Sagas under way whose beginning is remembered; twice as many at most. That of others is looked up in the log.
const BEGINNINGS: usize = 32_768;

/// In nanoseconds: those that end by themselves, and those that wait for a person.
const TIMES: [u64; 12] = [
    10_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    30_000_000_000,
    300_000_000_000,
    3_600_000_000_000,
    86_400_000_000_000,
];

/// What is counted of them, since the process began.
pub(crate) struct Facts {
    tally: Arc<Tally>,
    started: Counter,
    completed: Counter,
    compensated: Counter,
    retries: Counter,
    attention: Counter,
    duration: Histogram,
    unread: Counter,
}

/// What it takes to count them.
struct Ear {
    facts: Arc<Facts>,
    store: Store,
    upcasters: Arc<Upcasters>,
    beginnings: Beginnings,
}

/// When sagas began, of those under way: the newer ones, and the older that will be forgotten next.
#[derive(Default)]
struct Beginnings {
    newer: HashMap<Arc<str>, DateTime<Utc>>,
    older: HashMap<Arc<str>, DateTime<Utc>>,
}

/// What is worth counting: asked of every event on the writer's own thread.
fn wants(event: &Recorded) -> bool {
    match &*event.aggregate_type {
        Payment::TYPE => matches!(
            &*event.event_type,
            "captured"
                | "failed"
                | "risk_rejected"
                | "review_rejected"
                | "review_lapsed"
                | "refund_confirmed"
                | "refund_released"
                | "money_suspended"
        ),
        Saga::TYPE => matches!(
            &*event.event_type,
            "started" | "completed" | "compensated" | "resolved" | "retry_scheduled" | "attention_needed"
        ),
        _ => false,
    }
}

impl Facts {
    pub(crate) fn new(tally: Arc<Tally>) -> Arc<Self> {
        let [started, completed, compensated, retries, attention, unread] = Default::default();
        let duration = Histogram::new(&TIMES, SECONDS);
        Arc::new(Self { tally, started, completed, compensated, retries, attention, duration, unread })
    }

    /// Counts what the store writes from now on, for as long as the process lives.
    pub(crate) fn count(self: &Arc<Self>, store: &Store) {
        let Some(written) = store.written(wants, ROOM) else {
            tracing::error!("the facts are counted already");
            return;
        };
        let (facts, store, beginnings) = (Arc::clone(self), store.clone(), Beginnings::default());
        let upcasters = store.upcasters();
        drop(tokio::spawn(Ear { facts, store, upcasters, beginnings }.listen(written)));
    }

    /// Writes the families of sagas.
    pub(crate) fn write(&self, page: &mut Page) {
        self.tally.write(page);
        for (name, help, count) in [
            ("saga_started_total", "Sagas begun", &self.started),
            ("saga_completed_total", "Sagas ended as they should", &self.completed),
            ("saga_compensated_total", "Sagas ended with what was done taken back", &self.compensated),
            ("saga_retries_total", "Steps that are to be tried again", &self.retries),
            ("saga_attention_total", "Sagas that had to wait for a person", &self.attention),
            ("daybook_facts_unread_total", "Facts that could not be read to be counted", &self.unread),
        ] {
            page.family(name, Kind::Counter, help).series(&[], count.value());
        }
        let help = "From the beginning of a saga to its end";
        page.family("saga_duration_seconds", Kind::Histogram, help).histogram(&[], &self.duration);
    }
}

impl Ear {
    async fn listen(mut self, mut written: mpsc::Receiver<Arc<Recorded>>) {
        while let Some(event) = written.recv().await {
            let counted =
                if event.aggregate_type == Saga::TYPE { self.take_saga(&event).await } else { self.take(&event).await };
            if counted.is_none() {
                self.facts.unread.add(1);
            }
        }
    }

    /// Nothing where it could not be read.
    async fn take(&self, event: &Recorded) -> Option<()> {
        let fact = self.upcasters.fact(event).ok()?;
        let Fact::Payment(happened) = &fact else { return Some(()) };
        if let PaymentEvent::Captured(captured) = happened {
            return self.take_capture(event, captured).await;
        }
        let (payment, _version) = self.store.read::<Payment>(&event.aggregate_id).await.ok()?;
        let currency = payment.agreement()?.amount.currency;
        let of_attempt = |attempt: u32| self.facts.tally.payments(payment.tried_as(attempt)?.channel, currency);
        match happened {
            PaymentEvent::Failed { attempt, .. } => of_attempt(*attempt)?.failed.add(1),
            PaymentEvent::RiskRejected { attempt, .. }
            | PaymentEvent::ReviewRejected { attempt, .. }
            | PaymentEvent::ReviewLapsed { attempt } => of_attempt(*attempt)?.risk_rejected.add(1),
            PaymentEvent::RefundConfirmed(moved) => self.facts.tally.refunds(currency)?.confirmed(moved.amount),
            PaymentEvent::RefundReleased { .. } => self.facts.tally.refunds(currency)?.failed.add(1),
            PaymentEvent::MoneySuspended(moved) if matches!(moved.source, Source::Refund { .. }) => {
                self.facts.tally.refunds(currency)?.partial_success.add(1);
            }
            PaymentEvent::Captured(_) | PaymentEvent::MoneySuspended(_) | PaymentEvent::SuspenseReturned(_) => {}
            PaymentEvent::Initiated(_) | PaymentEvent::TakenOver(_) | PaymentEvent::AttemptOpened(_) => {}
            PaymentEvent::RiskApproved { .. } => {}
            PaymentEvent::ReviewRequested { .. } | PaymentEvent::ReviewApproved { .. } => {}
            PaymentEvent::Submitted { .. } | PaymentEvent::Authorised { .. } => {}
            PaymentEvent::OutcomeUnknown { .. } | PaymentEvent::CaptureRequested { .. } => {}
            PaymentEvent::CaptureDeclined { .. } | PaymentEvent::CancellationRequested { .. } => {}
            PaymentEvent::Cancelled { .. } | PaymentEvent::Voided { .. } => {}
            PaymentEvent::AuthorisationExpired { .. } | PaymentEvent::AuthorisedLate { .. } => {}
            PaymentEvent::LateAuthorisationReleased { .. } | PaymentEvent::AuthorisationLetGo { .. } => {}
            PaymentEvent::AmountMismatched(_) | PaymentEvent::RefundReserved { .. } => {}
            PaymentEvent::RefundBounced(_) | PaymentEvent::Disputed(_) | PaymentEvent::DisputeClosed { .. } => {}
            PaymentEvent::DisputeWonAfterAll(_) | PaymentEvent::Settled(_) => {}
        }
        Some(())
    }

    /// A payment succeeds once, with its first capture; every capture is an amount.
    async fn take_capture(&self, event: &Recorded, captured: &Captured) -> Option<()> {
        let of = self.facts.tally.payments(captured.channel, captured.amount.currency)?;
        of.captured(captured.amount);
        let (payment, _version) = self.store.read::<Payment>(&event.aggregate_id).await.ok()?;
        let is_first = match payment.captures().len() {
            0 | 1 => true,
            _several => {
                let before = event.sequence.saturating_sub(1);
                let earlier = self.store.stream_events(Payment::TYPE, &event.aggregate_id, 0, before).await.ok()?;
                !earlier.iter().any(|earlier| earlier.event_type == event.event_type)
            }
        };
        if is_first {
            of.success.add(1);
        }
        Some(())
    }

    /// Told apart by name: there are several of them for each payment, and only one says something that counts.
    async fn take_saga(&mut self, event: &Recorded) -> Option<()> {
        let facts = &self.facts;
        let ended = match &*event.event_type {
            "started" => {
                facts.started.add(1);
                self.beginnings.remember(event);
                return Some(());
            }
            "retry_scheduled" => {
                facts.retries.add(1);
                return Some(());
            }
            "attention_needed" => {
                facts.attention.add(1);
                return Some(());
            }
            "completed" => &facts.completed,
            "compensated" => &facts.compensated,
            _resolved => match self.upcasters.decode::<SagaEvent>(event).ok()? {
                SagaEvent::Resolved { resolution: Resolution::Completed, .. } => &facts.completed,
                SagaEvent::Resolved { resolution: Resolution::Compensated, .. } => &facts.compensated,
                SagaEvent::Started(_)
                | SagaEvent::Completed
                | SagaEvent::Compensated
                | SagaEvent::RetryScheduled { .. }
                | SagaEvent::AttentionNeeded { .. }
                | SagaEvent::StepStarted(_)
                | SagaEvent::StepSucceeded { .. }
                | SagaEvent::StepFailed { .. }
                | SagaEvent::StepCompensated { .. }
                | SagaEvent::Waiting { .. }
                | SagaEvent::CompensationBegun { .. }
                | SagaEvent::Resumed { .. } => return None,
            },
        };
        ended.add(1);
        let begun_at = match self.beginnings.forget(&event.aggregate_id) {
            Some(begun_at) => begun_at,
            None => self.store.stream_events(Saga::TYPE, &event.aggregate_id, 0, 1).await.ok()?.first()?.recorded_at,
        };
        self.facts.duration.took(event.recorded_at.signed_duration_since(begun_at).to_std().unwrap_or_default());
        Some(())
    }
}

impl Beginnings {
    fn remember(&mut self, event: &Recorded) {
        if self.newer.len() >= BEGINNINGS {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(Arc::clone(&event.aggregate_id), event.recorded_at);
    }

    fn forget(&mut self, saga: &Arc<str>) -> Option<DateTime<Utc>> {
        self.newer.remove(saga).or_else(|| self.older.remove(saga))
    }
}
