//! Followers fed from Kafka in the order of the log: same work, same checkpoint.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use event_store::{Failed, Follower, Lease, Poison, Recorded, Step, Taken, crash, is_on_the_disk, work};
use rdkafka::error::KafkaError;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chain::Broken;
use crate::kafka::Kafka;
use crate::merge::Merge;
use crate::places;
use crate::subscription::{Reading, Subscription};
use crate::topic;

const EVENTS_PER_STEP: usize = 2_000;
/// How long a step waits for something to come.
const WAIT: Duration = Duration::from_millis(250);
const COMMIT_OFFSETS: Duration = Duration::from_secs(1);
/// A partition that was read so far beyond what was applied is left alone until the others have come on. What its client
/// has of it by then is thrown away and fetched again: far enough for this to be rare.
const AHEAD: i64 = 20_000;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
const LOOK_AT_OTHERS: Duration = Duration::from_secs(2);

/// Where a follower is fed from.
#[derive(Clone, Debug)]
pub struct Feed {
    pub kafka: Kafka,
    pub topic: String,
    /// Its consumer group, where the offsets are.
    pub group: String,
}

/// The step was not taken: nothing was committed, or what was committed will be seen by the next step.
#[derive(Debug, thiserror::Error)]
pub enum FedFailure {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the topic {0} is not there")]
    NoTopic(String),
}

struct Open {
    /// Its session stands for the holder of the lease.
    books: PgConnection,
    subscription: Subscription,
    merge: Merge,
    offsets_at: Instant,
    paused: Vec<usize>,
    /// Nothing more is taken; what came before it is still applied.
    broken: Option<Broken>,
}

impl Open {
    /// What waits for the slowest partition is bounded: those far ahead of it are not read for the time being.
    fn hold_back(&mut self, ahead: i64) -> Result<(), KafkaError> {
        let (far, still) = (self.merge.ahead(ahead), self.merge.ahead(ahead / 2));
        let mut paused = still;
        paused.retain(|partition| far.contains(partition) || self.paused.contains(partition));
        let without = |these: &[usize], those: &[usize]| -> Vec<usize> {
            these.iter().copied().filter(|partition| !those.contains(partition)).collect()
        };
        let (pause, resume) = (without(&paused, &self.paused), without(&self.paused, &paused));
        if !pause.is_empty() {
            self.subscription.pause(&pause, true)?;
        }
        if !resume.is_empty() {
            self.subscription.pause(&resume, false)?;
        }
        self.paused = paused;
        Ok(())
    }
}

/// A follower whose rows span merchants: it takes the events of all partitions in the order of the log, up to where
/// every partition is complete. Work, checkpoint and place in each partition commit together, in the database of its
/// rows; one runner at a time, by the same lease as followers of the log have.
pub struct Fed<F> {
    follower: F,
    pool: PgPool,
    feed: Feed,
    lease: Lease,
    open: Option<Open>,
    careful_upto: i64,
    ahead: i64,
}

impl<F: Follower> Fed<F> {
    pub fn new(follower: F, pool: PgPool, feed: Feed) -> Self {
        let lease = Lease::of(follower.name());
        Self { follower, pool, feed, lease, open: None, careful_upto: 0, ahead: AHEAD }
    }

    /// The same; no partition is read further than so many positions beyond what was applied, but for what was on its way.
    #[must_use]
    pub fn reading_ahead(self, positions: i64) -> Self {
        Self { ahead: positions, ..self }
    }

    pub fn follower(&self) -> &F {
        &self.follower
    }

    /// One batch, its work and the checkpoint, or a word why not.
    ///
    /// # Errors
    /// The database or Kafka failed; the next step begins by asking where this follower stands.
    pub async fn step(&mut self) -> Result<Step, FedFailure> {
        let step = self.try_step().await;
        if !matches!(step, Ok(Step::Moved { .. } | Step::Idle { .. } | Step::Stumbled { .. })) {
            self.open = None;
            self.lease.forget();
        }
        step
    }

    /// Steps until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (name, mut parked) = (self.follower.name(), None);
        while !*stop.borrow_and_update() {
            let pause = match self.step().await {
                Ok(Step::Moved { .. } | Step::Idle { .. }) => continue,
                Ok(Step::Elsewhere) => LOOK_AT_OTHERS,
                Ok(Step::Stumbled { at, failures, reason }) => {
                    tracing::warn!(follower = name, at, failures, reason, "an event was not digested");
                    PAUSE_AFTER_FAILURE
                }
                Ok(Step::Parked { at, reason }) => {
                    if parked.replace(at) != Some(at) {
                        tracing::error!(follower = name, at, reason, "parked");
                    }
                    LOOK_AT_OTHERS
                }
                Err(failure) => {
                    tracing::warn!(follower = name, %failure, "a step was not taken");
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::select! {
                _stopping = stop.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.end().await;
    }

    /// Lets the next runner begin at once.
    pub async fn end(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if let Err(reason) = is_on_the_disk(&mut open.books).await {
            // With its session the lease ends as well.
            tracing::warn!(follower = self.follower.name(), %reason, "its end is not on the disk yet; some messages come again");
            return;
        }
        open.subscription.done(&open.merge.offsets());
        if let Err(reason) = self.lease.release(&mut open.books).await {
            tracing::warn!(follower = self.follower.name(), %reason, "the lease was not released; it will run out");
        }
    }

    async fn try_step(&mut self) -> Result<Step, FedFailure> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.begin().await? {
                Ok(open) => open,
                Err(step) => return Ok(step),
            },
        };
        let ready = match self.ready(&mut open).await {
            Ok(ready) => ready,
            Err(Halt::Broken(broken)) => return self.park(&mut open.books, broken).await,
            Err(Halt::Kafka(failure)) => return Err(failure.into()),
        };
        let step = self.apply(&mut open, &ready).await?;
        if open.offsets_at.elapsed() > COMMIT_OFFSETS {
            // A crash may take the last commits away, and Kafka would go on behind them.
            is_on_the_disk(&mut open.books).await?;
            open.subscription.done(&open.merge.offsets());
            crash::point("fed.after_offsets");
            open.offsets_at = Instant::now();
        }
        self.open = Some(open);
        Ok(step)
    }

    /// Takes the lease, and begins to read where the group has come to.
    async fn begin(&mut self) -> Result<Result<Open, Step>, FedFailure> {
        let name = self.follower.name();
        let mut books = self.pool.acquire().await?.detach();
        let at = match self.lease.acquire(&mut books).await? {
            Taken::Ours { at } => at,
            Taken::Elsewhere => return Ok(Err(Step::Elsewhere)),
            Taken::Parked { at, reason } => return Ok(Err(Step::Parked { at, reason })),
        };
        let Feed { kafka, topic, group } = &self.feed;
        let partitions = topic::partitions(kafka, topic).await?.ok_or_else(|| FedFailure::NoTopic(topic.clone()))?;
        let last = places::last(&mut books, name, topic).await?;
        let standing = places::event_at(&mut books, name, at).await?;
        let merge = Merge::begin(partitions, at, &last, standing);
        let reading = Reading::All { group: group.clone(), partitions };
        let subscription = Subscription::open(kafka, topic, &reading)?;
        Ok(Ok(Open { books, subscription, merge, offsets_at: Instant::now(), paused: Vec::new(), broken: None }))
    }

    /// The next events in order; waits a little for some to come.
    async fn ready(&mut self, open: &mut Open) -> Result<Vec<Arc<Recorded>>, Halt> {
        let careful = self.lease.position().is_some_and(|at| at < self.careful_upto);
        let most = if careful { 1 } else { EVENTS_PER_STEP };
        let mut ready = open.merge.ready(most)?;
        // What has come already goes into the same step: a transaction costs as much for few events as for many.
        while ready.len() < most && open.broken.is_none() {
            // Before each wait: what was applied meanwhile may be all that those held back have waited for.
            open.hold_back(self.ahead)?;
            let wait = if ready.is_empty() { WAIT } else { Duration::ZERO };
            let received = open.subscription.next(wait).await?;
            if received.is_empty() {
                break;
            }
            open.broken = received.iter().try_for_each(|received| open.merge.take(received)).err();
            crash::point("fed.come");
            ready = open.merge.ready(most)?;
        }
        match open.broken.take_if(|_broken| ready.is_empty()) {
            Some(broken) => Err(broken.into()),
            None => Ok(ready),
        }
    }

    async fn apply(&mut self, open: &mut Open, events: &[Arc<Recorded>]) -> Result<Step, FedFailure> {
        let at = self.lease.position().unwrap_or_default();
        let Some(to) = events.last().map(|last| last.position) else {
            if self.lease.is_due() && !self.lease.advance(&mut open.books, at, None).await? {
                return Ok(Step::Elsewhere);
            }
            return Ok(Step::Idle { at });
        };
        let begun_at = SystemTime::now();
        let mut transaction = open.books.begin().await?;
        if !self.lease.advance(&mut transaction, to, None).await? {
            return Ok(Step::Elsewhere);
        }
        let place = (self.follower.name(), self.feed.topic.as_str());
        if let Err(poison) = work(&mut self.follower, &mut transaction, events).await {
            transaction.rollback().await?;
            return self.stumble(&mut open.books, at, to, poison).await;
        }
        places::note(&mut transaction, place, to, &open.merge.last_upto(to)).await?;
        crash::point("fed.before_commit");
        transaction.commit().await?;
        crash::point("fed.after_commit");
        self.follower.committed(events, begun_at);
        self.lease.moved(to);
        open.merge.applied(to);
        Ok(Step::Moved { to })
    }

    async fn stumble(
        &mut self,
        books: &mut PgConnection,
        at: i64,
        to: i64,
        poison: Poison,
    ) -> Result<Step, FedFailure> {
        let reason = poison.about_the_event()?;
        let next = at.saturating_add(1);
        if to > next {
            self.careful_upto = to;
            return Ok(Step::Stumbled { at: next, failures: 0, reason });
        }
        let failed = self.lease.count_failure(books, &format!("position {next}: {reason}")).await?;
        Ok(match failed {
            None => Step::Elsewhere,
            Some(Failed::Parked { at, reason }) => Step::Parked { at, reason },
            Some(Failed::Counted { failures }) => Step::Stumbled { at: next, failures, reason },
        })
    }

    /// Nothing after a hole is taken until an operator has looked.
    async fn park(&mut self, books: &mut PgConnection, broken: Broken) -> Result<Step, FedFailure> {
        let reason = format!("{} from {}: {broken}", self.follower.name(), self.feed.topic);
        Ok(match self.lease.park(books, &reason).await? {
            Some(Failed::Parked { at, reason }) => Step::Parked { at, reason },
            Some(Failed::Counted { .. }) | None => Step::Elsewhere,
        })
    }
}

enum Halt {
    Broken(Broken),
    Kafka(KafkaError),
}

impl From<Broken> for Halt {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<KafkaError> for Halt {
    fn from(failure: KafkaError) -> Self {
        Self::Kafka(failure)
    }
}
