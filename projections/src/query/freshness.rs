//! How fresh an answer is, and waiting, within bounds, until it is fresh enough.

use std::time::Duration;

use chrono::Utc;
use gate::{Problem, Reply, rules};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Reads, answer::failed};

/// Between looks at the checkpoints, the first and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// The position an answer is true at, and how far the log is ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Freshness {
    pub(crate) position: i64,
    pub(crate) lag_events: i64,
    pub(crate) lag_ms: i64,
}

impl Freshness {
    /// # Errors
    /// The log cannot be asked.
    pub(crate) async fn of(reads: &Reads, position: i64) -> Result<Self, Problem> {
        let lag_events = reads.gate.store.head().position().saturating_sub(position).max(0);
        let mut lag_ms = 0;
        if lag_events > 0 {
            // The first event the answer does not know of: since then it is behind.
            let missed = reads.gate.store.event(position.saturating_add(1)).await.map_err(failed)?;
            lag_ms = missed.map_or(0, |event| (Utc::now() - event.recorded_at).num_milliseconds().max(0));
        }
        Ok(Self { position, lag_events, lag_ms })
    }

    pub(crate) fn told(self) -> Value {
        json!({ "events": self.lag_events, "seconds": seconds(self.lag_ms) })
    }

    pub(crate) fn mark(self, reply: Reply) -> Reply {
        let lag = format!("events={}, seconds={}", self.lag_events, seconds(self.lag_ms));
        reply.with("daybook-position", self.position.to_string()).with("daybook-lag", lag)
    }
}

/// Thousandths are enough.
fn seconds(ms: i64) -> serde_json::Number {
    let text = format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
    text.parse().unwrap_or_else(|_never| 0.into())
}

/// Returns once all these read models have come as far as this position.
///
/// # Errors
/// They have not within the reader's patience: the problem says how far they are behind.
pub(crate) async fn wait(reads: &Reads, models: &[&str], position: i64) -> Result<(), Problem> {
    match reach(reads, models, position, reads.patience).await? {
        None => Ok(()),
        Some(_at) if position > reads.gate.store.head().position() => Err(beyond(reads)),
        Some(at) => {
            let Freshness { lag_events, lag_ms, .. } = Freshness::of(reads, at).await?;
            let (short, behind) = (position.saturating_sub(at), seconds(lag_ms));
            let english = format!(
                "(It is at {at}, {short} events before it; the log is {lag_events} events and {behind} s ahead.)"
            );
            let chinese =
                format!("（目前位于 {at}，还差 {short} 个事件；日志领先 {lag_events} 个事件、{behind} 秒。）");
            Err(Problem::later(rules::POSITION_NOT_REACHED, 1).saying(english, chinese))
        }
    }
}

/// Nobody was ever told such a position: waiting longer would not help.
fn beyond(reads: &Reads) -> Problem {
    let end = reads.gate.store.head().position();
    Problem::parameter("min_position", rules::PARAMETER_MALFORMED)
        .saying(format!("(The log ends at {end}.)"), format!("（日志目前止于 {end}。）"))
}

/// Waits so long for a position; where it did not come, tells how far they are.
///
/// # Errors
/// The database failed.
pub(crate) async fn reach(
    reads: &Reads,
    models: &[&str],
    position: i64,
    patience: Duration,
) -> Result<Option<i64>, Problem> {
    let until = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let at: i64 = sqlx::query_scalar(
            "select case when count(*) = cardinality($1) then min(position) else 0 end \
             from log.followers where name = any($1)",
        )
        .bind(models)
        .fetch_one(&reads.pool)
        .await
        .map_err(failed)?;
        if at >= position {
            return Ok(None);
        }
        if Instant::now() + pause > until {
            return Ok(Some(at));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
