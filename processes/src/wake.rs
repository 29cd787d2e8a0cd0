//! From an event to the work it asks for: a follower of the log.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    adjustment::Adjustment, aggregate::Aggregate as _, fact::Fact, id::MerchantId, order::Order, payment::Payment,
    refund::Refund, saga::Saga, settlement::Settlement,
};
use event_store::{Follower, Poison, Recorded};
use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use crate::{
    due::{self, Due},
    expire::{EXPIRE, is_captured_at_once},
    process::{self, Business, PROCESSES},
    record_funds::{self, RECORD_FUNDS},
    runner::{Desk, WRITTEN_BY},
    settle::SETTLE,
    turn::Work,
    unsettled,
};

const NAME: &str = "processes";

/// Enters what events ask for, and hands it over at once to whoever has room for it.
pub(crate) struct Wake {
    pub(crate) desk: Arc<Desk>,
}

impl Follower for Wake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let heard = read(events)?;
            heard.iter().for_each(|heard| self.desk.briefs.hear(heard));
            let mut asked = gather(&heard);
            let taken_count = self.desk.room().min(asked.len());
            unsettled::enter(books, &self.desk.store, &heard).await?;
            due::enter(&mut *books, &self.desk.runner, &asked, taken_count).await?;
            let by_people = self.asked_by_people(&heard).await?;
            due::enter(&mut *books, &self.desk.runner, &by_people, 0).await?;
            self.desk.hand_over(due::take_these(&mut *books, &self.desk.runner, &by_people).await?);
            let later = asked.split_off(taken_count);
            self.desk.hand_over(asked);
            if !later.is_empty() {
                self.desk.look_for_more();
            }
            Ok(())
        })
    }
}

impl Wake {
    /// What a person has let go on, or ended, is looked at at once.
    async fn asked_by_people(&self, heard: &[Event<'_>]) -> Result<Vec<Due>, Poison> {
        let mut asked = BTreeMap::new();
        for Event { recorded, .. } in heard.iter().filter(|event| matches!(event.fact, Fact::Saga(_))) {
            let read = self.desk.store.read::<Saga>(&recorded.aggregate_id).await;
            let (saga, _version) = read.map_err(unsettled::unreadable)?;
            let Some(about) = saga.about() else { continue };
            let (Some(process), Some(merchant_id)) = (process::named(&about.process), about.merchant_id) else {
                continue;
            };
            let business: Arc<str> = about.business_id.as_str().into();
            // Of which payment it is, the table knows: what was let go on waits there.
            let payment = if business.starts_with("PAY") { Arc::clone(&business) } else { "".into() };
            let livemode = about.livemode;
            let work = Work { process: process.name(), business, payment, merchant_id, livemode };
            asked.insert(recorded.aggregate_id.clone(), Due { work, heard: recorded.position });
        }
        Ok(asked.into_values().collect())
    }
}

/// What a process writes it has reacted to itself; but some of it asks for another process.
const ASKING: [(&str, &str); 19] = [
    ("refund_reserved", "refund_payment"),
    ("money_suspended", "return_suspense"),
    ("suspense_returned", "return_suspense"),
    ("authorised_late", "release_late"),
    ("paid_late", "give_back"),
    ("refund_confirmed", "give_back"),
    ("refund_released", "give_back"),
    ("refund_bounced", "give_back"),
    ("authorised", EXPIRE),
    ("captured", EXPIRE),
    ("voided", EXPIRE),
    ("authorisation_expired", "take_payment"),
    ("payout_started", "pay_out"),
    ("refund_confirmed", "record_funds"),
    ("refund_bounced", "record_funds"),
    ("opened", SETTLE),
    ("paid_out", SETTLE),
    ("payout_failed", SETTLE),
    ("payout_returned", SETTLE),
];

/// The streams processes listen to.
const HEARD: [&str; 5] = [Payment::TYPE, Refund::TYPE, Order::TYPE, Settlement::TYPE, Adjustment::TYPE];

/// What a person writes of a saga.
const BY_A_PERSON: [&str; 2] = ["resumed", "resolved"];

/// An event that somebody here wants to know of, read once for all of them.
pub(crate) struct Event<'e> {
    pub(crate) recorded: &'e Recorded,
    pub(crate) fact: Fact,
}

/// Most events are told apart without reading them.
fn read(events: &[Arc<Recorded>]) -> Result<Vec<Event<'_>>, Poison> {
    let wanted = events.iter().filter(|event| is_heard(event) || is_by_a_person(event) || unsettled::is_telling(event));
    let read = wanted.map(|recorded| {
        let mut payload = serde_json::Deserializer::from_str(&recorded.payload);
        let fact = Fact::read(&recorded.aggregate_type, &mut payload);
        let fact = fact.map_err(|reason| Poison::Event(reason.to_string()))?;
        Ok(Event { recorded, fact })
    });
    read.collect()
}

/// All that these events ask for, each once.
fn gather(events: &[Event<'_>]) -> Vec<Due> {
    let mut asked: BTreeMap<(&'static str, Arc<str>), Due> = BTreeMap::new();
    for event in events.iter().filter(|event| is_heard(event.recorded)) {
        for Asked { due, is_over } in asked_for(event) {
            let name = (due.work.process, Arc::clone(&due.work.business));
            if !(is_over && asked.remove(&name).is_some()) {
                asked.insert(name, due);
            }
        }
    }
    asked.into_values().collect()
}

struct Asked {
    due: Due,
    /// Where the same is asked for just before, nothing is to be looked at any more.
    is_over: bool,
}

/// Whether the event asks this process for something.
fn asks(event: &Recorded, process: &str) -> bool {
    !event.metadata.contains(WRITTEN_BY) || ASKING.contains(&(&*event.event_type, process))
}

fn is_heard(event: &Recorded) -> bool {
    HEARD.contains(&&*event.aggregate_type) && PROCESSES.iter().any(|process| asks(event, process.name()))
}

fn is_by_a_person(event: &Recorded) -> bool {
    event.aggregate_type == Saga::TYPE
        && BY_A_PERSON.contains(&&*event.event_type)
        && !event.metadata.contains(WRITTEN_BY)
}

fn asked_for(event: &Event<'_>) -> Vec<Asked> {
    let Event { recorded, fact } = event;
    if let (Fact::Adjustment(fact), Some(livemode)) = (fact, recorded.livemode) {
        let touched = record_funds::of_adjustment(&recorded.aggregate_id, livemode, fact).into_iter();
        let asked = touched.map(|(merchant_id, Business { id, payment })| {
            let work = Work { process: RECORD_FUNDS, business: id.into(), payment, merchant_id, livemode };
            Asked { due: Due { work, heard: recorded.position }, is_over: false }
        });
        return asked.collect();
    }
    let (Some(merchant_id), Some(livemode)) = (recorded.merchant_id, recorded.livemode) else { return Vec::new() };
    let merchant_id = MerchantId::new(merchant_id);
    let asked = PROCESSES.iter().filter(|process| asks(recorded, process.name())).filter_map(|process| {
        let Business { id, payment } = process.hears(&recorded.aggregate_id, fact)?;
        let work = Work { process: process.name(), business: id.into(), payment, merchant_id, livemode };
        let is_over = process.name() == EXPIRE && is_captured_at_once(&recorded.aggregate_id, fact);
        Some(Asked { due: Due { work, heard: recorded.position }, is_over })
    });
    asked.collect()
}

#[cfg(test)]
mod tests {
    use domain::id::{CaptureId, PaymentId};
    use uuid::Uuid;

    use super::*;

    const OWN: &str = r#"{"actor":"process","process":"take_payment"}"#;
    const OTHERS: &str = r#"{"actor":"channel"}"#;
    const AMOUNT: &str = r#"{"amount_minor":1,"currency":"USD"}"#;

    fn payment() -> PaymentId {
        PaymentId::new(Uuid::from_u128(1))
    }

    fn told(event_type: &'static str, payload: &str, metadata: &str) -> Arc<Recorded> {
        Arc::new(Recorded {
            position: 1,
            event_id: Uuid::nil(),
            aggregate_type: Payment::TYPE.into(),
            aggregate_id: payment().to_string().into(),
            sequence: 2,
            event_type: event_type.into(),
            event_version: "1.0".into(),
            payload: format!(r#"{{"{event_type}":{payload}}}"#).into(),
            metadata: metadata.into(),
            merchant_id: Some(Uuid::from_u128(2)),
            livemode: Some(false),
            recorded_at: chrono::DateTime::UNIX_EPOCH,
        })
    }

    fn authorised(metadata: &str) -> Arc<Recorded> {
        let payload = format!(r#"{{"attempt":1,"channel":"stripe","amount":{AMOUNT},"channel_trade_no":"ch"}}"#);
        told("authorised", &payload, metadata)
    }

    fn captured(capture_id: CaptureId, metadata: &str) -> Arc<Recorded> {
        let merchant_id = MerchantId::new(Uuid::from_u128(2));
        let payload = format!(
            r#"{{"attempt":1,"capture_id":"{capture_id}","merchant_id":"{merchant_id}","channel":"stripe","amount":{AMOUNT},
               "fee":{AMOUNT},"net":{AMOUNT},"channel_trade_no":"ch","effective_at":"2026-01-31T12:30:00Z"}}"#
        );
        told("captured", &payload, metadata)
    }

    fn asked(events: &[Arc<Recorded>]) -> Vec<&'static str> {
        gather(&read(events).unwrap()).iter().map(|due| due.work.process).collect()
    }

    #[test]
    fn an_authorisation_waits_for_its_capture_unless_both_are_told_together() {
        let at_once = CaptureId::derive(payment(), 1);
        assert_eq!(asked(&[authorised(OWN)]), [EXPIRE]);
        assert_eq!(asked(&[authorised(OWN), captured(at_once, OWN)]), [""; 0]);
        assert_eq!(asked(&[captured(at_once, OWN)]), [EXPIRE]);
        // What somebody asked for by itself may be a part.
        let asked_for = CaptureId::new(Uuid::from_u128(3));
        assert_eq!(asked(&[authorised(OWN), captured(asked_for, OWN)]), [EXPIRE]);
    }

    #[test]
    fn what_a_process_writes_wakes_only_those_it_is_meant_for() {
        assert_eq!(asked(&[authorised(OTHERS)]), [EXPIRE, "take_payment"]);
        let asking = ASKING.iter().map(|(_, process)| *process);
        assert!(asking.into_iter().all(|process| process::NAMES.contains(&process)));
    }
}
