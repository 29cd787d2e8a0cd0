//! Where the followers of the log stand, and what waits for the processes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use event_store::stats::{self, Lag};
use processes::{ForAPerson, Waiting};
use sqlx::PgConnection;

/// Nobody looks more often.
const WAITING_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    at: Option<Instant>,
    waiting_at: Option<Instant>,
    pub(crate) lags: Vec<Lag>,
    /// Events in a second, of each follower that was there before.
    pub(crate) rates: Vec<(String, f64)>,
    pub(crate) waiting: Vec<Waiting>,
    /// Nothing where the read model of sagas is kept elsewhere.
    pub(crate) for_a_person: Option<Vec<ForAPerson>>,
}

impl Standing {
    pub(super) async fn look(connection: &mut PgConnection, before: &Arc<Self>) -> Result<Self, sqlx::Error> {
        let (at, lags) = (Instant::now(), stats::lags(&mut *connection).await?);
        let is_old = before.waiting_at.is_none_or(|waiting_at| waiting_at.elapsed() >= WAITING_EVERY);
        let (waiting_at, waiting, for_a_person) = if is_old {
            let for_a_person = processes::for_a_person(&mut *connection).await?;
            (Some(at), processes::waiting(connection).await?, for_a_person)
        } else {
            (before.waiting_at, before.waiting.clone(), before.for_a_person.clone())
        };
        let rates = before.at.map(|then| rates(&before.lags, &lags, at.saturating_duration_since(then)));
        Ok(Self { at: Some(at), waiting_at, rates: rates.unwrap_or_default(), lags, waiting, for_a_person })
    }

    /// How long ago it was looked at.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.at.map(|at| at.elapsed())
    }
}

fn rates(before: &[Lag], now: &[Lag], between: Duration) -> Vec<(String, f64)> {
    let rate = |lag: &Lag| {
        let then = before.iter().find(|then| then.name == lag.name)?;
        let moved = u32::try_from(lag.position.saturating_sub(then.position)).unwrap_or_default();
        Some((lag.name.clone(), f64::from(moved) / between.as_secs_f64().max(0.001)))
    };
    now.iter().filter_map(rate).collect()
}
