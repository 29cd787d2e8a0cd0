//! Who may move a checkpoint: one runner at a time, told apart by an epoch.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

/// How often the same event may fail before the follower is parked at it.
const FAILURES_BEFORE_PARKING: i32 = 5;
/// How long a runner that is not heard of keeps others out. Safety does not rest on it: the epoch does that.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// What a runner is told that asks for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is ours, and the checkpoint stands here.
    Ours { at: i64 },
    /// Another runner holds it.
    Elsewhere,
    /// Stands still until an operator has looked at it.
    Parked { at: i64, reason: String },
}

/// What a runner believes; whoever moves the checkpoint makes sure of it in the same transaction.
#[derive(Clone, Copy)]
struct Held {
    epoch: i64,
    position: i64,
    renewed_at: Instant,
}

/// The right to move the checkpoint of one follower.
///
/// Whoever holds a lease also holds a lock of their session that goes by their name. A lease whose holder's lock is
/// free is free: the session has ended, and the process most likely with it. Where such locks mean nothing, behind a
/// pooler of transactions, the epoch still lets only one of them commit.
pub struct Lease {
    name: String,
    holder: String,
    held: Option<Held>,
}

impl Lease {
    pub fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), holder: Uuid::now_v7().to_string(), held: None }
    }

    /// Where the checkpoint stands, while the lease is ours.
    pub fn position(&self) -> Option<i64> {
        self.held.map(|held| held.position)
    }

    /// Takes the lease where it is free. From here on any older runner finds its epoch outdated. The session of this
    /// connection stands for the holder: it is to live as long as the lease.
    ///
    /// # Errors
    /// The database failed.
    pub async fn acquire(&mut self, connection: &mut PgConnection) -> Result<Taken, sqlx::Error> {
        sqlx::query("select pg_advisory_lock_shared(hashtextextended($1, 0))")
            .bind(&self.holder)
            .execute(&mut *connection)
            .await?;
        sqlx::query("insert into log.followers (name) values ($1) on conflict do nothing")
            .bind(&self.name)
            .execute(&mut *connection)
            .await?;
        let row: Option<(i64, i64, Option<String>)> = sqlx::query_as(
            "update log.followers set epoch = epoch + 1, holder = $2, lease_until = now() + $3 * interval '1 second' \
             where name = $1 and (holder is null or holder = $2 or lease_until < now() \
                                  or pg_try_advisory_xact_lock(hashtextextended(holder, 0))) \
             returning epoch, position, parked_reason",
        )
        .bind(&self.name)
        .bind(&self.holder)
        .bind(lease_seconds())
        .fetch_optional(&mut *connection)
        .await?;
        Ok(match row {
            None => Taken::Elsewhere,
            Some((_epoch, at, Some(reason))) => Taken::Parked { at, reason },
            Some((epoch, position, None)) => {
                self.held = Some(Held { epoch, position, renewed_at: Instant::now() });
                Taken::Ours { at: position }
            }
        })
    }

    /// Moves the checkpoint and renews the lease, if this runner is still the one. The row stays locked until the work
    /// is committed with it; then [`Lease::moved`] tells the lease so.
    /// `upto` is the event worked on last: it must stand in the log as it was read, or the log is another one by now.
    /// Whoever has the events from elsewhere than this database's log gives none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn advance(&self, books: &mut PgConnection, to: i64, upto: Option<Uuid>) -> Result<bool, sqlx::Error> {
        let Some(held) = self.held else { return Ok(false) };
        let moved = sqlx::query(
            "update log.followers set position = $4, failures = case when $4 > position then 0 else failures end, \
                 lease_until = now() + $5 * interval '1 second', moved_at = now() \
             where name = $1 and epoch = $2 and position = $3 and parked_reason is null \
               and ($6::uuid is null or exists (select from log.events where position = $4 and event_id = $6))",
        )
        .bind(&self.name)
        .bind(held.epoch)
        .bind(held.position)
        .bind(to)
        .bind(lease_seconds())
        .bind(upto)
        .execute(books)
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    /// What was moved in a transaction is committed.
    pub fn moved(&mut self, to: i64) {
        if let Some(held) = &mut self.held {
            (held.position, held.renewed_at) = (to, Instant::now());
        }
    }

    /// Whether it should be renewed where nothing moves it.
    pub fn is_due(&self) -> bool {
        self.held.is_some_and(|held| held.renewed_at.elapsed() > LEASE / 3)
    }

    /// Nothing is believed any more; the next step asks again.
    pub fn forget(&mut self) {
        self.held = None;
    }

    /// Counts a failure at the next event, and parks the follower there in the end: then `Some` reason.
    ///
    /// # Errors
    /// The database failed.
    pub async fn count_failure(&self, books: &mut PgConnection, reason: &str) -> Result<Option<Failed>, sqlx::Error> {
        self.fail(books, reason, FAILURES_BEFORE_PARKING).await
    }

    /// Parks the follower at once: what is wrong does not go away by trying again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn park(&self, books: &mut PgConnection, reason: &str) -> Result<Option<Failed>, sqlx::Error> {
        self.fail(books, reason, 1).await
    }

    async fn fail(&self, books: &mut PgConnection, reason: &str, most: i32) -> Result<Option<Failed>, sqlx::Error> {
        let Some(held) = self.held else { return Ok(None) };
        let row: Option<(i32, Option<String>)> = sqlx::query_as(
            "update log.followers set failures = failures + 1, \
                 parked_reason = case when failures + 1 >= $3 then $4 end, \
                 parked_at = case when failures + 1 >= $3 then now() end \
             where name = $1 and epoch = $2 returning failures, parked_reason",
        )
        .bind(&self.name)
        .bind(held.epoch)
        .bind(most)
        .bind(reason)
        .fetch_optional(books)
        .await?;
        Ok(row.map(|(failures, parked)| match parked {
            Some(reason) => Failed::Parked { at: held.position, reason },
            None => Failed::Counted { failures },
        }))
    }

    /// Lets the next runner begin at once.
    ///
    /// # Errors
    /// The database failed: the lease will run out.
    pub async fn release(&mut self, books: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.held = None;
        sqlx::query("update log.followers set holder = null, lease_until = null where name = $1 and holder = $2")
            .bind(&self.name)
            .bind(&self.holder)
            .execute(books)
            .await
            .map(drop)
    }
}

/// What became of a failure that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    Counted { failures: i32 },
    Parked { at: i64, reason: String },
}

fn lease_seconds() -> f64 {
    LEASE.as_secs_f64()
}
