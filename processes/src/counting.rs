//! What of an event is counted, and of whom: the same live and in a replay.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    aggregate::Aggregate as _,
    blind_index::BlindIndex,
    currency::Currency,
    fact::Fact,
    id::MerchantId,
    merchant::Merchant,
    money::Money,
    payment::{Agreed, Payment, event::PaymentEvent, origin::Origin},
    risk::{
        exposure::{Change, Exposure},
        facts::{AsOf, Counters},
        rule::Per,
        velocity::Velocity,
    },
};
use event_store::{Poison, Recorded, Store};

use crate::brief::Begun;

/// What an event changes of the turnover, and the attempt it begins.
type Heard<'t> = (Option<Change>, Option<(u32, &'t Origin)>);

/// Whose attempts are counted, by mode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) per: Per,
    /// As the table has it.
    pub(crate) name: String,
}

/// An attempt as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begins {
    pub(crate) payment: Arc<str>,
    pub(crate) attempt: u32,
    pub(crate) at: DateTime<Utc>,
    /// On the merchant's calendar.
    pub(crate) today: NaiveDate,
    pub(crate) amount: Money,
    pub(crate) subjects: Vec<Subject>,
}

/// What one event does to the counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) position: i64,
    pub(crate) begins: Option<Begins>,
    /// Whose day changes, which, and by how much.
    pub(crate) turnover: Option<(Subject, NaiveDate, Currency, i64)>,
}

/// The rows of the subjects at hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows(pub(crate) BTreeMap<Subject, Velocity>);

/// What is remembered of payments that passed lately; of the others the log knows.
#[derive(Default)]
pub(crate) struct Payments {
    kept: BTreeMap<Arc<str>, Paying>,
    oldest: VecDeque<Arc<str>>,
}

struct Paying {
    livemode: bool,
    merchant_id: MerchantId,
    customer: Option<BlindIndex>,
    amount: Money,
    exposure: Exposure,
}

const PAYMENTS_MAX: usize = 20_000;
const PAGE: i64 = 500;

impl Subject {
    pub(crate) fn new(livemode: bool, per: Per, who: &str) -> Self {
        let mode = if livemode { "live" } else { "test" };
        let kind = match per {
            Per::Merchant => "merchant",
            Per::Customer => "customer",
            Per::CardToken => "card",
            Per::Ip => "ip",
            Per::Country => "country",
        };
        Self { per, name: format!("{mode} {kind} {who}") }
    }

    /// Everybody an attempt is counted for.
    pub(crate) fn all_of(
        livemode: bool,
        merchant_id: MerchantId,
        customer: Option<&BlindIndex>,
        origin: &Origin,
    ) -> Vec<Self> {
        let merchant = Self::new(livemode, Per::Merchant, &merchant_id.to_string());
        let known = |per, who: Option<&str>| who.map(|who| Self::new(livemode, per, who));
        let others = [
            known(Per::Customer, customer.map(BlindIndex::as_str)),
            known(Per::CardToken, origin.card_token.as_ref().map(BlindIndex::as_str)),
            known(Per::Ip, origin.ip.as_ref().map(BlindIndex::as_str)),
            known(Per::Country, origin.ip_country.map(domain::country::Country::code)),
        ];
        std::iter::once(merchant).chain(others.into_iter().flatten()).collect()
    }
}

impl Begins {
    /// The attempt of a payment that began so.
    pub(crate) fn of(
        payment: &Arc<str>,
        agreed: &Agreed,
        customer: Option<&BlindIndex>,
        begun: &Begun,
        merchant: &Merchant,
    ) -> Self {
        Self {
            payment: Arc::clone(payment),
            attempt: begun.attempt,
            at: begun.at,
            today: day_of(merchant, begun.at),
            amount: agreed.amount,
            subjects: Subject::all_of(agreed.livemode, agreed.merchant_id, customer, &begun.origin),
        }
    }
}

impl Effect {
    /// Whom it is about.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Subject> {
        let begins = self.begins.iter().flat_map(|begins| &begins.subjects);
        begins.chain(self.turnover.iter().map(|(subject, ..)| subject))
    }
}

impl Rows {
    pub(crate) fn apply(&mut self, effect: &Effect) {
        if let Some(Begins { at, amount, subjects, .. }) = &effect.begins {
            for subject in subjects {
                self.0.entry(subject.clone()).or_default().count(*at, *amount);
            }
        }
        if let Some((subject, day, currency, minor)) = &effect.turnover {
            self.0.entry(subject.clone()).or_default().turn_over(*day, *currency, *minor);
        }
    }

    /// Goes back before the effect.
    pub(crate) fn undo(&mut self, effect: &Effect) {
        if let Some(Begins { at, amount, subjects, .. }) = &effect.begins {
            for subject in subjects {
                if let Some(velocity) = self.0.get_mut(subject) {
                    velocity.uncount(*at, *amount);
                }
            }
        }
        if let Some((subject, day, currency, minor)) = &effect.turnover
            && let Some(velocity) = self.0.get_mut(subject)
        {
            velocity.turn_over(*day, *currency, minor.saturating_neg());
        }
    }

    /// What matters to nobody at this moment goes.
    pub(crate) fn forget(&mut self, at: DateTime<Utc>) {
        for velocity in self.0.values_mut() {
            velocity.forget(at);
        }
        self.0.retain(|_subject, velocity| velocity.idle_on().is_some());
    }

    /// What was counted before an attempt that begins at this position.
    pub(crate) fn before(&self, begins: &Begins, position: i64) -> Counters {
        let as_of = AsOf { position: position.saturating_sub(1), at: begins.at };
        let mut counters = Counters::default();
        for subject in &begins.subjects {
            let Some(velocity) = self.0.get(subject) else { continue };
            let tallies = velocity.windows(as_of).into_iter().filter(|(_window, tally)| tally.count > 0);
            counters.velocity.extend(tallies.map(|(window, tally)| ((subject.per, window), tally)));
            if subject.per == Per::Merchant {
                counters.periods = velocity.periods(begins.today, as_of);
            }
        }
        counters
    }
}

impl Payments {
    /// What the next event of the log does; `None` for most. Events of a payment come in order.
    pub(crate) async fn effect(&mut self, store: &Store, event: &Recorded) -> Result<Option<Effect>, Poison> {
        if event.aggregate_type != Payment::TYPE || !Exposure::TELLING.contains(&&*event.event_type) {
            return Ok(None);
        }
        let told = read(event)?;
        if !matches!(told, PaymentEvent::Initiated(_)) && !self.kept.contains_key(&event.aggregate_id) {
            self.recall(store, event).await?;
        }
        let Some((change, attempt)) = self.hear(event, &told) else { return Ok(None) };
        let Some(paying) = self.kept.get(&event.aggregate_id) else { return Ok(None) };
        let (livemode, merchant_id) = (paying.livemode, paying.merchant_id);
        let merchant: Arc<str> = merchant_id.to_string().into();
        let (merchant, _version) = store.read::<Merchant>(&merchant).await.map_err(log_away)?;
        let begins = attempt.map(|(attempt, origin)| Begins {
            payment: Arc::clone(&event.aggregate_id),
            attempt,
            at: event.recorded_at,
            today: day_of(&merchant, event.recorded_at),
            amount: paying.amount,
            subjects: Subject::all_of(livemode, merchant_id, paying.customer.as_ref(), origin),
        });
        let turnover = change.map(|change| {
            let subject = Subject::new(livemode, Per::Merchant, &merchant_id.to_string());
            (subject, day_of(&merchant, change.begun_at), change.currency, change.minor)
        });
        Ok(Some(Effect { position: event.position, begins, turnover }))
    }

    /// The merchant of a payment that was heard of just now, and its customer.
    pub(crate) fn whose(&self, payment: &Arc<str>) -> Option<(MerchantId, Option<BlindIndex>)> {
        self.kept.get(payment).map(|paying| (paying.merchant_id, paying.customer.clone()))
    }

    /// Folds the event; what it changes of the turnover, and the attempt it begins. Nothing of what changes nothing.
    fn hear<'t>(&mut self, event: &Recorded, told: &'t PaymentEvent) -> Option<Heard<'t>> {
        let attempt = if let PaymentEvent::Initiated(initiated) = told {
            self.keep(Arc::clone(&event.aggregate_id), Paying::of(initiated));
            Some((1, &initiated.origin))
        } else if let PaymentEvent::TakenOver(taken) = told {
            self.keep(Arc::clone(&event.aggregate_id), Paying::of(&taken.initiated()));
            None
        } else if let PaymentEvent::AttemptOpened(opened) = told {
            Some((opened.attempt, &opened.origin))
        } else {
            None
        };
        let paying = self.kept.get_mut(&event.aggregate_id)?;
        let change = paying.exposure.fold(told, event.recorded_at);
        (change.is_some() || attempt.is_some()).then_some((change, attempt))
    }

    /// Reads what came before an event of a payment that is not remembered.
    async fn recall(&mut self, store: &Store, event: &Recorded) -> Result<(), Poison> {
        let mut after = 0;
        while after < event.sequence.saturating_sub(1) {
            let page = store.stream_events(Payment::TYPE, &event.aggregate_id, after, PAGE).await?;
            let Some(last) = page.last().map(|last| last.sequence) else { break };
            for earlier in page.iter().filter(|earlier| earlier.sequence < event.sequence) {
                if Exposure::TELLING.contains(&&*earlier.event_type) {
                    let told = read(earlier)?;
                    self.hear(earlier, &told);
                }
            }
            after = last;
        }
        Ok(())
    }

    fn keep(&mut self, payment: Arc<str>, paying: Paying) {
        self.oldest.push_back(Arc::clone(&payment));
        self.kept.insert(payment, paying);
        while self.oldest.len() > PAYMENTS_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }
}

impl Paying {
    fn of(initiated: &domain::payment::event::Initiated) -> Self {
        let email = initiated.purpose.customer_email.as_ref();
        Self {
            livemode: initiated.livemode,
            merchant_id: initiated.merchant_id,
            customer: email.and_then(|email| email.blind_index()?.parse().ok()),
            amount: initiated.amount,
            exposure: Exposure::default(),
        }
    }
}

/// The merchant's day; that of UTC where no time zone was agreed.
fn day_of(merchant: &Merchant, at: DateTime<Utc>) -> NaiveDate {
    merchant.schedule().and_then(|schedule| schedule.day_of(at)).unwrap_or_else(|| at.date_naive())
}

fn read(event: &Recorded) -> Result<PaymentEvent, Poison> {
    let mut payload = serde_json::Deserializer::from_str(&event.payload);
    match Fact::read(&event.aggregate_type, &mut payload) {
        Ok(Fact::Payment(told)) => Ok(told),
        Ok(_another) => Err(Poison::Event("an event of a payment that is none".to_owned())),
        Err(reason) => Err(Poison::Event(reason.to_string())),
    }
}

fn log_away(failure: event_store::Failure) -> Poison {
    Poison::Database(sqlx::Error::Protocol(failure.to_string()))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::risk::rule::{Period, Window};
    use uuid::Uuid;

    use super::*;

    fn merchant() -> MerchantId {
        MerchantId::new(Uuid::from_u128(1))
    }

    fn index(digit: &str) -> BlindIndex {
        digit.repeat(64).parse().unwrap()
    }

    /// The n-th attempt, at position n, by one of two cards.
    fn effect(n: i64) -> Effect {
        let origin = Origin { card_token: Some(index(if n % 2 == 0 { "a" } else { "b" })), ..Origin::default() };
        let at = DateTime::from_timestamp(1_780_000_000, 0).unwrap() + TimeDelta::seconds(n);
        let amount = Money::new(100 * n, Currency::USD);
        let subjects = Subject::all_of(true, merchant(), None, &origin);
        let payment: Arc<str> = format!("PAY{n}").into();
        let begins = Begins { payment, attempt: 1, at, today: at.date_naive(), amount, subjects };
        let merchant = Subject::new(true, Per::Merchant, &merchant().to_string());
        let turnover = Some((merchant, at.date_naive(), Currency::USD, amount.amount_minor));
        Effect { position: n, begins: Some(begins), turnover }
    }

    fn seen(rows: &Rows, effect: &Effect) -> Counters {
        rows.before(effect.begins.as_ref().unwrap(), effect.position)
    }

    #[test]
    fn an_attempt_is_held_against_all_that_began_before_it_and_nothing_else() {
        let effects: Vec<Effect> = (1..=7).map(effect).collect();
        let mut rows = Rows::default();
        let mut live = Vec::new();
        for effect in &effects {
            live.push(seen(&rows, effect));
            rows.apply(effect);
        }
        let last = live.last().unwrap();
        assert_eq!(last.velocity[&(Per::Merchant, Window::Minute)].count, 6);
        assert_eq!(last.velocity[&(Per::CardToken, Window::Week)].count, 3);
        assert_eq!(last.periods[&Period::Day].sums_minor[&Currency::USD], 2_100);
        assert_eq!(last.periods[&Period::Day].as_of.position, 6);
        // Whoever comes late goes back, and sees the same.
        for (effect, live) in effects.iter().zip(&live).rev() {
            rows.undo(effect);
            let back = seen(&rows, effect);
            let counts = |counters: &Counters| -> Vec<_> {
                let velocity =
                    counters.velocity.iter().map(|(name, tally)| (*name, tally.count, tally.sums_minor.clone()));
                velocity.filter(|(_, count, _)| *count > 0).collect()
            };
            assert_eq!(counts(&back), counts(live), "{effect:?}");
            let sum = |counters: &Counters, period| {
                let sums = counters.periods.get(&period).map(|tally| &tally.sums_minor);
                sums.and_then(|sums| sums.get(&Currency::USD)).copied().unwrap_or_default()
            };
            for period in [Period::Day, Period::Month] {
                assert_eq!(sum(&back, period), sum(live, period));
            }
        }
    }

    #[test]
    fn everybody_who_is_known_is_counted_by_mode_and_by_kind() {
        let origin = Origin {
            card_token: Some(index("c")),
            ip: Some(index("c")),
            ip_country: "DE".parse().ok(),
            card_country: "FR".parse().ok(),
            ..Origin::default()
        };
        let names = |livemode| -> Vec<String> {
            let all = Subject::all_of(livemode, merchant(), Some(&index("c")), &origin);
            all.into_iter().map(|subject| subject.name).collect()
        };
        let index = index("c");
        let expected = [
            format!("test merchant {}", merchant()),
            format!("test customer {index}"),
            format!("test card {index}"),
            format!("test ip {index}"),
            "test country DE".to_owned(),
        ];
        assert_eq!(names(false), expected);
        assert!(names(true).iter().all(|name| !names(false).contains(name)));
        assert_eq!(Subject::all_of(true, merchant(), None, &Origin::default()).len(), 1);
    }
}
