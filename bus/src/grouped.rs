//! Followers of one merchant's rows: partition by partition, shared out in a group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use event_store::{Follower, Recorded, crash, waits_for_the_disk, work};
use sqlx::Connection as _;
use sqlx::postgres::PgPool;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chain::{Broken, Verdict};
use crate::fed::{FedFailure, Feed};
use crate::message::Said;
use crate::places;
use crate::subscription::{Reading, Received, Subscription};

const WAIT: Duration = Duration::from_millis(250);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How often it is looked whether an operator has let a halted partition go on.
const LOOK_AT_HALTED: Duration = Duration::from_secs(2);

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// So many events were applied, so many dropped because they had been before.
    Applied { applied_count: usize, dropped_count: usize },
    /// A partition stands still until an operator has looked; the others go on.
    Halted { partition: usize, reason: String },
}

/// A follower that shares a topic with others of its group. Each partition has its place in the database of the rows,
/// locked while a batch of it is applied: where two believe that a partition is theirs, the later one finds what it has
/// brought done, and drops it.
pub struct Grouped<F> {
    follower: F,
    pool: PgPool,
    feed: Feed,
    open: Option<Subscription>,
    halted: BTreeSet<usize>,
    looked_at: Instant,
}

enum Batch {
    Applied { applied_count: usize, dropped_count: usize },
    Halted(String),
}

impl<F: Follower> Grouped<F> {
    pub fn new(follower: F, pool: PgPool, feed: Feed) -> Self {
        Self { follower, pool, feed, open: None, halted: BTreeSet::new(), looked_at: Instant::now() }
    }

    pub fn follower(&self) -> &F {
        &self.follower
    }

    /// Takes what has come, and applies it.
    ///
    /// # Errors
    /// The database or Kafka failed: the group begins again where it has come to.
    pub async fn step(&mut self) -> Result<Taken, FedFailure> {
        let step = match self.receive().await {
            Ok(received) => self.take(received).await,
            Err(failure) => Err(failure),
        };
        if step.is_err() {
            self.open = None;
        }
        step
    }

    /// What has come, to be handed to [`Grouped::take`].
    ///
    /// # Errors
    /// Kafka or the database failed.
    pub async fn receive(&mut self) -> Result<Vec<Received>, FedFailure> {
        if !self.halted.is_empty() && self.looked_at.elapsed() > LOOK_AT_HALTED {
            self.looked_at = Instant::now();
            let still: i64 = sqlx::query_scalar(
                "select count(*) from bus.places where follower = $1 and topic = $2 and halted_reason is not null",
            )
            .bind(self.follower.name())
            .bind(&self.feed.topic)
            .fetch_one(&self.pool)
            .await?;
            if usize::try_from(still).unwrap_or_default() < self.halted.len() {
                (self.open, self.halted) = (None, BTreeSet::new());
            }
        }
        let Feed { kafka, topic, group } = &self.feed;
        let subscription = match &mut self.open {
            Some(subscription) => subscription,
            None => self.open.insert(Subscription::open(kafka, topic, &Reading::Share { group: group.clone() })?),
        };
        Ok(subscription.next(WAIT).await?)
    }

    /// Applies what was received, partition by partition, each in a transaction of its own.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take(&mut self, received: Vec<Received>) -> Result<Taken, FedFailure> {
        let mut by_partition: BTreeMap<usize, Vec<Received>> = BTreeMap::new();
        for message in received {
            by_partition.entry(message.partition).or_default().push(message);
        }
        let (mut applied, mut dropped, mut halted) = (0_usize, 0_usize, None);
        for (partition, messages) in by_partition {
            let before = messages.last().map_or(0, |last| last.offset.saturating_add(1));
            match self.apply(partition, &messages).await? {
                Batch::Applied { applied_count, dropped_count } => {
                    applied = applied.saturating_add(applied_count);
                    dropped = dropped.saturating_add(dropped_count);
                    if let Some(subscription) = &self.open {
                        subscription.done(&[(partition, before)]);
                    }
                }
                Batch::Halted(reason) => {
                    if self.halted.insert(partition)
                        && let Some(subscription) = &self.open
                    {
                        subscription.pause(&[partition], true)?;
                    }
                    halted.get_or_insert(Taken::Halted { partition, reason });
                }
            }
        }
        Ok(halted.unwrap_or(Taken::Applied { applied_count: applied, dropped_count: dropped }))
    }

    async fn apply(&mut self, partition: usize, messages: &[Received]) -> Result<Batch, FedFailure> {
        let place = (self.follower.name(), self.feed.topic.as_str());
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        // Kafka is told of each at once.
        waits_for_the_disk(&mut transaction).await?;
        let (mut chain, halted) = places::hold(&mut transaction, place, partition).await?;
        if let Some(reason) = halted {
            return Ok(Batch::Halted(reason));
        }
        let (mut events, mut dropped_count): (Vec<Arc<Recorded>>, usize) = (Vec::new(), 0);
        let mut broken: Option<Broken> = None;
        for message in messages {
            match (chain.take(message.said.link()), &message.said) {
                (Ok(Verdict::Next), Said::Event { event, previous: _ }) => events.push(Arc::clone(event)),
                (Ok(_), Said::Event { .. }) => dropped_count = dropped_count.saturating_add(1),
                (Ok(_), Said::Watermark { .. }) => {}
                (Err(why), _) => {
                    broken = Some(why);
                    break;
                }
            }
        }
        let reason = broken.map(|broken| broken.to_string());
        if !events.is_empty()
            && let Err(poison) = work(&mut self.follower, &mut transaction, &events).await
        {
            transaction.rollback().await?;
            let reason = poison.about_the_event()?;
            let mut transaction = connection.begin().await?;
            let (chain, _halted) = places::hold(&mut transaction, place, partition).await?;
            places::keep(&mut transaction, place, partition, chain, Some(&reason)).await?;
            transaction.commit().await?;
            return Ok(Batch::Halted(reason));
        }
        places::keep(&mut transaction, place, partition, chain, reason.as_deref()).await?;
        crash::point("fed.before_commit");
        transaction.commit().await?;
        crash::point("fed.after_commit");
        Ok(reason.map_or(Batch::Applied { applied_count: events.len(), dropped_count }, Batch::Halted))
    }

    /// Steps until told to stop.
    pub async fn run(mut self, stop: watch::Receiver<bool>) {
        let name = self.follower.name();
        while !*stop.borrow() {
            match self.step().await {
                Ok(Taken::Applied { .. }) => {}
                Ok(Taken::Halted { partition, reason }) => {
                    tracing::error!(follower = name, partition, reason, "a partition is halted");
                }
                Err(failure) => {
                    tracing::warn!(follower = name, %failure, "a step was not taken");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }
}
