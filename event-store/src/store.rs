//! The store: what a program holds to command, read and follow the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::{HashMap, HashSet};
use domain::aggregate::Aggregate;
use sqlx::postgres::PgPool;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::act::{Decision, Key};
use crate::batch::{Batch, KeyName, name_of};
use crate::cache::{Cache, Folded, Stream};
use crate::connect::Database;
use crate::figures::Figures;
use crate::follower::{Follow, Follower};
use crate::generations::Generations;
use crate::head::Head;
use crate::kind::Kind;
use crate::load;
use crate::outcome::{Failure, Outcome};
use crate::queue::{Queue, Queued};
use crate::recorded::{self, Recorded};
use crate::rehearsal::{self, Rehearsal};
use crate::settle::Stored;
use crate::snapshot;
use crate::stats;
use crate::tail::Tail;
use crate::upcast::Upcasters;
use crate::waker;
use crate::writer;

/// Every bound of the store in one place.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Acts that may wait at once; a quarter as many again of test mode. More are refused.
    pub waiting_acts: usize,
    /// Streams kept folded in memory.
    pub cached_streams: usize,
    /// Answers kept in memory, so that a prompt repeat of a request costs no round trip.
    pub cached_answers: usize,
    /// How long an append may go unanswered before the same batch is sent again.
    pub append_within: Duration,
    /// How long a caller waits for an outcome before being told what is known.
    pub answer_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting_acts: 4_096,
            cached_streams: 16_384,
            cached_answers: 16_384,
            append_within: Duration::from_secs(5),
            answer_within: Duration::from_secs(10),
        }
    }
}

/// One log, as one process sees it. Cheap to clone; the last one to go ends the tail, and the writer once it is done.
#[derive(Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
    tasks: Arc<Tasks>,
}

struct Tasks {
    shared: Arc<Shared>,
    writer: Mutex<Option<oneshot::Receiver<()>>>,
    tail: JoinHandle<()>,
    waker: JoinHandle<()>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.tail.abort();
        self.waker.abort();
    }
}

/// What the writer, the loader and the callers share.
pub(crate) struct Shared {
    /// Where streams are loaded, on connections that live there.
    pub(crate) runtime: Handle,
    pub(crate) database: Database,
    pub(crate) limits: Limits,
    pub(crate) queue: Queue,
    pub(crate) cache: Arc<Cache>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) upcasters: Arc<Upcasters>,
    pub(crate) pool: PgPool,
    pub(crate) figures: Figures,
    answers: Mutex<Generations<KeyName, Stored>>,
    snapshots: mpsc::Sender<(Stream, Folded)>,
    moved: Arc<Notify>,
    /// Streams on their way into memory, and the acts that wait for one beside those that asked first.
    loading: Mutex<HashMap<Stream, Vec<Queued>>>,
    /// Whether an append is without a known end; and the keys in it.
    is_unresolved: AtomicBool,
    unresolved: Mutex<HashSet<KeyName>>,
}

impl Store {
    /// Opens the log. Nothing is asked of the database yet: a store may be opened before its database is up.
    pub fn open(database: Database, upcasters: Upcasters, limits: Limits) -> Self {
        let upcasters = Arc::new(upcasters);
        let pool = database.unhurried_log_pool(6);
        let cache = Arc::new(Cache::bounded(limits.cached_streams, Arc::clone(&upcasters)));
        let tail = Arc::new(Tail::new(pool.clone(), Arc::clone(&cache)));
        let shared = Arc::new(Shared {
            runtime: Handle::current(),
            queue: Queue::bounded(limits.waiting_acts),
            figures: Figures::default(),
            answers: Mutex::new(Generations::bounded(limits.cached_answers)),
            snapshots: snapshot::spawn(pool.clone()),
            moved: Arc::new(Notify::new()),
            loading: Mutex::new(HashMap::default()),
            is_unresolved: AtomicBool::new(false),
            unresolved: Mutex::new(HashSet::default()),
            database,
            limits,
            cache,
            tail,
            upcasters,
            pool,
        });
        let tail = tokio::spawn(Arc::clone(&shared.tail).run());
        let waker = tokio::spawn(waker::run(Arc::clone(&shared.moved), shared.pool.clone()));
        let writer = Mutex::new(Some(writer::start(Arc::clone(&shared))));
        Self { tasks: Arc::new(Tasks { shared: Arc::clone(&shared), writer, tail, waker }), shared }
    }

    /// Takes a decision on the log as it stands and tells what would follow. Nothing is written.
    ///
    /// # Errors
    /// A [`Failure`] where the log cannot be reached or the decision cannot be taken.
    pub async fn rehearse(&self, decision: &Decision) -> Result<Rehearsal, Failure> {
        rehearsal::rehearse(&self.shared, decision).await
    }

    /// The state of an aggregate and how many events it has.
    ///
    /// # Errors
    /// A [`Failure`] where the log cannot be reached or the stream cannot be read.
    pub async fn read<A: Aggregate>(&self, id: &Arc<str>) -> Result<(Arc<A>, i64), Failure> {
        let stream = Stream { kind: A::TYPE.into(), id: Arc::clone(id) };
        let folded = match self.shared.cache.get(&stream) {
            Some(folded) => folded,
            None => self
                .shared
                .load(&[(stream, Kind::of::<A>())])
                .await?
                .pop()
                .map(|(_stream, folded)| folded)
                .ok_or(Failure::Unavailable { reason: "the loader brought nothing".to_owned() })?,
        };
        let state = folded.state.downcast::<A>().map_err(|_another_type| Failure::Unreadable {
            aggregate_type: A::TYPE.to_owned(),
            aggregate_id: id.to_string(),
            reason: "two aggregates share this type name".to_owned(),
        })?;
        Ok((state, folded.version))
    }

    /// The events after a position, at most so many, in order and without holes.
    ///
    /// # Errors
    /// Where the log cannot be reached or has a hole.
    pub async fn events(&self, after: i64, most: usize) -> Result<Vec<Arc<Recorded>>, sqlx::Error> {
        self.shared.tail.after(after, most).await
    }

    /// The event at a position, if there is one: it alone, however much those who follow the log read at once.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn event(&self, position: i64) -> Result<Option<Arc<Recorded>>, sqlx::Error> {
        let recent = self.shared.tail.recent(position.saturating_sub(1), 1).and_then(|mut events| events.pop());
        match recent.filter(|event| event.position == position) {
            Some(event) => Ok(Some(event)),
            None => Ok(recorded::at(&self.shared.pool, position).await?.map(Arc::new)),
        }
    }

    /// The events of one stream after a sequence, at most so many, in order.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn stream_events(
        &self,
        aggregate_type: &str,
        aggregate_id: &str,
        after: i64,
        most: i64,
    ) -> Result<Vec<Recorded>, sqlx::Error> {
        recorded::of_stream(&self.shared.pool, aggregate_type, aggregate_id, after, most).await
    }

    /// The position before the last so many events, of an aggregate or event type or of any.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn before_last(&self, count: u32, of_type: Option<&str>) -> Result<i64, sqlx::Error> {
        stats::before_last(&self.shared.pool, count, of_type).await
    }

    /// The last position this process knows of, and word of every later one.
    pub fn head(&self) -> Head {
        Head::of(self.shared.tail.head())
    }

    /// Makes a follower of the log; it moves by [`Follow::step`], on connections from `pool`. It keeps this store open.
    pub fn follow<F: Follower>(&self, follower: F, pool: PgPool) -> Follow<F> {
        Follow::new(follower, pool, self.clone())
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.shared.pool
    }

    /// Accepts no more acts and returns when those inside are decided and answered. From here on it also hears of nothing
    /// new: whoever follows the log is to have ended before.
    pub async fn close(&self) {
        self.shared.queue.close();
        let writer = lock(&self.tasks.writer).take();
        let Some(writer) = writer else { return };
        if writer.await.is_err() {
            tracing::error!("the writer did not end well");
        }
        waker::tell_at_the_end(&self.shared.pool).await;
        self.tasks.tail.abort();
        self.tasks.waker.abort();
    }
}

impl Shared {
    /// Loads streams into the cache. Events that came while they were being read are folded in as well.
    pub(crate) async fn load(&self, streams: &[(Stream, Kind)]) -> Result<Vec<(Stream, Folded)>, Failure> {
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.tail.last();
        let loading = load::load(&self.pool, &self.upcasters, streams);
        let loaded = match tokio::time::timeout(self.limits.append_within, loading).await {
            Ok(loaded) => loaded?,
            Err(_elapsed) => return Err(Failure::Unavailable { reason: "no answer in time".to_owned() }),
        };
        for (stream, folded) in &loaded {
            self.cache.put(stream.clone(), folded.clone());
        }
        // Where the tail cannot say what came meanwhile, the states must not stay.
        match known.and_then(|known| self.tail.recent(known, usize::MAX)) {
            Some(since) => since.iter().for_each(|event| self.cache.observe(event)),
            None if self.tail.last() == known => {}
            None => loaded.iter().for_each(|(stream, _folded)| self.cache.forget(stream)),
        }
        Ok(loaded)
    }

    /// Loads what acts need, and queues them again. A stream that cannot be read costs only the acts that need it.
    pub(crate) async fn load_and_put_back(self: Arc<Self>, unloaded: Vec<(Queued, Stream, Kind)>) {
        let mut needs: Vec<((Stream, Kind), Vec<Queued>)> = Vec::new();
        for (queued, stream, kind) in unloaded {
            match needs.iter_mut().find(|((known, _kind), _acts)| *known == stream) {
                Some((_stream, acts)) => acts.push(queued),
                None => needs.push(((stream, kind), vec![queued])),
            }
        }
        // However many acts want a stream, it is read once.
        let mut needs: Vec<((Stream, Kind), Vec<Queued>)> = {
            let mut loading = lock(&self.loading);
            needs
                .into_iter()
                .filter_map(|((stream, kind), acts)| match loading.get_mut(&stream) {
                    Some(waiting) => {
                        waiting.extend(acts);
                        None
                    }
                    None => {
                        loading.insert(stream.clone(), Vec::new());
                        Some(((stream, kind), acts))
                    }
                })
                .collect()
        };
        let streams: Vec<(Stream, Kind)> = needs.iter().map(|(stream, _acts)| stream.clone()).collect();
        let together = self.load(&streams).await;
        for ((stream, kind), mut acts) in needs.drain(..) {
            let name = stream.clone();
            let loaded = match &together {
                Ok(_loaded) => Ok(()),
                Err(Failure::Unreadable { .. } | Failure::Data { .. }) => self.load(&[(stream, kind)]).await.map(drop),
                Err(failure) => Err(failure.clone()),
            };
            acts.extend(lock(&self.loading).remove(&name).unwrap_or_default());
            match loaded {
                Ok(()) => self.queue.put_back(acts),
                Err(failure) => acts.into_iter().for_each(|queued| queued.answer(Err(failure.clone()))),
            }
        }
        // Wakes a writer that waits for the last act to leave.
        self.queue.some_have_left();
    }

    /// The log has moved: whoever follows it elsewhere is told soon.
    pub(crate) fn wake_others(&self) {
        self.moved.notify_one();
    }

    pub(crate) fn answered_lately(&self, key: &Key) -> Option<Stored> {
        lock(&self.answers).get(&name_of(key)).cloned()
    }

    pub(crate) fn remember_answer(&self, name: KeyName, stored: Stored) {
        lock(&self.answers).insert(name, stored);
    }

    /// Takes over the states a batch has left behind, and asks for the snapshots that are due.
    /// What others wrote behind the batch may have passed the tail already: it is folded in as well.
    pub(crate) fn keep_states(&self, batch: &mut Batch, last_position: i64) {
        let mut kept = Vec::with_capacity(batch.open.len());
        #[expect(clippy::iter_over_hash_type, reason = "streams are independent of each other")]
        for (stream, open) in batch.open.drain() {
            if snapshot::is_due(open.read_at, open.folded.version) {
                // Full means that snapshots are being written as fast as they can be.
                drop(self.snapshots.try_send((stream.clone(), open.folded.clone())));
            }
            self.cache.put(stream.clone(), open.folded);
            kept.push(stream);
        }
        match self.tail.recent(last_position, usize::MAX) {
            Some(since) => since.iter().for_each(|event| self.cache.observe(event)),
            None if self.tail.last().is_none() => {}
            None => kept.iter().for_each(|stream| self.cache.forget(stream)),
        }
    }

    /// From here on, until it is called with nothing, the log is known not to answer.
    pub(crate) fn declare_unresolved(&self, keys: Vec<KeyName>, is_unresolved: bool) {
        *lock(&self.unresolved) = keys.into_iter().collect();
        self.is_unresolved.store(is_unresolved, Ordering::Release);
        if is_unresolved {
            self.queue.refuse_waiting(&log_is_silent());
        }
    }

    pub(crate) fn is_unresolved(&self) -> bool {
        self.is_unresolved.load(Ordering::Acquire)
    }

    pub(crate) fn while_unresolved(&self, key: Option<&Key>) -> Result<Outcome, Failure> {
        match key {
            Some(key) if lock(&self.unresolved).contains(&name_of(key)) => Ok(Outcome::InFlight),
            Some(_) | None => Err(log_is_silent()),
        }
    }
}

fn log_is_silent() -> Failure {
    Failure::Unavailable { reason: "an earlier append has no answer yet".to_owned() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
