//! What rules would have decided of history: the log read again, and nothing written.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    aggregate::Aggregate,
    blind_index::BlindIndex,
    channel::Channel,
    fact::Fact,
    id::{MerchantId, RiskRulesId},
    merchant::Merchant,
    payment::{Payment, event::PaymentEvent, origin::Origin},
    risk::{
        Assessment,
        engine::{Rulebook, UNCOUNTED, assess},
        facts::Counters,
        rule_set::RuleSet,
    },
    risk_rules::RiskRules,
};
use event_store::{Poison, Recorded, Store};
use serde::de::DeserializeOwned;

use crate::{
    counting::{Begins, Payments, Rows},
    facts,
};

/// No rule looks back further: a month and a day, and some time to spare.
const LOOKS_BACK: TimeDelta = TimeDelta::days(33);
const PAGE: usize = 1_000;
/// Attempts that wait for their decision in the log; the oldest go first.
const WAITING_MAX: usize = 200_000;
/// How often what matters no more is forgotten.
const FORGET_EVERY: i64 = 100_000;

/// Decides once more what was decided, by other rules or by those of then, on the facts of then.
pub struct Replay {
    store: Store,
    livemode: bool,
    /// None: those in force at each decision.
    rules: Option<RuleSet>,
    since: DateTime<Utc>,
    at: i64,
    upto: i64,
    payments: Payments,
    rows: Rows,
    lists: RiskRules,
    merchants: BTreeMap<MerchantId, Known>,
    waiting: BTreeMap<(Arc<str>, u32), Waiting>,
    oldest: VecDeque<(Arc<str>, u32)>,
    forgotten_at: i64,
}

/// A decision as it was, and as it would have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    pub payment_no: Arc<str>,
    pub attempt: u32,
    pub position: i64,
    pub decided_at: DateTime<Utc>,
    pub merchant_id: MerchantId,
    pub amount: domain::money::Money,
    pub before: Assessment,
    pub after: Assessment,
}

impl Replayed {
    /// Whether the counters could not be had in time when it was decided: then a person had to look, whatever the rules.
    pub fn was_uncounted(&self) -> bool {
        self.before.reasons.iter().any(|reason| reason == UNCOUNTED)
    }
}

struct Known {
    merchant: Merchant,
    since: Option<DateTime<Utc>>,
}

/// An attempt whose decision is still to come.
struct Waiting {
    begins: Begins,
    merchant_id: MerchantId,
    channel: Channel,
    method: Option<String>,
    customer: Option<BlindIndex>,
    origin: Origin,
    counters: Counters,
}

impl Replay {
    /// Over what was decided since then, up to the end of the log as it is now. Counting begins a month before.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn new(
        store: Store,
        livemode: bool,
        rules: Option<RuleSet>,
        since: DateTime<Utc>,
    ) -> Result<Self, Poison> {
        let begins = since.checked_sub_signed(LOOKS_BACK).unwrap_or(DateTime::UNIX_EPOCH);
        let at = store.position_at(begins).await?.position;
        let upto = store.position_at(Utc::now() + TimeDelta::days(1)).await?.position;
        let id = RiskRulesId::derive(livemode).to_string();
        let (lists, _since) = folded::<RiskRules>(&store, &id, at).await?;
        Ok(Self {
            store,
            livemode,
            rules,
            since,
            at,
            upto,
            payments: Payments::default(),
            rows: Rows::default(),
            lists,
            merchants: BTreeMap::new(),
            waiting: BTreeMap::new(),
            oldest: VecDeque::new(),
            forgotten_at: at,
        })
    }

    /// Where it is, and where it ends.
    pub const fn progress(&self) -> (i64, i64) {
        (self.at, self.upto)
    }

    /// What was decided in the next events of the log; none where it has come to its end.
    ///
    /// # Errors
    /// The log cannot be read, or an event of it is of no known kind.
    pub async fn next(&mut self) -> Result<Option<Vec<Replayed>>, Poison> {
        if self.at >= self.upto {
            return Ok(None);
        }
        let events = self.store.events(self.at, PAGE).await?;
        let (mut replayed, upto) = (Vec::new(), self.upto);
        for event in events.iter().take_while(|event| event.position <= upto) {
            replayed.extend(self.hear(event).await?);
            self.at = event.position;
            if self.at.saturating_sub(self.forgotten_at) >= FORGET_EVERY {
                self.rows.forget(event.recorded_at);
                self.forgotten_at = self.at;
            }
        }
        if events.is_empty() {
            self.at = self.upto;
        }
        Ok(Some(replayed))
    }

    async fn hear(&mut self, event: &Recorded) -> Result<Option<Replayed>, Poison> {
        if event.aggregate_type == RiskRules::TYPE {
            if *event.aggregate_id == RiskRulesId::derive(self.livemode).to_string() {
                self.lists.apply(&read(event)?);
            }
            return Ok(None);
        }
        if event.aggregate_type == Merchant::TYPE {
            if let Some(known) = event.aggregate_id.parse().ok().and_then(|id: MerchantId| self.merchants.get_mut(&id))
            {
                known.merchant.apply(&read(event)?);
            }
            return Ok(None);
        }
        if event.aggregate_type != Payment::TYPE || event.livemode != Some(self.livemode) {
            return Ok(None);
        }
        if let Some(effect) = self.payments.effect(&self.store, event).await? {
            if let Some(begins) = &effect.begins {
                let counters = self.rows.before(begins, effect.position);
                self.wait(event, begins.clone(), counters)?;
            }
            self.rows.apply(&effect);
        }
        if !["risk_approved", "risk_rejected", "review_requested"].contains(&&*event.event_type) {
            return Ok(None);
        }
        if let PaymentEvent::RiskApproved { attempt, assessment }
        | PaymentEvent::RiskRejected { attempt, assessment }
        | PaymentEvent::ReviewRequested { attempt, assessment } = read(event)?
        {
            return self.decide(event, attempt, assessment).await;
        }
        Err(Poison::Event(format!("{} is not what it is called", event.event_type)))
    }

    /// Keeps an attempt until it is decided.
    fn wait(&mut self, event: &Recorded, begins: Begins, counters: Counters) -> Result<(), Poison> {
        let told: PaymentEvent = read(event)?;
        let (route, origin) = if let PaymentEvent::Initiated(initiated) = &told {
            (&initiated.route, &initiated.origin)
        } else if let PaymentEvent::AttemptOpened(opened) = &told {
            (&opened.route, &opened.origin)
        } else {
            return Ok(());
        };
        let Some((merchant_id, customer)) = self.payments.whose(&event.aggregate_id) else { return Ok(()) };
        let name = (Arc::clone(&begins.payment), begins.attempt);
        let waiting = Waiting {
            begins,
            merchant_id,
            channel: route.channel,
            method: route.method.as_ref().map(|method| method.as_str().to_owned()),
            customer,
            origin: origin.clone(),
            counters,
        };
        if self.waiting.insert(name.clone(), waiting).is_none() {
            self.oldest.push_back(name);
        }
        while self.oldest.len() > WAITING_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.waiting.remove(&oldest);
        }
        Ok(())
    }

    async fn decide(&mut self, event: &Recorded, attempt: u32, before: Assessment) -> Result<Option<Replayed>, Poison> {
        let Some(waiting) = self.waiting.remove(&(Arc::clone(&event.aggregate_id), attempt)) else { return Ok(None) };
        if event.recorded_at < self.since {
            return Ok(None);
        }
        let livemode = self.livemode;
        let known = self.merchant(waiting.merchant_id, event.position).await?;
        let asked = facts::Attempt {
            merchant_id: waiting.merchant_id,
            livemode,
            amount: waiting.begins.amount,
            channel: waiting.channel,
            method: waiting.method.as_deref(),
            customer: waiting.customer.as_ref(),
            origin: &waiting.origin,
            begun_at: waiting.begins.at,
        };
        let facts = asked.facts(&known.merchant, known.since, waiting.counters);
        let by_default = RuleSet::by_default(livemode);
        let book = self.lists.rulebook(&by_default);
        let book = Rulebook { rules: self.rules.as_ref().unwrap_or(book.rules), ..book };
        Ok(Some(Replayed {
            payment_no: Arc::clone(&event.aggregate_id),
            attempt,
            position: event.position,
            decided_at: event.recorded_at,
            merchant_id: waiting.merchant_id,
            amount: waiting.begins.amount,
            before,
            after: assess(&book, &facts),
        }))
    }

    /// The merchant as of this position: read once, then kept up by its events.
    async fn merchant(&mut self, id: MerchantId, position: i64) -> Result<&Known, Poison> {
        if !self.merchants.contains_key(&id) {
            let (merchant, since) = folded::<Merchant>(&self.store, &id.to_string(), position).await?;
            self.merchants.insert(id, Known { merchant, since });
        }
        self.merchants.get(&id).ok_or_else(|| Poison::Event("a merchant was lost".to_owned()))
    }
}

/// A stream as it was at a position, and when it began.
async fn folded<A: Aggregate>(store: &Store, id: &str, upto: i64) -> Result<(A, Option<DateTime<Utc>>), Poison> {
    const PAGE: i64 = 500;
    let (mut state, mut since, mut after) = (A::default(), None, 0);
    loop {
        let page = store.stream_events(A::TYPE, id, after, PAGE).await?;
        let Some(last) = page.last().map(|last| last.sequence) else { return Ok((state, since)) };
        for event in page.iter().filter(|event| event.position <= upto) {
            since = since.or(Some(event.recorded_at));
            state.apply(&read(event)?);
        }
        after = last;
    }
}

fn read<E: DeserializeOwned>(event: &Recorded) -> Result<E, Poison> {
    if Fact::known(&event.aggregate_type, &event.event_type).is_none() {
        return Err(Poison::Event(format!("this program knows no {} of {}", event.event_type, event.aggregate_type)));
    }
    serde_json::from_str(&event.payload).map_err(|reason| Poison::Event(reason.to_string()))
}
