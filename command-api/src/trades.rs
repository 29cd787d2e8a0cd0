//! Which payment a channel's own number stands for: a small follower, and the look-up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    aggregate::Aggregate as _,
    channel::Channel,
    fact::Fact,
    id::PaymentId,
    payment::{Payment, event::PaymentEvent},
};
use event_store::{Failure, Follower, Poison, Recorded};
use futures_util::future::BoxFuture;
use gate::{Problem, rules};
use sqlx::{PgConnection, PgPool};

use crate::{payouts, routes::Api};

pub(crate) const NAME: &str = "channel_trades";
/// A follower that runs is behind by milliseconds.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);
const FOUND_WITHIN: Duration = Duration::from_secs(2);

/// Writes down the number a channel gives a payment, from the event that first names it.
#[derive(Debug, Default)]
pub struct Trades;

impl Follower for Trades {
    fn name(&self) -> &'static str {
        NAME
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            payouts::enter(books, events).await?;
            let mut found = BTreeMap::new();
            for event in events.iter().filter(|event| is_telling(event)) {
                // Every payment has its mode: an event without one is nobody's.
                if let (Some((channel, number)), Some(livemode)) = (trade(event)?, event.livemode) {
                    found.entry((livemode, channel, number)).or_insert(&*event.aggregate_id);
                }
            }
            if found.is_empty() {
                return Ok(());
            }
            let modes: Vec<bool> = found.keys().map(|(livemode, ..)| *livemode).collect();
            let channels: Vec<&str> = found.keys().map(|(_livemode, channel, _number)| channel.name()).collect();
            let numbers: Vec<&str> = found.keys().map(|(_livemode, _channel, number)| number.as_str()).collect();
            let payments: Vec<&str> = found.values().copied().collect();
            sqlx::query(
                "insert into writes.channel_trades (livemode, channel, trade_no, payment_no) \
                 select * from unnest($1::bool[], $2::text[], $3::text[], $4::text[]) on conflict do nothing",
            )
            .bind(modes)
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
const TELLING: [&str; 6] =
    ["taken_over", "authorised", "captured", "authorised_late", "money_suspended", "amount_mismatched"];

fn trade(event: &Recorded) -> Result<Option<(Channel, String)>, Poison> {
    let mut payload = serde_json::Deserializer::from_str(&event.payload);
    let fact = Fact::read(&event.aggregate_type, &mut payload).map_err(|reason| Poison::Event(reason.to_string()))?;
    let Fact::Payment(event) = fact else { return Ok(None) };
    Ok(named(event))
}

/// The channel and its number, where the event says both: the first events of some kinds did not.
fn named(event: PaymentEvent) -> Option<(Channel, String)> {
    if let PaymentEvent::TakenOver(taken) = event {
        return Some((taken.route.channel, taken.channel_trade_no));
    }
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

/// The payment behind a channel's number in one mode, as of everything that is in the log when this is asked.
///
/// # Errors
/// The database failed, or the follower has not come so far in time: a number it has not seen yet is not absent.
pub(crate) async fn find(
    api: &Api,
    channel: Channel,
    livemode: bool,
    trade_no: &str,
) -> Result<Option<PaymentId>, Problem> {
    // No text in the database has a NUL in it.
    if trade_no.contains('\0') {
        return Ok(None);
    }
    let look = || async {
        let looking = look(&api.pool, channel, livemode, trade_no);
        let looked = tokio::time::timeout(FOUND_WITHIN, looking).await;
        looked.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unreachable)
    };
    let found = look().await?;
    if found.is_some() {
        return Ok(found);
    }
    if !api.gate.store.is_caught_up(NAME, CAUGHT_UP_WITHIN).await.map_err(unreachable)? {
        return Err(Problem::later(rules::NOT_CAUGHT_UP, 1));
    }
    look().await
}

async fn look(
    pool: &PgPool,
    channel: Channel,
    livemode: bool,
    trade_no: &str,
) -> Result<Option<PaymentId>, sqlx::Error> {
    let found: Option<String> = sqlx::query_scalar(
        "select payment_no from writes.channel_trades where livemode = $1 and channel = $2 and trade_no = $3",
    )
    .bind(livemode)
    .bind(channel.name())
    .bind(trade_no)
    .fetch_optional(pool)
    .await?;
    found
        .map(|found| found.parse().map_err(|reason: domain::id::IdRefusal| sqlx::Error::Decode(reason.into())))
        .transpose()
}

fn unreachable(reason: sqlx::Error) -> Problem {
    Problem::from(Failure::Unavailable { reason: reason.to_string() })
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
