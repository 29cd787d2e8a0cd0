//! The table of days whose remittance is to be fetched, and of lines that are not ours.

use channels::remittance::Moved;
use chrono::NaiveDate;
use domain::{channel::Channel, money::Money};
use sqlx::{PgPool, Row as _, postgres::PgExecutor};

/// What one channel remits for one day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) channel: Channel,
    pub(super) livemode: bool,
    pub(super) date: NaiveDate,
}

/// What came of fetching it.
pub(super) enum Found {
    /// The day has not ended there.
    NotYet,
    /// Nothing, or not all of it, is in the log.
    Problem(String),
    Recorded {
        lines_count: u64,
        unmatched_count: u64,
        unmatched: Vec<Unmatched>,
    },
}

/// A line that is none of ours.
pub(super) struct Unmatched {
    pub(super) number: u64,
    pub(super) moved: Moved,
    pub(super) no: Option<String>,
    pub(super) gross: Money,
    pub(super) fee: Money,
    pub(super) why: String,
}

/// Enters the days up to this one that are not there yet; the first of all is this one. A day is due when it has ended.
pub(super) async fn enter(
    pool: impl PgExecutor<'_>,
    channel: Channel,
    livemode: bool,
    today: NaiveDate,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into work.remittances (channel, livemode, date, due_at) \
         select $1, $2, d::date, (d + interval '1 day 5 minutes') at time zone 'UTC' \
         from generate_series(coalesce((select max(date) + 1 from work.remittances where channel = $1 and livemode = $2), \
                                       $3)::timestamp, $3::timestamp, interval '1 day') as d \
         on conflict do nothing",
    )
    .bind(channel.name())
    .bind(livemode)
    .bind(today)
    .execute(pool)
    .await
    .map(drop)
}

/// Takes one that is due. It comes back by itself where nothing is heard of it.
pub(super) async fn take(pool: impl PgExecutor<'_>) -> Result<Option<Day>, sqlx::Error> {
    let row = sqlx::query(
        "update work.remittances r set due_at = now() + interval '15 minutes' \
         from (select channel, livemode, date from work.remittances where due_at <= now() order by due_at limit 1 \
               for update skip locked) t \
         where r.channel = t.channel and r.livemode = t.livemode and r.date = t.date \
         returning r.channel, r.livemode, r.date",
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    // A channel that this program does not know is another's to look at.
    let Ok(channel) = row.try_get::<&str, _>(0)?.parse() else { return Ok(None) };
    Ok(Some(Day { channel, livemode: row.try_get(1)?, date: row.try_get(2)? }))
}

/// Looked at again later and later, where anything is left: so often, and then it is a person's.
const TRIES_MAX: i32 = 30;

pub(super) async fn settle(pool: &PgPool, day: Day, found: &Found) -> Result<(), sqlx::Error> {
    let (lines_count, unmatched_count, problem, is_recorded) = match found {
        Found::NotYet => (0, 0, None, false),
        Found::Problem(problem) => (0, 0, Some(problem.as_str()), false),
        Found::Recorded { lines_count, unmatched_count, .. } => (*lines_count, *unmatched_count, None, true),
    };
    let mut together = pool.begin().await?;
    if let Found::Recorded { unmatched, .. } = found {
        keep(&mut *together, day, unmatched).await?;
        forget(&mut *together, day, unmatched).await?;
    }
    sqlx::query(
        "update work.remittances \
         set tries = tries + 1, problem = $4, recorded_at = case when $5 then coalesce(recorded_at, now()) else recorded_at end, \
             lines_count = case when $5 then $6 else lines_count end, \
             unmatched_count = case when $5 then $7 else unmatched_count end, \
             due_at = case when $5 and $7 = 0 then 'infinity' \
                           when tries >= $8 then 'infinity' \
                           when $4 is null and not $5 then \
                                greatest(now() + interval '10 minutes', ((date + 1)::timestamp + interval '5 minutes') at time zone 'UTC') \
                           else now() + least(power(4, least(tries, 10)) * interval '10 seconds', interval '1 day') end \
         where channel = $1 and livemode = $2 and date = $3",
    )
    .bind(day.channel.name())
    .bind(day.livemode)
    .bind(day.date)
    .bind(problem)
    .bind(is_recorded)
    .bind(i64::try_from(lines_count).unwrap_or(i64::MAX))
    .bind(i64::try_from(unmatched_count).unwrap_or(i64::MAX))
    .bind(TRIES_MAX)
    .execute(&mut *together)
    .await?;
    together.commit().await
}

async fn keep(books: impl PgExecutor<'_>, day: Day, lines: &[Unmatched]) -> Result<(), sqlx::Error> {
    if lines.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into work.unmatched_lines \
                (channel, livemode, date, number, what, payment_no, no, currency, gross_minor, fee_minor, why) \
         select $1, $2, $3, l.* from unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], \
                                            $10::bigint[], $11::text[]) as l \
         on conflict (channel, livemode, date, number) do update set why = excluded.why, matched_at = null",
    )
    .bind(day.channel.name())
    .bind(day.livemode)
    .bind(day.date)
    .bind(numbers(lines))
    .bind(lines.iter().map(|line| line.moved.name()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.moved.attempt().0.to_string()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.no.clone()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.gross.currency.code()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.gross.amount_minor).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.fee.amount_minor).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.why.as_str()).collect::<Vec<_>>())
    .execute(books)
    .await
    .map(drop)
}

/// What was none of ours and is now.
async fn forget(books: impl PgExecutor<'_>, day: Day, still: &[Unmatched]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update work.unmatched_lines set matched_at = now() \
         where channel = $1 and livemode = $2 and date = $3 and matched_at is null and number <> all($4)",
    )
    .bind(day.channel.name())
    .bind(day.livemode)
    .bind(day.date)
    .bind(numbers(still))
    .execute(books)
    .await
    .map(drop)
}

fn numbers(lines: &[Unmatched]) -> Vec<i64> {
    lines.iter().map(|line| i64::try_from(line.number).unwrap_or(i64::MAX)).collect()
}

/// Has whoever runs the processes fetch a day now. How often it was looked at before.
///
/// # Errors
/// The database failed.
pub async fn ask_for(
    pool: impl PgExecutor<'_>,
    channel: Channel,
    livemode: bool,
    date: NaiveDate,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "insert into work.remittances as r (channel, livemode, date, due_at) values ($1, $2, $3, now()) \
         on conflict (channel, livemode, date) do update set due_at = now(), tries = least(r.tries, $4) returning tries",
    )
    .bind(channel.name())
    .bind(livemode)
    .bind(date)
    .bind(TRIES_MAX - 1)
    .fetch_one(pool)
    .await
}
