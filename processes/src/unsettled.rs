//! The table of what waits to be settled, and what of it can be.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{
    aggregate::Aggregate as _,
    currency::Currency,
    fact::Fact,
    id::MerchantId,
    merchant::Merchant,
    payment::{Payment, event::PaymentEvent},
    settlement::{Settlement, event::SettlementEvent},
};
use event_store::{Failure, Poison, Recorded, Store};
use sqlx::{PgConnection, PgPool};

use crate::{
    open_settlement::{self, OPEN_SETTLEMENT},
    settle::{SETTLE, SETTLED_AT_ONCE},
    turn::{Known, Work},
    wake::Event,
};

/// What waits to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// A payment, or a settlement that leaves something to the next.
    pub(crate) stream: Arc<str>,
    pub(crate) currency: Currency,
    pub(crate) since: DateTime<Utc>,
}

/// Read at once. Among payments that can be settled are few that cannot: of what was authorised more may be captured.
const PAGE: i64 = 500;

/// The events that put something there or take it off.
const TELLING: [(&str, &[&str]); 3] = [
    (Payment::TYPE, &["taken_over", "captured", "settled"]),
    (Settlement::TYPE, &["closed", "carried_over", "reopened", "paid_out", "payout_failed", "payout_returned"]),
    (Merchant::TYPE, &["schedule_agreed"]),
];

/// What an event does to a stream's row: puts it there in this currency, or takes it off.
type Change = Option<Currency>;

/// Keeps the table, and has somebody look when a merchant's first payment comes, or when it is settled otherwise.
pub(crate) async fn enter(books: &mut PgConnection, store: &Store, events: &[Event<'_>]) -> Result<(), Poison> {
    let (mut changes, mut merchants) = (BTreeMap::new(), BTreeMap::new());
    for Event { recorded: event, fact } in events.iter().filter(|event| is_telling(event.recorded)) {
        let Some(merchant_id) = event.merchant_id else { continue };
        let merchant_id = MerchantId::new(merchant_id);
        let change = if is_of_a_payout(fact) { Some(left_over(store, event).await?) } else { change(fact) };
        let (Some(change), Some(livemode)) = (change, event.livemode) else {
            merchants.insert(merchant_id, event.position);
            continue;
        };
        changes.insert(&event.aggregate_id, (change, merchant_id, livemode, *event));
    }
    let (come, gone): (Vec<_>, Vec<_>) = changes.into_iter().partition(|(_, (change, ..))| change.is_some());
    if !gone.is_empty() {
        let streams: Vec<&str> = gone.iter().map(|(stream, _)| &***stream).collect();
        sqlx::query("delete from work.unsettled where stream = any($1)").bind(streams).execute(&mut *books).await?;
    }
    if !come.is_empty() {
        put(books, &come).await?;
    }
    if !merchants.is_empty() {
        // Looked at again under the new schedule, also where it is looked at just now.
        sqlx::query(
            "update work.due d set due_at = now(), heard = greatest(d.heard, m.heard) \
             from unnest($1::uuid[], $2::bigint[]) as m (merchant_id, heard) \
             where d.process = $3 and d.merchant_id = m.merchant_id",
        )
        .bind(merchants.keys().map(|merchant| merchant.uuid()).collect::<Vec<_>>())
        .bind(merchants.values().copied().collect::<Vec<i64>>())
        .bind(OPEN_SETTLEMENT)
        .execute(&mut *books)
        .await?;
    }
    Ok(())
}

type Come<'e> = (&'e Arc<str>, (Change, MerchantId, bool, &'e Recorded));

/// A merchant is looked at once when its first payment comes; the timer that is set then stays as it is.
async fn put(books: &mut PgConnection, come: &[Come<'_>]) -> Result<(), sqlx::Error> {
    let events = || come.iter().map(|(_, (_, merchant_id, livemode, event))| (*merchant_id, *livemode, *event));
    let codes = come.iter().map(|(_, (change, ..))| change.map_or("", Currency::code));
    sqlx::query(
        "insert into work.unsettled (stream, merchant_id, livemode, currency, since) \
         select * from unnest($1::text[], $2::uuid[], $3::bool[], $4::text[], $5::timestamptz[]) on conflict do nothing",
    )
    .bind(come.iter().map(|(stream, _)| &***stream).collect::<Vec<&str>>())
    .bind(events().map(|(merchant_id, ..)| merchant_id.uuid()).collect::<Vec<_>>())
    .bind(events().map(|(_, livemode, _)| livemode).collect::<Vec<bool>>())
    .bind(codes.collect::<Vec<&str>>())
    .bind(events().map(|(.., event)| event.recorded_at).collect::<Vec<_>>())
    .execute(&mut *books)
    .await?;
    let name = |(merchant_id, livemode, event): (MerchantId, bool, &Recorded)| {
        (open_settlement::business(merchant_id, livemode), (merchant_id, livemode, event.position))
    };
    let asked: BTreeMap<String, (MerchantId, bool, i64)> = events().map(name).collect();
    sqlx::query(
        "insert into work.due as d (process, business, payment, merchant_id, livemode, due_at, heard) \
         select $1, a.business, '', a.merchant_id, a.livemode, now(), a.heard \
         from unnest($2::text[], $3::uuid[], $4::bool[], $5::bigint[]) as a (business, merchant_id, livemode, heard) \
         on conflict (process, business) do update set heard = greatest(d.heard, excluded.heard)",
    )
    .bind(OPEN_SETTLEMENT)
    .bind(asked.keys().map(String::as_str).collect::<Vec<&str>>())
    .bind(asked.values().map(|(merchant_id, ..)| merchant_id.uuid()).collect::<Vec<_>>())
    .bind(asked.values().map(|(_, livemode, _)| *livemode).collect::<Vec<bool>>())
    .bind(asked.values().map(|(.., heard)| *heard).collect::<Vec<i64>>())
    .execute(&mut *books)
    .await
    .map(drop)
}

/// Most events are told apart without reading them.
pub(crate) fn is_telling(event: &Recorded) -> bool {
    TELLING.iter().any(|(of, types)| event.aggregate_type == *of && types.contains(&&*event.event_type))
}

/// What becomes of payouts may leave a settlement with less than nothing, or bring back what it had paid.
const fn is_of_a_payout(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Settlement(
            SettlementEvent::PaidOut { .. }
                | SettlementEvent::PayoutFailed { .. }
                | SettlementEvent::PayoutReturned { .. }
        )
    )
}

/// Whether the next settlement has to reckon with what this one leaves, which only all that happened to it tells.
async fn left_over(store: &Store, event: &Recorded) -> Result<Change, Poison> {
    let (settlement, version) = store.read::<Settlement>(&event.aggregate_id).await.map_err(unreadable)?;
    if version < event.sequence {
        return Err(unread("a settlement was not read as far as it was told"));
    }
    Ok(settlement.to_carry_over().map(|(_number, amount)| amount.currency))
}

/// The follower tries again.
pub(crate) fn unreadable(failure: Failure) -> Poison {
    unread(&failure.to_string())
}

fn unread(why: &str) -> Poison {
    Poison::Database(sqlx::Error::Io(std::io::Error::other(why.to_owned())))
}

/// What an event does to the row of its stream; none of what is no such event.
fn change(fact: &Fact) -> Option<Change> {
    if let Fact::Payment(PaymentEvent::Captured(captured)) = fact {
        return Some(Some(captured.amount.currency));
    }
    if let Fact::Payment(PaymentEvent::TakenOver(taken)) = fact {
        let is_owed = !taken.captured.is_zero() && !taken.is_settled;
        return Some(Some(taken.amount.currency).filter(|_currency| is_owed));
    }
    if let Fact::Settlement(SettlementEvent::Closed(closed)) = fact {
        return Some(Some(closed.net.currency).filter(|_currency| closed.carries_over));
    }
    matches!(fact, Fact::Payment(_) | Fact::Settlement(_)).then_some(None)
}

/// What the work is to know: for a settlement to be opened, one payment of each currency that can be settled, the
/// eldest; for one that is open, some of those that belong in it, and what others leave to it.
pub(crate) async fn look(store: &Store, pool: &PgPool, work: &Work) -> Result<Known, String> {
    let mut known = Known::default();
    if work.process == OPEN_SETTLEMENT {
        for code in currencies(pool, work).await.map_err(|failure| failure.to_string())? {
            let Ok(currency) = code.parse() else { continue };
            let eldest = payments(store, pool, work, currency, 1).await?;
            known.has_more_unsettled |= eldest.is_empty();
            known.unsettled.extend(eldest);
        }
    } else if work.process == SETTLE {
        let (settlement, _version) =
            store.read::<Settlement>(&work.business).await.map_err(|failure| failure.to_string())?;
        if let Some(opened) = settlement.agreement() {
            let currency = opened.currency;
            known.unsettled = payments(store, pool, work, currency, SETTLED_AT_ONCE).await?;
            known
                .unsettled
                .extend(page(pool, work, currency, "SET", None).await.map_err(|failure| failure.to_string())?);
        }
    }
    Ok(known)
}

/// The eldest payments that can be settled. What the table has not been told of yet is seen from the payments themselves.
async fn payments(
    store: &Store,
    pool: &PgPool,
    work: &Work,
    currency: Currency,
    most: usize,
) -> Result<Vec<Unsettled>, String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = page(pool, work, currency, "PAY", after.as_ref()).await.map_err(|failure| failure.to_string())?;
        let Some(last) = page.last().cloned() else { return Ok(found) };
        for unsettled in page {
            let (payment, _version) =
                store.read::<Payment>(&unsettled.stream).await.map_err(|failure| failure.to_string())?;
            if payment.is_to_settle() {
                found.push(unsettled);
            }
            if found.len() == most {
                return Ok(found);
            }
        }
        after = Some(last);
    }
}

async fn currencies(pool: &PgPool, work: &Work) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select distinct currency from work.unsettled \
         where merchant_id = $1 and livemode = $2 and starts_with(stream, 'PAY')",
    )
    .bind(work.merchant_id.uuid())
    .bind(work.livemode)
    .fetch_all(pool)
    .await
}

/// Of one kind, the eldest first, after the last that was read.
async fn page(
    pool: &PgPool,
    work: &Work,
    currency: Currency,
    kind: &str,
    after: Option<&Unsettled>,
) -> Result<Vec<Unsettled>, sqlx::Error> {
    let rows: Vec<(String, DateTime<Utc>)> = sqlx::query_as(
        "select stream, since from work.unsettled where merchant_id = $1 and livemode = $2 and currency = $3 \
         and starts_with(stream, $4) and (since, stream) > ($5, $6) order by since, stream limit $7",
    )
    .bind(work.merchant_id.uuid())
    .bind(work.livemode)
    .bind(currency.code())
    .bind(kind)
    .bind(after.map_or(DateTime::UNIX_EPOCH, |after| after.since))
    .bind(after.map_or("", |after| &after.stream))
    .bind(PAGE)
    .fetch_all(pool)
    .await?;
    let unsettled = |(stream, since): (String, DateTime<Utc>)| Unsettled { stream: stream.into(), currency, since };
    Ok(rows.into_iter().map(unsettled).collect())
}
