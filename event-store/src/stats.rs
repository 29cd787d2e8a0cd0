//! The log in figures: how long, how fast, how large, and who follows it from how far.

use chrono::{DateTime, Duration, Utc};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Executor, FromRow, PgExecutor};

/// What the log holds at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    pub head: i64,
    pub last_recorded_at: Option<DateTime<Utc>>,
    pub streams: i64,
    pub answers: i64,
    pub snapshots: i64,
    pub kinds: Vec<EventCount>,
    pub rates: Vec<Rate>,
    pub followers: Vec<Standing>,
    pub sizes: Vec<Size>,
}

/// How many events there are of one type.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct EventCount {
    pub aggregate_type: String,
    pub event_type: String,
    pub events: i64,
}

/// How many events the last minutes brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub minutes: i32,
    pub events: i64,
}

/// Where a follower stands.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Standing {
    pub name: String,
    pub position: i64,
    /// Whether a runner has been heard of within its lease.
    pub is_held: bool,
    pub failures: i32,
    pub parked_reason: Option<String>,
    pub parked_at: Option<DateTime<Utc>>,
    pub moved_at: Option<DateTime<Utc>>,
}

/// How far behind the log a follower is.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Lag {
    pub name: String,
    pub position: i64,
    /// It has yet to work on so many events.
    pub events: i64,
    /// How long ago the first of them was recorded.
    pub seconds: f64,
    pub is_held: bool,
    pub is_parked: bool,
}

/// Bytes on disk, indexes included.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Size {
    pub table: String,
    pub bytes: i64,
}

const MINUTES: [i32; 3] = [1, 5, 15];

const KINDS: &str = "select aggregate_type, event_type, count(*) as events from log.events \
     group by aggregate_type, event_type order by aggregate_type, event_type";
const FOLLOWERS: &str = "select name, position, holder is not null and lease_until > now() as is_held, failures, \
     parked_reason, parked_at, moved_at from log.followers order by name";
/// Each follower costs two looks by index.
const LAGS: &str = "with head as materialized (select coalesce(max(position), 0) as head from log.events) \
     select f.name, f.position, greatest(h.head - f.position, 0) as events, \
            coalesce((select greatest(extract(epoch from clock_timestamp() - e.recorded_at), 0)::float8 \
                      from log.events e where e.position = f.position + 1), 0) as seconds, \
            f.holder is not null and f.lease_until > now() as is_held, f.parked_reason is not null as is_parked \
     from log.followers f cross join head h order by f.name";
const SIZES: &str = "select name as \"table\", pg_total_relation_size(('log.' || name)::regclass) as bytes \
     from unnest(array['events', 'answers', 'snapshots', 'followers']) as t (name)";

/// Where the log ends now.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn head(executor: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(executor).await
}

/// How far behind every follower of this log is.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn lags(executor: impl PgExecutor<'_>) -> Result<Vec<Lag>, sqlx::Error> {
    sqlx::query_as(LAGS).fetch_all(executor).await
}

/// Takes the figures, all at the same moment. Reads the whole log once to count it.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn stats(connection: &mut PgConnection) -> Result<Stats, sqlx::Error> {
    let mut moment = connection.begin().await?;
    moment.execute("set transaction isolation level repeatable read, read only").await?;
    let last: Option<(i64, DateTime<Utc>)> =
        sqlx::query_as("select position, recorded_at from log.events order by position desc limit 1")
            .fetch_optional(&mut *moment)
            .await?;
    let head = last.map_or(0, |(position, _recorded_at)| position);
    let kinds = sqlx::query_as(KINDS).fetch_all(&mut *moment).await?;
    let count = "select (select count(*) from log.events where sequence = 1), (select count(*) from log.answers), \
         (select count(*) from log.snapshots), now()";
    let (streams, answers, snapshots, now): (i64, i64, i64, DateTime<Utc>) =
        sqlx::query_as(count).fetch_one(&mut *moment).await?;
    let mut rates = Vec::new();
    for minutes in MINUTES {
        let since = now - Duration::minutes(minutes.into());
        rates.push(Rate { minutes, events: head.saturating_sub(last_before(&mut moment, since, head).await?) });
    }
    let followers = sqlx::query_as(FOLLOWERS).fetch_all(&mut *moment).await?;
    let sizes = sqlx::query_as(SIZES).fetch_all(&mut *moment).await?;
    moment.rollback().await?;
    let last_recorded_at = last.map(|(_position, recorded_at)| recorded_at);
    Ok(Stats { head, last_recorded_at, streams, answers, snapshots, kinds, rates, followers, sizes })
}

/// The last position recorded before a moment. Time never runs back along the log, so that halving finds it.
async fn last_before(connection: &mut PgConnection, moment: DateTime<Utc>, head: i64) -> Result<i64, sqlx::Error> {
    let (mut before, mut after) = (0_i64, head.saturating_add(1));
    while after.saturating_sub(before) > 1 {
        let middle = before.midpoint(after);
        let earlier: Option<bool> = sqlx::query_scalar("select recorded_at < $2 from log.events where position = $1")
            .bind(middle)
            .bind(moment)
            .fetch_optional(&mut *connection)
            .await?;
        if earlier.unwrap_or(true) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Ok(before)
}

/// Where the last so many events begin. Those of a rare type are looked for a long way back.
pub(crate) async fn before_last(pool: &PgPool, count: u32, of_type: Option<&str>) -> Result<i64, sqlx::Error> {
    let select = "select coalesce((select min(position) - 1 from (\
             select position from log.events where $2::text is null or aggregate_type = $2 or event_type = $2 \
             order by position desc limit $1) as last), (select max(position) from log.events), 0)";
    sqlx::query_scalar(select).bind(i64::from(count)).bind(of_type).fetch_one(pool).await
}
