//! How the lines to channels stand, written down where others can see it.

use std::{collections::BTreeMap, time::Duration};

use channels::{BreakerState, LineState};
use chrono::{DateTime, TimeDelta, Utc};
use domain::channel::Channel;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::runner::Desk;

/// Whoever looks sees what was so long ago at most. What has not changed is not written again.
const WRITTEN_EVERY: Duration = Duration::from_secs(2);

type Written = BTreeMap<(Channel, bool), LineState>;

pub(crate) async fn show(desk: &Desk, mut stop: watch::Receiver<bool>) {
    let mut written = Written::new();
    while !*stop.borrow_and_update() {
        if let Err(failure) = write(desk, &mut written).await {
            tracing::warn!(%failure, "how the channels stand cannot be shown");
        }
        tokio::select! {
            _stopping = stop.changed() => {}
            () = tokio::time::sleep(WRITTEN_EVERY) => {}
        }
    }
}

async fn write(desk: &Desk, written: &mut Written) -> Result<(), sqlx::Error> {
    if written.is_empty() {
        forget_the_dead(&desk.pool, &desk.runner).await?;
    }
    for (channel, livemode, line) in desk.partners.lines() {
        let state = line.state();
        let before = written.get(&(channel, livemode));
        if before.is_some_and(|before| is_as_before(before, &state)) {
            continue;
        }
        put(&desk.pool, &desk.runner, (channel, livemode, line.partner()), &state).await?;
        written.insert((channel, livemode), state);
    }
    Ok(())
}

/// But for the time that has passed.
fn is_as_before(before: &LineState, now: &LineState) -> bool {
    let how = |state: &LineState| (breaker(state.breaker), state.paused_for.is_some());
    how(before) == how(now) && (before.counts, before.in_flight_count) == (now.counts, now.in_flight_count)
}

/// In one word.
const fn breaker(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed { .. } => "closed",
        BreakerState::HalfOpen => "half_open",
        BreakerState::Open { .. } => "open",
    }
}

async fn forget_the_dead(pool: &PgPool, runner: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with others as materialized (select distinct runner from work.lines where runner <> $1), \
         dead as materialized (select runner from others \
                               where pg_try_advisory_xact_lock(hashtextextended(runner, 0))) \
         delete from work.lines l using dead where l.runner = dead.runner",
    )
    .bind(runner)
    .execute(pool)
    .await
    .map(drop)
}

async fn put(
    pool: &PgPool,
    runner: &str,
    (channel, livemode, partner): (Channel, bool, Option<&str>),
    state: &LineState,
) -> Result<(), sqlx::Error> {
    let (now, counts) = (Utc::now(), state.counts);
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let size = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
    let span = |span: Duration| TimeDelta::from_std(span).unwrap_or_default();
    let paused_until: Option<DateTime<Utc>> = state.paused_for.map(|left| now + span(left));
    sqlx::query(
        "insert into work.lines (runner, channel, livemode, partner, breaker, since, paused_until, in_flight, \
                in_flight_max, per_second_max, calls, failures, breaker_open, paused, line_busy, too_fast) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         on conflict (runner, channel, livemode) do update set breaker = excluded.breaker, since = excluded.since, \
                paused_until = excluded.paused_until, in_flight = excluded.in_flight, calls = excluded.calls, \
                failures = excluded.failures, breaker_open = excluded.breaker_open, paused = excluded.paused, \
                line_busy = excluded.line_busy, too_fast = excluded.too_fast, seen_at = now()",
    )
    .bind(runner)
    .bind(channel.name())
    .bind(livemode)
    .bind(partner)
    .bind(breaker(state.breaker))
    .bind(now - span(state.breaker_for))
    .bind(paused_until)
    .bind(size(state.in_flight_count))
    .bind(size(state.in_flight_max))
    .bind(i64::from(state.per_second_max))
    .bind(count(counts.calls_count))
    .bind(count(counts.failures_count))
    .bind(count(counts.held_back.breaker_open_count))
    .bind(count(counts.held_back.paused_count))
    .bind(count(counts.held_back.line_busy_count))
    .bind(count(counts.held_back.too_fast_count))
    .execute(pool)
    .await
    .map(drop)
}
