//! The table of what is to be looked at, and when: one statement for many rows, each way.

use chrono::{DateTime, Utc};
use domain::id::MerchantId;
use sqlx::{
    Row as _,
    postgres::{PgConnection, PgExecutor, PgRow},
};

use crate::{process, turn::Work};

/// For so long whoever took a row keeps it from others.
const KEPT_FOR_SECONDS: f64 = 45.0;

/// A piece of work, and the position of the last event that asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) work: Work,
    pub(crate) heard: i64,
}

/// What became of a piece of work, as far as it was heard of.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    pub(crate) due: Due,
    pub(crate) then: Then,
}

#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Nothing is left to do.
    Done,
    At(DateTime<Utc>),
    /// It could not be finished.
    Failed {
        reason: String,
    },
}

/// Failures in a row after which it is only looked at now and then, with an alarm.
pub(crate) const FAILURES_BEFORE_PARKING: i32 = 5;

/// Enters what events ask for. The first so many are taken at once, and come back if they are not finished.
pub(crate) async fn enter(
    books: impl PgExecutor<'_>,
    runner: &str,
    asked: &[Due],
    taken_count: usize,
) -> Result<(), sqlx::Error> {
    if asked.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Due) -> &str| asked.iter().map(of).collect::<Vec<&str>>();
    sqlx::query(
        "insert into work.due as d (process, business, payment, merchant_id, livemode, due_at, taken_by, heard) \
         select a.process, a.business, a.payment, a.merchant_id, a.livemode, \
                now() + case when a.is_taken then $8 else 0 end * interval '1 second', \
                case when a.is_taken then $9 end, a.heard \
         from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bool[], $6::bigint[], $7::bool[]) \
              as a (process, business, payment, merchant_id, livemode, heard, is_taken) \
         on conflict (process, business) do update \
         set heard = greatest(d.heard, excluded.heard), due_at = least(d.due_at, excluded.due_at), \
             taken_by = coalesce(excluded.taken_by, d.taken_by), \
             payment = case when d.payment = '' then excluded.payment else d.payment end",
    )
    .bind(column(|due| due.work.process))
    .bind(column(|due| &due.work.business))
    .bind(column(|due| &due.work.payment))
    .bind(asked.iter().map(|due| due.work.merchant_id.uuid()).collect::<Vec<_>>())
    .bind(asked.iter().map(|due| due.work.livemode).collect::<Vec<_>>())
    .bind(asked.iter().map(|due| due.heard).collect::<Vec<_>>())
    .bind((0..asked.len()).map(|n| n < taken_count).collect::<Vec<bool>>())
    .bind(KEPT_FOR_SECONDS)
    .bind(runner)
    .execute(books)
    .await
    .map(drop)
}

/// Says that this runner is there, for as long as the connection lasts.
pub(crate) async fn be_present(connection: &mut PgConnection, runner: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_lock_shared(hashtextextended($1, 0))")
        .bind(runner)
        .execute(connection)
        .await
        .map(drop)
}

/// What runners have taken that are not there any more is due. Most often there is none: then nothing else is read.
pub(crate) async fn free_of_the_dead(connection: &mut PgConnection, runner: &str) -> Result<(), sqlx::Error> {
    let dead: Vec<String> = sqlx::query_scalar(
        "with others as materialized (select distinct taken_by from work.due where taken_by <> $1) \
         select taken_by from others where pg_try_advisory_xact_lock(hashtextextended(taken_by, 0))",
    )
    .bind(runner)
    .fetch_all(&mut *connection)
    .await?;
    if dead.is_empty() {
        return Ok(());
    }
    sqlx::query("update work.due set taken_by = null, due_at = now() where taken_by = any($1)")
        .bind(dead)
        .execute(connection)
        .await
        .map(drop)
}

/// How what is due is taken: how many at most, for how many seconds, by whom. It reads what is due and nothing else.
pub const TAKE: &str = "update work.due d set due_at = now() + $2 * interval '1 second', taken_by = $3 \
     from (select process, business from work.due where due_at <= now() order by due_at limit $1 \
           for update skip locked) t \
     where d.process = t.process and d.business = t.business \
     returning d.process, d.business, d.payment, d.merchant_id, d.livemode, d.heard";

/// Takes what is due, at most so much of it.
pub(crate) async fn take(pool: impl PgExecutor<'_>, runner: &str, most: i64) -> Result<Vec<Due>, sqlx::Error> {
    let rows = sqlx::query(TAKE).bind(most).bind(KEPT_FOR_SECONDS).bind(runner).fetch_all(pool).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.extend(read(row)?);
    }
    Ok(found)
}

/// Takes these whether or not they are due, as the table knows them.
pub(crate) async fn take_these(
    books: impl PgExecutor<'_>,
    runner: &str,
    asked: &[Due],
) -> Result<Vec<Due>, sqlx::Error> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "update work.due d set due_at = now() + $3 * interval '1 second', taken_by = $4 \
         from unnest($1::text[], $2::text[]) as a (process, business) \
         where d.process = a.process and d.business = a.business \
         returning d.process, d.business, d.payment, d.merchant_id, d.livemode, d.heard",
    )
    .bind(asked.iter().map(|due| due.work.process).collect::<Vec<&str>>())
    .bind(asked.iter().map(|due| &*due.work.business).collect::<Vec<&str>>())
    .bind(KEPT_FOR_SECONDS)
    .bind(runner)
    .fetch_all(books)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.extend(read(row)?);
    }
    Ok(found)
}

/// How long until something is due; none where nothing is.
pub(crate) async fn next_in_seconds(pool: impl PgExecutor<'_>) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_scalar("select extract(epoch from min(due_at) - clock_timestamp())::float8 from work.due")
        .fetch_one(pool)
        .await
}

/// Settles what was looked at, unless more was heard of it meanwhile: that is looked at again.
pub(crate) async fn settle(pool: impl PgExecutor<'_>, looked: &[Looked]) -> Result<(), sqlx::Error> {
    if looked.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Looked) -> &str| looked.iter().map(of).collect::<Vec<&str>>();
    let at = |looked: &Looked| match looked.then {
        Then::At(at) => Some(at),
        Then::Done | Then::Failed { .. } => None,
    };
    let reason = |looked: &Looked| match &looked.then {
        Then::Failed { reason } => Some(reason.clone()),
        Then::Done | Then::At(_) => None,
    };
    sqlx::query(
        "with l as (select * from unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[]) \
                    as l (process, business, heard, at, reason)), \
         done as (delete from work.due d using l where d.process = l.process and d.business = l.business \
                  and l.at is null and l.reason is null and d.heard <= l.heard) \
         update work.due d \
         set taken_by = null, due_at = case when d.heard > l.heard then now() \
                           when l.reason is null then l.at \
                           when d.failures + 1 >= $6 then now() + interval '1 hour' \
                           else now() + (1 << d.failures) * interval '1 second' end, \
             failures = case when l.reason is null then 0 else d.failures + 1 end, reason = l.reason \
         from l where d.process = l.process and d.business = l.business \
         and (l.at is not null or l.reason is not null or d.heard > l.heard)",
    )
    .bind(column(|looked| looked.due.work.process))
    .bind(column(|looked| &looked.due.work.business))
    .bind(looked.iter().map(|looked| looked.due.heard).collect::<Vec<_>>())
    .bind(looked.iter().map(at).collect::<Vec<_>>())
    .bind(looked.iter().map(reason).collect::<Vec<_>>())
    .bind(FAILURES_BEFORE_PARKING)
    .execute(pool)
    .await
    .map(drop)
}

/// A row, if this program knows the process.
fn read(row: &PgRow) -> Result<Option<Due>, sqlx::Error> {
    let Some(process) = process::named(row.try_get(0)?) else { return Ok(None) };
    let work = Work {
        process: process.name(),
        business: row.try_get::<&str, _>(1)?.into(),
        payment: row.try_get::<&str, _>(2)?.into(),
        merchant_id: MerchantId::new(row.try_get(3)?),
        livemode: row.try_get(4)?,
    };
    Ok(Some(Due { work, heard: row.try_get(5)? }))
}
