//! Followers of the log: events, work and checkpoint in one transaction, one runner.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::crash;
use crate::recorded::Recorded;
use crate::store::Store;

/// How often the same event may fail before the follower is parked at it.
const FAILURES_BEFORE_PARKING: i32 = 5;
/// How long a runner that is not heard of keeps others out. Safety does not rest on it: the epoch does that.
const LEASE: Duration = Duration::from_secs(30);
const EVENTS_PER_STEP: usize = 1_000;
/// A rest for whoever is caught up: a busy log is followed in a few large steps, not in one for every append.
const PACE: Duration = Duration::from_millis(10);
/// How often a parked one looks whether an operator has let it go on.
const LOOK_AT_PARKED: Duration = Duration::from_secs(2);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What follows the log. Its name is its identity, for ever.
pub trait Follower: Send + 'static {
    fn name(&self) -> &'static str;

    /// Does the work for these events inside the transaction that moves the checkpoint. It may be called again with
    /// the same events where that transaction did not come to its end.
    ///
    /// # Errors
    /// [`Poison`] where an event itself is the trouble. A panic counts as such.
    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>>;
}

/// Why events could not be worked on.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// An event this follower cannot digest. It is never skipped: after a few tries the follower is parked at it.
    #[error("{0}")]
    Event(String),
    /// The database failed; the step is simply repeated. An error of the data itself counts as poison.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What one step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Work and checkpoint are committed up to this position.
    Moved { to: i64 },
    /// Nothing new.
    Idle { at: i64 },
    /// An event could not be digested; the next step tries again, alone.
    Stumbled { at: i64, failures: i32, reason: String },
    /// Stands still until an operator has looked at it.
    Parked { at: i64, reason: String },
    /// Another runner holds the lease; what this one did since was not committed.
    Elsewhere,
}

/// The step was not taken: nothing was committed, or what was committed will be seen by the next step.
#[derive(Debug, thiserror::Error)]
#[error("follower {name}: {source}")]
pub struct StepFailure {
    name: &'static str,
    #[source]
    source: sqlx::Error,
}

/// What a runner believes; every step makes sure of it in its own transaction.
#[derive(Clone, Copy)]
struct Lease {
    epoch: i64,
    position: i64,
    renewed_at: Instant,
}

/// A follower with its place in the log.
pub struct Follow<F> {
    follower: F,
    pool: PgPool,
    /// Its own: a step takes it out, and where that is given up half way (a copy may be under way), it goes with it.
    connection: Option<PgConnection>,
    /// Held so that the tail does not end while somebody follows it.
    store: Store,
    holder: String,
    lease: Option<Lease>,
    /// Events up to here go one by one: one of them is poison.
    careful_upto: i64,
    /// Where the last step ended, as far as `run` has looked.
    at: i64,
    pace: Duration,
}

impl<F: Follower> Follow<F> {
    pub(crate) fn new(follower: F, pool: PgPool, store: Store) -> Self {
        let holder = Uuid::now_v7().to_string();
        Self { follower, pool, connection: None, store, holder, lease: None, careful_upto: 0, at: 0, pace: PACE }
    }

    /// Rests longer once it is caught up: its work is not waited for, and costs less in larger steps.
    #[must_use]
    pub fn paced(self, rest: Duration) -> Self {
        Self { pace: rest, ..self }
    }

    /// One batch, its work and the checkpoint, or a word why not.
    ///
    /// # Errors
    /// Where the database failed. The next step begins by asking it where this follower stands.
    pub async fn step(&mut self) -> Result<Step, StepFailure> {
        let step = self.try_step().await;
        if !matches!(step, Ok(Step::Moved { .. } | Step::Idle { .. })) {
            self.lease = None;
        }
        step.map_err(|source| StepFailure { name: self.follower.name(), source })
    }

    /// Steps until told to stop. Waits where there is nothing to do.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut head = self.store.head();
        let mut parked_at = None;
        while !*stop.borrow_and_update() {
            head.mark_seen();
            let pause = match self.step().await {
                Ok(Step::Moved { to }) if self.is_behind(to) => continue,
                Ok(Step::Moved { .. }) => self.pace,
                Ok(Step::Idle { .. }) => LEASE / 3,
                Ok(Step::Elsewhere) => LEASE / 6,
                Ok(Step::Stumbled { at, failures, reason }) => {
                    tracing::warn!(follower = self.follower.name(), at, failures, reason, "an event was not digested");
                    PAUSE_AFTER_FAILURE
                }
                Ok(Step::Parked { at, reason }) => {
                    if parked_at.replace(at) != Some(at) {
                        tracing::error!(follower = self.follower.name(), at, reason, "parked");
                    }
                    LOOK_AT_PARKED
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a step was not taken");
                    PAUSE_AFTER_FAILURE
                }
            };
            let waits_for_events = pause == LEASE / 3;
            tokio::select! {
                _stopping = stop.changed() => {}
                _news = head.changed(), if waits_for_events => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.release().await;
    }

    /// Whether a step ended there only because no more goes into one.
    fn is_behind(&mut self, to: i64) -> bool {
        let most = i64::try_from(EVENTS_PER_STEP).unwrap_or(i64::MAX);
        let moved = to.saturating_sub(std::mem::replace(&mut self.at, to));
        moved >= most || to < self.careful_upto
    }

    /// The work of the follower, for whoever made it.
    pub fn follower(&self) -> &F {
        &self.follower
    }

    async fn try_step(&mut self) -> Result<Step, sqlx::Error> {
        let lease = match self.lease {
            Some(lease) => lease,
            None => match self.acquire().await? {
                Ok(lease) => lease,
                Err(step) => return Ok(step),
            },
        };
        let most = if lease.position < self.careful_upto { 1 } else { EVENTS_PER_STEP };
        let events = self.store.events(lease.position, most).await?;
        let Some((last, last_id)) = events.last().map(|event| (event.position, event.event_id)) else {
            return self.renew(lease).await;
        };

        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await?.detach(),
        };
        let mut transaction = connection.begin().await?;
        if !move_checkpoint(&mut transaction, self.follower.name(), lease, last, Some(last_id)).await? {
            return Ok(Step::Elsewhere);
        }
        crash::point("follower.before_work");
        let work = async { self.follower.apply(&mut transaction, &events).await };
        let worked = AssertUnwindSafe(work).catch_unwind().await;
        let worked = worked.unwrap_or_else(|panic| Err(Poison::Event(last_words(panic.as_ref()))));
        crash::point("follower.after_work");
        match worked {
            Ok(()) => {
                if let Err(refusal) = make_sure(&mut transaction).await {
                    transaction.rollback().await?;
                    return self.stumble(lease, last, Poison::Database(refusal)).await;
                }
                crash::point("follower.before_commit");
                transaction.commit().await?;
                crash::point("follower.after_commit");
                self.connection = Some(connection);
                self.lease = Some(Lease { position: last, renewed_at: Instant::now(), ..lease });
                Ok(Step::Moved { to: last })
            }
            Err(poison) => {
                transaction.rollback().await?;
                self.stumble(lease, last, poison).await
            }
        }
    }

    /// Takes the lease where it is free. From here on any older runner finds its epoch outdated.
    ///
    /// Whoever holds a lease also holds a lock of their session that goes by their name. A lease whose holder's lock is
    /// free is free: the session has ended, and the process most likely with it. Where such locks mean nothing, behind a
    /// pooler of transactions, the epoch still lets only one of them commit.
    async fn acquire(&mut self) -> Result<Result<Lease, Step>, sqlx::Error> {
        crash::point("follower.before_lease");
        let name = self.follower.name();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await?.detach(),
        };
        sqlx::query("select pg_advisory_lock_shared(hashtextextended($1, 0))")
            .bind(&self.holder)
            .execute(&mut connection)
            .await?;
        sqlx::query("insert into log.followers (name) values ($1) on conflict do nothing")
            .bind(name)
            .execute(&mut connection)
            .await?;
        let row: Option<(i64, i64, Option<String>)> = sqlx::query_as(
            "update log.followers set epoch = epoch + 1, holder = $2, lease_until = now() + $3 * interval '1 second' \
             where name = $1 and (holder is null or holder = $2 or lease_until < now() \
                                  or pg_try_advisory_xact_lock(hashtextextended(holder, 0))) \
             returning epoch, position, parked_reason",
        )
        .bind(name)
        .bind(&self.holder)
        .bind(lease_seconds())
        .fetch_optional(&mut connection)
        .await?;
        self.connection = Some(connection);
        crash::point("follower.after_lease");
        Ok(match row {
            None => Err(Step::Elsewhere),
            Some((_epoch, at, Some(reason))) => Err(Step::Parked { at, reason }),
            Some((epoch, position, None)) => {
                let lease = Lease { epoch, position, renewed_at: Instant::now() };
                self.lease = Some(lease);
                Ok(lease)
            }
        })
    }

    async fn renew(&mut self, lease: Lease) -> Result<Step, sqlx::Error> {
        if lease.renewed_at.elapsed() > LEASE / 3 {
            let mut connection = self.pool.acquire().await?;
            if !move_checkpoint(&mut connection, self.follower.name(), lease, lease.position, None).await? {
                return Ok(Step::Elsewhere);
            }
            self.lease = Some(Lease { renewed_at: Instant::now(), ..lease });
        }
        Ok(Step::Idle { at: lease.position })
    }

    /// A batch that failed is gone through one by one; an event that failed alone is counted, and in the end parked at.
    async fn stumble(&mut self, lease: Lease, last: i64, poison: Poison) -> Result<Step, sqlx::Error> {
        let reason = match poison {
            Poison::Event(reason) => reason,
            Poison::Database(sqlx::Error::Database(refusal)) if is_about_data(refusal.code().as_deref()) => {
                refusal.to_string()
            }
            Poison::Database(failure) => return Err(failure),
        };
        let at = lease.position.saturating_add(1);
        if last > at {
            self.careful_upto = last;
            return Ok(Step::Stumbled { at, failures: 0, reason });
        }
        let row: Option<(i32, Option<String>)> = sqlx::query_as(
            "update log.followers set failures = failures + 1, \
                 parked_reason = case when failures + 1 >= $3 then $4 end, \
                 parked_at = case when failures + 1 >= $3 then now() end \
             where name = $1 and epoch = $2 returning failures, parked_reason",
        )
        .bind(self.follower.name())
        .bind(lease.epoch)
        .bind(FAILURES_BEFORE_PARKING)
        .bind(format!("position {at}: {reason}"))
        .fetch_optional(&self.pool)
        .await?;
        Ok(match row {
            None => Step::Elsewhere,
            Some((_failures, Some(reason))) => Step::Parked { at: lease.position, reason },
            Some((failures, None)) => Step::Stumbled { at, failures, reason },
        })
    }

    /// Lets the next runner begin at once.
    async fn release(self) {
        let released =
            sqlx::query("update log.followers set holder = null, lease_until = null where name = $1 and holder = $2")
                .bind(self.follower.name())
                .bind(&self.holder)
                .execute(&self.pool)
                .await;
        if let Err(reason) = released {
            tracing::warn!(follower = self.follower.name(), %reason, "the lease was not released; it will run out");
        }
    }
}

/// Moves the checkpoint and renews the lease, if this runner is still the one. The row stays locked until the work is
/// committed with it.
/// `upto` is the event worked on last: it must stand in the log as it was read, or the log is another one by now.
async fn move_checkpoint(
    books: &mut PgConnection,
    name: &str,
    lease: Lease,
    to: i64,
    upto: Option<Uuid>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "update log.followers set position = $4, failures = case when $4 > position then 0 else failures end, \
             lease_until = now() + $5 * interval '1 second', moved_at = now() \
         where name = $1 and epoch = $2 and position = $3 and parked_reason is null \
           and ($6::uuid is null or exists (select from log.events where position = $4 and event_id = $6))",
    )
    .bind(name)
    .bind(lease.epoch)
    .bind(lease.position)
    .bind(to)
    .bind(lease_seconds())
    .bind(upto)
    .execute(books)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Asks for what a commit would say too late, or not at all: constraints that were put off, and an error that the work
/// has passed over (the commit of a broken transaction is a rollback that reports success).
async fn make_sure(books: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("set constraints all immediate").execute(books).await.map(drop)
}

/// What a panic said. Whatever it left half done is in the transaction, which is rolled back.
fn last_words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the work panicked: {}", said.unwrap_or("it did not say why"))
}

fn lease_seconds() -> f64 {
    LEASE.as_secs_f64()
}

/// Data exceptions, constraints, limits, and a transaction that was broken before: trying again by itself will not help.
fn is_about_data(code: Option<&str>) -> bool {
    code == Some("25P02")
        || code.and_then(|code| code.get(..2)).is_some_and(|class| matches!(class, "22" | "23" | "54"))
}
