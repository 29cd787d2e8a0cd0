//! The end of the log, in memory: every event passes here in order, decoded once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::watch;

use crate::cache::Cache;
use crate::crash;
use crate::recorded::{COLUMNS, Recorded};
use crate::waker;

/// How many of the last events are kept for followers that are caught up.
const KEPT: usize = 8_192;
/// Also bounded in bytes of payload and metadata.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How many events one read brings.
const EVENTS_PER_READ: i64 = 2_000;
/// NOTIFY wakes; this is the safety net.
const POLL: Duration = Duration::from_secs(1);
/// A read that takes longer is given up, and the connection with it.
const READ_WITHIN: Duration = Duration::from_secs(30);
const RECONNECT: Duration = Duration::from_millis(500);

/// A run of events without holes.
#[derive(Default)]
struct Ring {
    /// Until the end of the log has been found, nothing is known of what others write.
    has_begun: bool,
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
    last: i64,
}

pub(crate) struct Tail {
    ring: Mutex<Ring>,
    head: watch::Sender<i64>,
    pool: PgPool,
    cache: Arc<Cache>,
}

impl Tail {
    pub(crate) fn new(pool: PgPool, cache: Arc<Cache>) -> Self {
        Self { ring: Mutex::new(Ring::default()), head: watch::Sender::new(0), pool, cache }
    }

    /// Wakes whoever waits for events.
    pub(crate) fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// What this process just wrote. Taken where it follows on what is here; else the reader will come to it.
    pub(crate) fn offer(&self, events: Vec<Recorded>) {
        let last = {
            let mut ring = self.lock();
            let follows = events.first().is_some_and(|first| first.position == ring.last.saturating_add(1));
            if !ring.has_begun || !follows {
                return;
            }
            for event in events {
                ring.push(Arc::new(event));
            }
            ring.last
        };
        self.publish(last);
    }

    /// The next events after a position: from memory for those who are caught up, from the table for those behind.
    pub(crate) async fn after(&self, position: i64, most: usize) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
        if let Some(events) = self.recent(position, most) {
            return Ok(events);
        }
        read(&self.pool, position, i64::try_from(most).unwrap_or(EVENTS_PER_READ).min(EVENTS_PER_READ)).await
    }

    /// `None` where memory does not reach back that far.
    pub(crate) fn recent(&self, position: i64, most: usize) -> Option<Vec<Arc<Recorded>>> {
        let ring = self.lock();
        let oldest = ring.last.saturating_sub(i64::try_from(ring.events.len()).ok()?);
        let skip = usize::try_from(position.checked_sub(oldest)?).ok()?;
        ring.has_begun.then(|| ring.events.iter().skip(skip).take(most).map(Arc::clone).collect())
    }

    /// The last position that has passed here, once any could.
    pub(crate) fn last(&self) -> Option<i64> {
        let ring = self.lock();
        ring.has_begun.then_some(ring.last)
    }

    /// Follows the log for ever; ends only with the task it runs in.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            if let Err(reason) = self.listen().await {
                tracing::warn!(%reason, "the tail of the log was lost; connecting again");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn listen(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(waker::CHANNEL).await?;
        if self.last().is_none() {
            self.begin_at_the_end().await?;
        }
        loop {
            self.catch_up().await?;
            loop {
                match tokio::time::timeout(POLL, listener.try_recv()).await {
                    Ok(Ok(Some(told))) if told.payload().parse().is_ok_and(|told: i64| Some(told) <= self.last()) => {}
                    Ok(Ok(Some(_))) | Err(_) => break,
                    Ok(Ok(None)) => return Err(sqlx::Error::WorkerCrashed),
                    Ok(Err(reason)) => return Err(reason),
                }
            }
        }
    }

    /// The past is no news. What was loaded before this moment was not kept fresh, and is forgotten.
    async fn begin_at_the_end(&self) -> Result<(), sqlx::Error> {
        let last: i64 =
            sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(&self.pool).await?;
        {
            let mut ring = self.lock();
            ring.last = last;
            ring.has_begun = true;
        }
        self.cache.forget_all();
        self.publish(last);
        Ok(())
    }

    /// Two may publish at once; the head never steps back.
    fn publish(&self, last: i64) {
        self.head.send_if_modified(|head| std::mem::replace(head, last.max(*head)) < last);
    }

    async fn catch_up(&self) -> Result<(), sqlx::Error> {
        loop {
            crash::point("tail.before_read");
            let reading = read(&self.pool, self.last().unwrap_or(0), EVENTS_PER_READ);
            let events =
                tokio::time::timeout(READ_WITHIN, reading).await.map_err(|_elapsed| sqlx::Error::PoolTimedOut)??;
            crash::point("tail.after_read");
            let is_last = i64::try_from(events.len()).unwrap_or(EVENTS_PER_READ) < EVENTS_PER_READ;
            // Into the ring first: whoever loads a stream meanwhile looks there for what it has missed.
            let last = {
                let mut ring = self.lock();
                for event in &events {
                    if event.position == ring.last.saturating_add(1) {
                        ring.push(Arc::clone(event));
                    }
                }
                ring.last
            };
            for event in &events {
                self.cache.observe(event);
            }
            self.publish(last);
            if is_last {
                return Ok(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, event: Arc<Recorded>) {
        self.last = event.position;
        self.bytes = self.bytes.saturating_add(weight(&event));
        self.events.push_back(event);
        while self.events.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(weight(&oldest));
        }
    }
}

fn weight(event: &Recorded) -> usize {
    event.payload.len().saturating_add(event.metadata.len())
}

/// Events after a position, in order and without a hole: positions are dense, so a hole is a broken log.
pub(crate) async fn read(pool: &PgPool, after: i64, most: i64) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
    let select = format!("select {COLUMNS} from log.events where position > $1 order by position limit $2");
    let rows = sqlx::query(&select).bind(after).bind(most).fetch_all(pool).await?;
    let mut expected = after;
    rows.iter()
        .map(|row| {
            let event = Recorded::from_row(row)?;
            expected = expected.saturating_add(1);
            if event.position == expected {
                Ok(Arc::new(event))
            } else {
                let hole =
                    format!("the log has a hole: position {} follows {}", event.position, expected.saturating_sub(1));
                tracing::error!(hole, "nothing is read past it");
                Err(sqlx::Error::Protocol(hole))
            }
        })
        .collect()
}
