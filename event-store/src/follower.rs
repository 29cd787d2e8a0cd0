//! Followers of the log: events, work and checkpoint in one transaction, one runner.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::watch;

use crate::crash;
use crate::lease::{Failed, LEASE, Lease, Taken};
use crate::recorded::Recorded;
use crate::store::Store;

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

    /// The transaction that did the work is committed. Not told where the process died meanwhile.
    fn committed(&self, _events: &[Arc<Recorded>], _begun_at: SystemTime) {}
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

impl Poison {
    /// Why the events themselves are the trouble.
    ///
    /// # Errors
    /// They are not: the database failed, and the step is simply repeated.
    pub fn about_the_event(self) -> Result<String, sqlx::Error> {
        match self {
            Self::Event(reason) => Ok(reason),
            Self::Database(sqlx::Error::Database(refusal)) if is_about_data(refusal.code().as_deref()) => {
                Ok(refusal.to_string())
            }
            Self::Database(failure) => Err(failure),
        }
    }
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

/// A follower with its place in the log.
pub struct Follow<F> {
    follower: F,
    pool: PgPool,
    /// Its own: a step takes it out, and where that is given up half way (a copy may be under way), it goes with it.
    connection: Option<PgConnection>,
    /// Held so that the tail does not end while somebody follows it.
    store: Store,
    lease: Lease,
    /// Events up to here go one by one: one of them is poison.
    careful_upto: i64,
    /// Where the last step ended, as far as `run` has looked.
    at: i64,
    pace: Duration,
}

impl<F: Follower> Follow<F> {
    pub(crate) fn new(follower: F, pool: PgPool, store: Store) -> Self {
        let lease = Lease::of(follower.name());
        Self { follower, pool, connection: None, store, lease, careful_upto: 0, at: 0, pace: PACE }
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
            self.lease.forget();
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
        let left = self.store.shared.tail.last().map_or(0, |last| last.saturating_sub(to));
        moved >= most || left >= most || to < self.careful_upto
    }

    /// The work of the follower, for whoever made it.
    pub fn follower(&self) -> &F {
        &self.follower
    }

    async fn try_step(&mut self) -> Result<Step, sqlx::Error> {
        let at = match self.lease.position() {
            Some(position) => position,
            None => match self.acquire().await? {
                Taken::Ours { at } => at,
                Taken::Elsewhere => return Ok(Step::Elsewhere),
                Taken::Parked { at, reason } => return Ok(Step::Parked { at, reason }),
            },
        };
        let most = if at < self.careful_upto { 1 } else { EVENTS_PER_STEP };
        let events = self.store.events(at, most).await?;
        let Some((last, last_id)) = events.last().map(|event| (event.position, event.event_id)) else {
            return self.renew(at).await;
        };

        let begun_at = SystemTime::now();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await?.detach(),
        };
        let mut transaction = connection.begin().await?;
        if !self.lease.advance(&mut transaction, last, Some(last_id)).await? {
            return Ok(Step::Elsewhere);
        }
        match work(&mut self.follower, &mut transaction, &events).await {
            Ok(()) => {
                crash::point("follower.before_commit");
                transaction.commit().await?;
                crash::point("follower.after_commit");
                self.follower.committed(&events, begun_at);
                self.connection = Some(connection);
                self.lease.moved(last);
                Ok(Step::Moved { to: last })
            }
            Err(poison) => {
                transaction.rollback().await?;
                self.stumble(at, last, poison).await
            }
        }
    }

    async fn acquire(&mut self) -> Result<Taken, sqlx::Error> {
        crash::point("follower.before_lease");
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await?.detach(),
        };
        let taken = self.lease.acquire(&mut connection).await?;
        self.connection = Some(connection);
        crash::point("follower.after_lease");
        Ok(taken)
    }

    async fn renew(&mut self, at: i64) -> Result<Step, sqlx::Error> {
        if self.lease.is_due() {
            let mut connection = self.pool.acquire().await?;
            if !self.lease.advance(&mut connection, at, None).await? {
                return Ok(Step::Elsewhere);
            }
            self.lease.moved(at);
        }
        Ok(Step::Idle { at })
    }

    /// A batch that failed is gone through one by one; an event that failed alone is counted, and in the end parked at.
    async fn stumble(&mut self, at: i64, last: i64, poison: Poison) -> Result<Step, sqlx::Error> {
        let reason = poison.about_the_event()?;
        let next = at.saturating_add(1);
        if last > next {
            self.careful_upto = last;
            return Ok(Step::Stumbled { at: next, failures: 0, reason });
        }
        let mut connection = self.pool.acquire().await?;
        let failed = self.lease.count_failure(&mut connection, &format!("position {next}: {reason}")).await?;
        Ok(match failed {
            None => Step::Elsewhere,
            Some(Failed::Parked { at, reason }) => Step::Parked { at, reason },
            Some(Failed::Counted { failures }) => Step::Stumbled { at: next, failures, reason },
        })
    }

    /// Lets the next runner begin at once.
    async fn release(mut self) {
        let released = async { self.lease.release(&mut *self.pool.acquire().await?).await };
        if let Err(reason) = released.await {
            tracing::warn!(follower = self.follower.name(), %reason, "the lease was not released; it will run out");
        }
    }
}

/// Lets a follower work on events, so that what it has done may be committed. A panic is poison as any other.
///
/// # Errors
/// Nothing of it may be committed.
pub async fn work<F: Follower>(
    follower: &mut F,
    books: &mut PgConnection,
    events: &[Arc<Recorded>],
) -> Result<(), Poison> {
    crash::point("follower.before_work");
    let worked = AssertUnwindSafe(async { follower.apply(&mut *books, events).await }).catch_unwind().await;
    worked.unwrap_or_else(|panic| Err(Poison::Event(last_words(panic.as_ref()))))?;
    crash::point("follower.after_work");
    Ok(make_sure(books).await?)
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

/// Data exceptions, constraints, limits, and a transaction that was broken before: trying again by itself will not help.
fn is_about_data(code: Option<&str>) -> bool {
    code == Some("25P02")
        || code.and_then(|code| code.get(..2)).is_some_and(|class| matches!(class, "22" | "23" | "54"))
}
