//! Which payment a channel's own number stands for: a small follower, and the look-up.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    aggregate::Aggregate as _,
    channel::Channel,
    fact::Fact,
    id::PaymentId,
    payment::{Payment, event::PaymentEvent},
};
use event_store::{Follower, Poison, Recorded};
use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool};

/// Writes down the number a channel gives a payment, from the event that first names it.
#[derive(Debug, Default)]
pub struct Trades;

impl Follower for Trades {
    fn name(&self) -> &'static str {
        "channel_trades"
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let mut found = BTreeMap::new();
            for event in events.iter().filter(|event| is_telling(event)) {
                if let Some(trade) = trade(event)? {
                    found.entry(trade).or_insert(&*event.aggregate_id);
                }
            }
            if found.is_empty() {
                return Ok(());
            }
            let channels: Vec<&str> = found.keys().map(|(channel, _number)| channel.name()).collect();
            let numbers: Vec<&str> = found.keys().map(|(_channel, number)| number.as_str()).collect();
            let payments: Vec<&str> = found.values().copied().collect();
            sqlx::query(
                "insert into writes.channel_trades (channel, trade_no, payment_no) \
                 select * from unnest($1::text[], $2::text[], $3::text[]) on conflict do nothing",
            )
            .bind(channels)
            .bind(numbers)
            .bind(payments)
            .execute(books)
            .await?;
            Ok(())
        })
    }
}

/// Most events are told apart without reading them.
fn is_telling(event: &Recorded) -> bool {
    event.aggregate_type == Payment::TYPE && TELLING.contains(&&*event.event_type)
}

/// What names a number: also what came late, unasked for or wrong, which a person looks for first of all.
const TELLING: [&str; 5] = ["authorised", "captured", "authorised_late", "money_suspended", "amount_mismatched"];

fn trade(event: &Recorded) -> Result<Option<(Channel, String)>, Poison> {
    let mut payload = serde_json::Deserializer::from_str(&event.payload);
    let fact = Fact::read(&event.aggregate_type, &mut payload).map_err(|reason| Poison::Event(reason.to_string()))?;
    let Fact::Payment(event) = fact else { return Ok(None) };
    Ok(named(event))
}

/// The channel and its number, where the event says both: the first events of some kinds did not.
fn named(event: PaymentEvent) -> Option<(Channel, String)> {
    if let PaymentEvent::Authorised { channel, channel_trade_no, .. } = event {
        return Some((channel, channel_trade_no));
    }
    if let PaymentEvent::AuthorisedLate { channel, channel_trade_no, .. } = event {
        return Some(channel).zip(channel_trade_no);
    }
    if let PaymentEvent::MoneySuspended(moved) = event {
        return Some(moved.channel).zip(moved.channel_trade_no);
    }
    if let PaymentEvent::AmountMismatched(told) = event {
        return told.channel.zip(told.channel_trade_no);
    }
    let PaymentEvent::Captured(captured) = event else { return None };
    Some((captured.channel, captured.channel_trade_no))
}

/// The payment behind a channel's number, as far as this process's database has followed the log.
pub(crate) async fn find(pool: &PgPool, channel: Channel, trade_no: &str) -> Result<Option<PaymentId>, sqlx::Error> {
    let found: Option<String> =
        sqlx::query_scalar("select payment_no from writes.channel_trades where channel = $1 and trade_no = $2")
            .bind(channel.name())
            .bind(trade_no)
            .fetch_optional(pool)
            .await?;
    found
        .map(|found| found.parse().map_err(|reason: domain::id::IdRefusal| sqlx::Error::Decode(reason.into())))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(event_type: &str, payload: &str) -> Option<(Channel, String)> {
        assert!(TELLING.contains(&event_type), "{event_type}");
        let event: PaymentEvent = serde_json::from_str(&format!(r#"{{"{event_type}":{payload}}}"#)).unwrap();
        named(event)
    }

    #[test]
    fn every_event_that_names_a_number_is_read() {
        let (amount, id) = (r#"{"amount_minor":1,"currency":"USD"}"#, "CAP00000000000000000000000000000001");
        let ch = Some((Channel::Stripe, "ch".to_owned()));
        let authorised = format!(r#"{{"attempt":1,"channel":"stripe","amount":{amount},"channel_trade_no":"ch"}}"#);
        assert_eq!(number("authorised", &authorised), ch);
        assert_eq!(number("authorised_late", &authorised), ch);
        let suspended = format!(
            r#"{{"source":{{"capture":{{"attempt":1,"capture_id":"{id}"}}}},"channel":"stripe","amount":{amount},
               "channel_trade_no":"ch","effective_at":"2026-01-31T12:30:00Z"}}"#
        );
        assert_eq!(number("money_suspended", &suspended), ch);
        let mismatched = format!(
            r#"{{"attempt":1,"channel":"stripe","stage":"captured","channel_trade_no":"ch","expected":{amount},
               "reported":{amount}}}"#
        );
        assert_eq!(number("amount_mismatched", &mismatched), ch);
        // As they were first stored.
        let bare =
            |text: &str| text.replace(r#""channel_trade_no":"ch","#, "").replace(r#","channel_trade_no":"ch""#, "");
        assert_eq!(number("authorised_late", &bare(&authorised)), None);
        assert_eq!(number("money_suspended", &bare(&suspended)), None);
        assert_eq!(number("amount_mismatched", &bare(&mismatched)), None);
    }
}
