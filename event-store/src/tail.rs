//! The end of the log, in memory: every event passes here in order, decoded once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::watch;

use crate::cache::Cache;
use crate::crash;
use crate::lately::Lately;
use crate::recorded::{COLUMNS, Recorded};
use crate::stats;
use crate::waker;

/// How many of the last events are kept for followers that are caught up.
const KEPT: usize = 8_192;
/// How many own batches wait for what was written before them.
const AHEAD: usize = 64;
/// Also bounded in bytes of payload and metadata.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How many events one read brings.
const EVENTS_PER_READ: i64 = 2_000;
/// NOTIFY wakes; this is the safety net.
const POLL: Duration = Duration::from_secs(1);
/// A read that takes longer is given up, and the connection with it.
const READ_WITHIN: Duration = Duration::from_secs(30);
const RECONNECT: Duration = Duration::from_millis(500);

/// A run of events without holes, and what this process has written beyond its end.
#[derive(Default)]
struct Ring {
    /// Until the end of the log has been found, nothing is known of what others write.
    has_begun: bool,
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
    last: i64,
    /// Own batches, by their first position, that what others wrote before them keeps from following on.
    ahead: BTreeMap<i64, Vec<Arc<Recorded>>>,
}

/// Events that are not known here: after a position, at most so many.
type Gap = (i64, i64);

pub(crate) struct Tail {
    ring: Mutex<Ring>,
    head: watch::Sender<i64>,
    pool: PgPool,
    cache: Arc<Cache>,
    lately: Lately,
}

impl Tail {
    pub(crate) fn new(pool: PgPool, cache: Arc<Cache>) -> Self {
        let (ring, head) = (Mutex::new(Ring::default()), watch::Sender::new(0));
        Self { ring, head, pool, cache, lately: Lately::default() }
    }

    /// Wakes whoever waits for events.
    pub(crate) fn head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// What this process just wrote. It waits where others have written before it: the reader brings only theirs.
    pub(crate) fn offer(&self, events: Vec<Arc<Recorded>>) {
        let last = {
            let mut ring = self.lock();
            let Some(first) = events.first().map(|first| first.position) else { return };
            if !ring.has_begun || first <= ring.last || ring.ahead.len() >= AHEAD {
                return;
            }
            ring.ahead.insert(first, events);
            ring.follow_on();
            ring.last
        };
        self.publish(last);
    }

    /// The next events after a position: from memory for those who are caught up, from the table, read once for all who
    /// come by, for those behind.
    pub(crate) async fn after(&self, position: i64, most: usize) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
        if let Some(events) = self.recent(position, most) {
            return Ok(events);
        }
        self.lately.after(&self.pool, position, most, self.last().unwrap_or_default()).await
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
        let last = stats::head(&self.pool).await?;
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
            let gaps = self.lock().gaps();
            let reading = read_gaps(&self.pool, &gaps);
            let events =
                tokio::time::timeout(READ_WITHIN, reading).await.map_err(|_elapsed| sqlx::Error::PoolTimedOut)??;
            crash::point("tail.after_read");
            let most: i64 = gaps.iter().map(|(_after, most)| most).sum();
            let is_last = i64::try_from(events.len()).unwrap_or(most) < most;
            // Into the ring first: whoever loads a stream meanwhile looks there for what it has missed.
            let last = {
                let mut ring = self.lock();
                for event in &events {
                    if event.position == ring.last.saturating_add(1) {
                        ring.push(Arc::clone(event));
                        ring.follow_on();
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
    /// Takes over what waits for the position that has been reached.
    fn follow_on(&mut self) {
        while let Some(waiting) = self.ahead.first_entry().filter(|first| *first.key() <= self.last.saturating_add(1)) {
            let (first, events) = waiting.remove_entry();
            // Of a batch that the reader has come into, the rest is read as well.
            if first > self.last {
                events.into_iter().for_each(|event| self.push(event));
            }
        }
    }

    /// What is to be read: all between the batches that wait, and of what is behind the last of them one read.
    fn gaps(&self) -> Vec<Gap> {
        let mut after = self.last;
        let mut gaps = Vec::with_capacity(self.ahead.len().saturating_add(1));
        for (first, events) in &self.ahead {
            gaps.push((after, first.saturating_sub(after).saturating_sub(1)));
            after = events.last().map_or(after, |last| last.position);
        }
        gaps.push((after, EVENTS_PER_READ));
        gaps
    }

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

pub(crate) fn weight(event: &Recorded) -> usize {
    event.payload.len().saturating_add(event.metadata.len())
}

/// Events after a position, in order and without a hole.
pub(crate) async fn read(pool: &PgPool, after: i64, most: i64) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
    read_gaps(pool, &[(after, most)]).await
}

/// The events of each gap, in order and without a hole: positions are dense, so a hole is a broken log.
async fn read_gaps(pool: &PgPool, gaps: &[Gap]) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
    let select = format!(
        "select {COLUMNS} from unnest($1::bigint[], $2::bigint[]) as gap (after, most) cross join lateral \
         (select * from log.events where position > gap.after order by position limit gap.most) as e order by position"
    );
    let (after, most): (Vec<i64>, Vec<i64>) = gaps.iter().copied().unzip();
    let rows = sqlx::query(&select).bind(after).bind(most).fetch_all(pool).await?;
    let mut expected = gaps.iter().flat_map(|(after, most)| (1..=*most).map(|nth| after.saturating_add(nth)));
    rows.iter()
        .map(|row| {
            let event = Recorded::from_row(row)?;
            let next = expected.next().unwrap_or(i64::MAX);
            if event.position == next {
                Ok(Arc::new(event))
            } else {
                let hole =
                    format!("the log has a hole: position {} follows {}", event.position, next.saturating_sub(1));
                tracing::error!(hole, "nothing is read past it");
                Err(sqlx::Error::Protocol(hole))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: i64) -> Arc<Recorded> {
        Arc::new(Recorded::of_a_tally(position, "{}"))
    }

    fn ring(last: i64, ahead: &[&[i64]]) -> Ring {
        let waiting = ahead.iter().map(|batch| (batch[0], batch.iter().copied().map(at).collect())).collect();
        Ring { has_begun: true, last, ahead: waiting, ..Ring::default() }
    }

    #[test]
    fn only_what_others_wrote_is_read() {
        assert_eq!(ring(10, &[]).gaps(), [(10, EVENTS_PER_READ)]);
        let gaps = ring(10, &[&[13, 14], &[15], &[18]]).gaps();
        assert_eq!(gaps, [(10, 2), (14, 0), (15, 2), (18, EVENTS_PER_READ)]);
    }

    #[test]
    fn own_batches_follow_on_when_what_was_before_them_is_here() {
        let mut ring = ring(10, &[&[12, 13], &[14], &[16]]);
        ring.follow_on();
        assert_eq!(ring.last, 10);
        ring.push(at(11));
        ring.follow_on();
        assert_eq!((ring.last, ring.ahead.len()), (14, 1));
        let positions: Vec<i64> = ring.events.iter().map(|event| event.position).collect();
        assert_eq!(positions, [11, 12, 13, 14]);
    }

    #[test]
    fn a_batch_the_reader_has_come_into_is_read_to_its_end() {
        let mut ring = ring(12, &[&[12, 13], &[15]]);
        ring.follow_on();
        assert_eq!((ring.last, ring.gaps()), (12, vec![(12, 2), (15, EVENTS_PER_READ)]));
    }
}
