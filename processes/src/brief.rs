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
const TELLING: [&str; 2] = ["initiated", "attempt_opened"];
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
        if let PaymentEvent::Initiated(initiated) = event {
            self.method = initiated.route.method.as_ref().map(|method| method.as_str().to_owned());
            self.subject.clone_from(&initiated.purpose.subject);
            let email = initiated.purpose.customer_email.as_ref();
            self.customer = email.and_then(|email| email.blind_index()?.parse().ok());
            self.begin(1, &initiated.origin, recorded);
        } else if let PaymentEvent::AttemptOpened(opened) = event {
            self.method = opened.route.method.as_ref().map(|method| method.as_str().to_owned());
            self.begin(opened.attempt, &opened.origin, recorded);
        }
    }

    fn begin(&mut self, attempt: u32, origin: &Origin, recorded: &Recorded) {
        let (position, at) = (recorded.position, recorded.recorded_at);
        self.begun = Some(Begun { attempt, position, at, origin: origin.clone() });
    }
}
