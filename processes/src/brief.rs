//! What a process needs to know that no state keeps: how the customer pays, and for what.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::blind_index::BlindIndex;
use domain::fact::Fact;
use domain::free_text::FreeText;
use domain::merchant::{Merchant, event::MerchantEvent};
use domain::payment::{Payment, event::PaymentEvent, origin::Origin};
use event_store::{Recorded, Store};
use traces::Context;

use crate::spans::Trace;
use crate::wake::Event;

/// Of one payment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Brief {
    /// Of the last attempt.
    pub(crate) method: Option<String>,
    pub(crate) subject: Option<FreeText>,
    pub(crate) customer: Option<BlindIndex>,
    /// How the last attempt began.
    pub(crate) begun: Option<Begun>,
    trace: Option<Trace>,
    /// Of what was asked for since: a capture, a refund, a cancellation.
    traces: BTreeMap<String, Trace>,
}

/// An attempt, where and when it began, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Begun {
    pub(crate) attempt: u32,
    pub(crate) position: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) origin: Origin,
}

/// Those that passed lately, and since when merchants are known. Whatever is not here is in the log.
pub(crate) struct Briefs {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    payments: BTreeMap<Arc<str>, Brief>,
    oldest: VecDeque<Arc<str>>,
    merchants: BTreeMap<String, DateTime<Utc>>,
}

/// The events a brief is made of.
const TELLING: [&str; 5] =
    ["initiated", "attempt_opened", "capture_requested", "refund_reserved", "cancellation_requested"];
/// Whose business is the payment itself.
const CANCELLATION: &str = "cancel_payment";
const PAYMENTS_MAX: usize = 20_000;
const MERCHANTS_MAX: usize = 100_000;
/// Events of a payment that are read at once.
const PAGE: i64 = 500;

impl Briefs {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::default() }
    }

    /// Takes in what passes by.
    pub(crate) fn hear(&self, event: &Event<'_>) {
        let (Fact::Payment(fact), recorded) = (&event.fact, event.recorded) else { return };
        if !TELLING.contains(&&*recorded.event_type) {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.sequence == 1 {
            kept.oldest.push_back(Arc::clone(&recorded.aggregate_id));
            kept.payments.insert(Arc::clone(&recorded.aggregate_id), Brief::default());
        }
        if let Some(brief) = kept.payments.get_mut(&recorded.aggregate_id) {
            brief.fold(fact, recorded);
        }
        while kept.oldest.len() > PAYMENTS_MAX
            && let Some(oldest) = kept.oldest.pop_front()
        {
            kept.payments.remove(&oldest);
        }
    }

    /// What is known of a payment: from memory, else from the log.
    pub(crate) async fn of(&self, store: &Store, payment: &Arc<str>) -> Result<Brief, sqlx::Error> {
        let known = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.payments.get(payment).cloned()
        };
        if let Some(brief) = known {
            return Ok(brief);
        }
        let (mut brief, mut after) = (Brief::default(), 0);
        loop {
            let events = store.stream_events(Payment::TYPE, payment, after, PAGE).await?;
            for event in &events {
                after = event.sequence;
                let mut payload = serde_json::Deserializer::from_str(&event.payload);
                if let Ok(Fact::Payment(told)) = Fact::read(Payment::TYPE, &mut payload) {
                    brief.fold(&told, event);
                }
            }
            if i64::try_from(events.len()).unwrap_or(PAGE) < PAGE {
                return Ok(brief);
            }
        }
    }

    /// When a merchant came.
    pub(crate) async fn since(&self, store: &Store, merchant: &str) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
        let known = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.merchants.get(merchant).copied()
        };
        if known.is_some() {
            return Ok(known);
        }
        let first = store.stream_events(Merchant::TYPE, merchant, 0, 1).await?.pop();
        let since = first.filter(|event| &*event.event_type == registered()).map(|event| event.recorded_at);
        if let Some(since) = since {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.merchants.len() >= MERCHANTS_MAX {
                kept.merchants.clear();
            }
            kept.merchants.insert(merchant.to_owned(), since);
        }
        Ok(since)
    }
}

/// The name of the first event of every merchant.
fn registered() -> &'static str {
    MerchantEvent::TYPES.first().copied().unwrap_or_default()
}

impl Brief {
    fn fold(&mut self, event: &PaymentEvent, recorded: &Recorded) {
        let trace = trace_of(&recorded.metadata);
        if let PaymentEvent::Initiated(initiated) = event {
            self.method = initiated.route.method.as_ref().map(|method| method.as_str().to_owned());
            self.subject.clone_from(&initiated.purpose.subject);
            let email = initiated.purpose.customer_email.as_ref();
            self.customer = email.and_then(|email| email.blind_index()?.parse().ok());
            self.trace = trace;
            self.begin(1, &initiated.origin, recorded);
        } else if let PaymentEvent::AttemptOpened(opened) = event {
            self.method = opened.route.method.as_ref().map(|method| method.as_str().to_owned());
            self.trace = trace;
            self.begin(opened.attempt, &opened.origin, recorded);
        } else if let PaymentEvent::CaptureRequested { capture_id, .. } = event {
            self.traces.extend(trace.map(|trace| (capture_id.to_string(), trace)));
        } else if let PaymentEvent::RefundReserved { refund_id, .. } = event {
            self.traces.extend(trace.map(|trace| (refund_id.to_string(), trace)));
        } else if let PaymentEvent::CancellationRequested { .. } = event {
            self.traces.extend(trace.map(|trace| (CANCELLATION.to_owned(), trace)));
        }
    }

    fn begin(&mut self, attempt: u32, origin: &Origin, recorded: &Recorded) {
        let (position, at) = (recorded.position, recorded.recorded_at);
        self.begun = Some(Begun { attempt, position, at, origin: origin.clone() });
    }

    /// The trace of the request a process works for: its own, or the payment's.
    pub(crate) fn trace(&self, process: &str, business: &str) -> Option<Trace> {
        let own = self.traces.get(business).or_else(|| self.traces.get(process));
        own.or(self.trace.as_ref()).cloned()
    }
}

/// Metadata is JSON as we write it, and a trace is 32 hexadecimal digits.
fn trace_of(metadata: &str) -> Option<Trace> {
    let named = |name: &str| metadata.split_once(name).map(|(_before, after)| after);
    let trace = named("\"trace_id\":\"")?.get(..32)?;
    let parent = named("\"traceparent\":\"").and_then(|after| after.split_once('"'));
    let asked_by = parent.and_then(|(parent, _after)| Context::parse(parent));
    trace.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| Trace { id: trace.into(), asked_by })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_where_there_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let told = format!(r#"{{"actor":"MER","request_id":"r","trace_id":"{trace}"}}"#);
        assert_eq!(trace_of(&told), Some(Trace { id: trace.into(), asked_by: None }));
        let asked_by = Context { trace_id: trace.to_owned(), span_id: "00f067aa0ba902b7".to_owned() };
        let told = format!(r#"{{"trace_id":"{trace}","traceparent":"{}"}}"#, asked_by.traceparent());
        assert_eq!(trace_of(&told), Some(Trace { id: trace.into(), asked_by: Some(asked_by) }));
        for none in ["{}", r#"{"trace_id":"short"}"#, r#"{"trace_id":"xbf92f3577b34da6a3ce929d0e0e4736"}"#] {
            assert_eq!(trace_of(none), None, "{none}");
        }
    }

    #[test]
    fn each_works_under_the_trace_of_who_asked_for_it() {
        let traced = |trace: &str| Trace { id: trace.into(), asked_by: None };
        let brief = Brief {
            trace: Some(traced("of the payment")),
            traces: [("REF1", "of a refund"), (CANCELLATION, "of a cancellation")]
                .map(|(name, trace)| (name.to_owned(), traced(trace)))
                .into(),
            ..Brief::default()
        };
        let of = |process, business| brief.trace(process, business).unwrap().id.to_string();
        assert_eq!(of("take_payment", "PAY1"), "of the payment");
        assert_eq!(of("refund_payment", "REF1"), "of a refund");
        assert_eq!(of("refund_payment", "REF2"), "of the payment");
        assert_eq!(of(CANCELLATION, "PAY1"), "of a cancellation");
    }
}
