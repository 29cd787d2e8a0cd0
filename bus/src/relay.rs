//! The relay: every event to its partition; the checkpoint after acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use event_store::{Database, Failed, Lease, Recorded, Store, Taken, crash};
use rdkafka::error::KafkaError;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ends::{self, EndFailure};
use crate::kafka::Kafka;
use crate::memory;
use crate::sender::Sender;
use crate::spans::Sent;
use crate::topic::{self, Topic, TopicFailure};

/// How often every partition is told up to where it is complete.
const WATERMARK: Duration = Duration::from_secs(1);
/// How long what has arrived may wait to be remembered; it would only be sent once more.
const CHECKPOINT: Duration = Duration::from_millis(100);
/// Events between two checkpoints where many arrive.
const EVENTS_BETWEEN: i64 = 5_000;
/// How much is read at once.
const EVENTS_PER_READ: usize = 2_000;
const RUN: i64 = 8_000;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
const LOOK_AT_OTHERS: Duration = Duration::from_secs(2);
/// How long an ending relay waits for what is on its way.
const FAREWELL: Duration = Duration::from_secs(5);

/// Carries the log to a topic. One at a time, wherever it runs: the lease of the follower `relay:<topic>` sees to that,
/// and where two ever overlap, consumers drop what comes twice.
pub struct Relay {
    store: Store,
    database: Database,
    pool: PgPool,
    kafka: Kafka,
    topic: Topic,
    lease: Lease,
    in_flight: Arc<AtomicI64>,
}

/// Why a relay's turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Stopped,
    /// Another runner holds the lease.
    Elsewhere,
    /// Stands still until an operator has looked at it.
    Parked {
        at: i64,
        reason: String,
    },
}

/// The turn was broken off; the next one begins at the checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum RelayFailure {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("Kafka: {0}")]
    Topic(TopicFailure),
}

impl Relay {
    pub fn new(store: Store, database: Database, kafka: Kafka, topic: Topic) -> Self {
        let pool = database.derived_pool(2);
        let lease = Lease::of(memory::follower(&topic.name));
        Self { store, database, pool, kafka, topic, lease, in_flight: Arc::default() }
    }

    /// How many events this relay has sent that have not arrived yet, for whoever looks.
    pub fn in_flight(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.in_flight)
    }

    /// Relays until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let (topic, mut parked) = (self.topic.name.clone(), None);
        while !*stop.borrow() {
            let pause = match self.turn(&mut stop).await {
                Ok(Turn::Stopped) => return,
                Ok(Turn::Elsewhere) => LOOK_AT_OTHERS,
                Ok(Turn::Parked { at, reason }) => {
                    if parked.replace(at) != Some(at) {
                        tracing::error!(topic, at, reason, "the relay is parked");
                    }
                    LOOK_AT_OTHERS
                }
                Err(failure) => {
                    tracing::warn!(topic, %failure, "the relay begins again at its checkpoint");
                    PAUSE_AFTER_FAILURE
                }
            };
            tokio::select! {
                _stopping = stop.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// From the checkpoint on, until told to stop, or something is in the way.
    ///
    /// # Errors
    /// The database or Kafka failed.
    pub async fn turn(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Turn, RelayFailure> {
        // Its session stands for the holder of the lease.
        let mut books = self.pool.acquire().await?.detach();
        let at = match self.lease.acquire(&mut books).await? {
            Taken::Ours { at } => at,
            Taken::Elsewhere => return Ok(Turn::Elsewhere),
            Taken::Parked { at, reason } => return Ok(Turn::Parked { at, reason }),
        };
        let turn = self.relay(&mut books, at, stop).await;
        self.in_flight.store(0, Ordering::Relaxed);
        match turn {
            Ok(Turn::Stopped) | Err(_) => self.lease.release(&mut books).await?,
            Ok(Turn::Elsewhere | Turn::Parked { .. }) => self.lease.forget(),
        }
        turn
    }

    async fn relay(
        &mut self,
        books: &mut PgConnection,
        at: i64,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Turn, RelayFailure> {
        match topic::ensure(&self.kafka, &self.topic).await {
            Ok(()) => {}
            Err(TopicFailure::Unfit(reason)) => return self.park(books, at, &reason).await,
            Err(failure) => return Err(RelayFailure::Topic(failure)),
        }
        let previous = memory::previous(books, &self.topic.name, self.topic.partitions).await?;
        if previous.len() != self.topic.partitions {
            let reason = format!(
                "{} was begun with {} partitions and has {} now: a merchant's events would lose their order; \
                 name a new topic",
                self.topic.name,
                previous.len(),
                self.topic.partitions
            );
            return self.park(books, at, &reason).await;
        }
        match ends::belong_to(&self.kafka, &self.topic, &self.store).await {
            Ok(()) => {}
            Err(EndFailure::Another(reason)) => return self.park(books, at, &reason).await,
            Err(EndFailure::Kafka(failure)) => return Err(failure.into()),
            Err(EndFailure::Database(failure)) => return Err(failure.into()),
        }
        let last = if at > 0 { self.store.events(at.saturating_sub(1), 1).await?.pop() } else { None };
        let last_id = last.map(|event| event.event_id);
        let mut sender = Sender::begin(&self.kafka, &self.topic, at, previous, last_id)?;
        self.pump(books, &mut sender, stop).await
    }

    async fn park(&mut self, books: &mut PgConnection, at: i64, reason: &str) -> Result<Turn, RelayFailure> {
        Ok(match self.lease.park(books, reason).await? {
            Some(Failed::Parked { at, reason }) => Turn::Parked { at, reason },
            Some(Failed::Counted { .. }) => Turn::Parked { at, reason: reason.to_owned() },
            None => Turn::Elsewhere,
        })
    }

    async fn pump(
        &mut self,
        books: &mut PgConnection,
        sender: &mut Sender,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Turn, RelayFailure> {
        let mut head = self.store.head();
        let mut ticks = tokio::time::interval(WATERMARK);
        let (mut remembered_at, mut ending) = (Instant::now(), None);
        let mut spans = Sent::to(&self.topic.name);
        loop {
            if ending.is_none() && *stop.borrow_and_update() {
                ending = Some(Instant::now());
            }
            head.mark_seen();
            let mut is_behind = false;
            if ending.is_none() && sender.has_room() {
                let events = self.read(sender.sent()).await?;
                is_behind = !events.is_empty();
                spans.sends(&events);
                sender.send(&events).await?;
            }
            let arrived = sender.arrived()?;
            spans.arrived(arrived.upto);
            self.in_flight.store(sender.sent().saturating_sub(arrived.upto), Ordering::Relaxed);
            let standing = self.lease.position().unwrap_or(arrived.upto);
            let (news, is_all) = (arrived.upto.saturating_sub(standing), sender.is_idle());
            if news > 0 {
                crash::point("relay.acknowledged");
            }
            if news >= EVENTS_BETWEEN || (news > 0 && (is_all || remembered_at.elapsed() >= CHECKPOINT)) {
                if !self.remember(books, arrived.upto, Some(&arrived.previous)).await? {
                    return Ok(Turn::Elsewhere);
                }
                remembered_at = Instant::now();
            } else if self.lease.is_due() && !self.remember(books, standing, None).await? {
                return Ok(Turn::Elsewhere);
            }
            if ending.is_some_and(|since| sender.is_idle() || since.elapsed() > FAREWELL) {
                return Ok(Turn::Stopped);
            }
            if is_behind && sender.has_room() {
                continue;
            }
            tokio::select! {
                _stopping = stop.changed(), if ending.is_none() => {}
                () = head.changed(), if ending.is_none() && sender.has_room() => {}
                () = sender.moved() => {}
                _tick = ticks.tick() => sender.send_watermarks().await?,
                () = tokio::time::sleep(CHECKPOINT), if news > 0 => {}
            }
        }
    }

    /// What comes next: from the tail for a relay that is caught up, in long runs for one that is not.
    async fn read(&self, after: i64) -> Result<Vec<Arc<Recorded>>, RelayFailure> {
        let head = self.store.head().position();
        if head.saturating_sub(after) < RUN {
            return Ok(self.store.events(after, EVENTS_PER_READ).await?);
        }
        let run = self.database.bulk().await?.run(after, after.saturating_add(RUN)).await?;
        Ok(run.events()?.into_iter().map(Arc::new).collect())
    }

    /// Moves the checkpoint; false where another runner has taken over.
    async fn remember(
        &mut self,
        books: &mut PgConnection,
        upto: i64,
        previous: Option<&[i64]>,
    ) -> Result<bool, sqlx::Error> {
        crash::point("relay.before_checkpoint");
        let mut transaction = books.begin().await?;
        if !self.lease.advance(&mut transaction, upto, None).await? {
            return Ok(false);
        }
        if let Some(previous) = previous {
            memory::remember(&mut transaction, &self.topic.name, previous).await?;
        }
        crash::point("relay.before_commit");
        transaction.commit().await?;
        crash::point("relay.after_checkpoint");
        self.lease.moved(upto);
        Ok(true)
    }
}
