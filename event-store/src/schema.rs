//! The shape of the database: forward-only migrations, run as its owner.

use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection as _, Executor};

use crate::connect::APPLICATION_ROLE;

/// What a later release has applied is its own business: it only ever adds to what this one needs.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations");
    migrations.set_ignore_missing(true);
    migrations
});

/// One process migrates at a time; others wait here, as long as it takes.
const ONE_AT_A_TIME: &str = "select pg_advisory_lock(40003, 1)";
/// Whoever wants a table after a migration waits behind it: so long, and not longer.
const LOCK_WITHIN: &str = "set lock_timeout = '1s'";
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// Waited for a lock in vain.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Who has been in a transaction for longest.
const HOLDERS: &str = "select coalesce(string_agg(format('process %s (%s) has been in a transaction for %s s', pid, \
     coalesce(nullif(application_name, ''), 'nameless'), seconds), '; '), 'nobody seems to hold it now') \
     from (select pid, application_name, extract(epoch from now() - xact_start)::bigint as seconds \
           from pg_stat_activity where datname = current_database() and xact_start is not null \
           and pid <> pg_backend_pid() order by xact_start limit 3) longest";

/// Why a database is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFailure {
    #[error(transparent)]
    Broken(#[from] MigrateError),
    #[error(
        "version {version} needs a lock that others hold, and was tried {TRIES} times, for a second each, so that nobody \
         waits behind it for longer; nothing of it was applied, and everything serves as before. {holders}. End that, or \
         wait for it, and run it again"
    )]
    Held { version: i64, holders: String },
}

impl From<sqlx::Error> for MigrationFailure {
    fn from(failure: sqlx::Error) -> Self {
        Self::Broken(failure.into())
    }
}

/// What the database has, beside what this program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub applied: Vec<i64>,
    pub known: Vec<i64>,
    /// Applied migrations whose text is not the one this program holds.
    pub altered: Vec<i64>,
}

impl Status {
    /// Whether the database is at least as new as this program needs.
    pub fn is_current(&self) -> bool {
        self.altered.is_empty() && self.known.iter().all(|version| self.applied.contains(version))
    }
}

/// Brings a database up to date, connecting as its owner. Safe to repeat, to run twice at once, and under traffic.
///
/// # Errors
/// The owner cannot connect; a migration fails, was altered after it had been applied, or does not get its locks.
pub async fn migrate(owner_url: &str) -> Result<Status, MigrationFailure> {
    apply(owner_url, &MIGRATIONS).await
}

/// The same with the migrations of whichever release.
///
/// # Errors
/// As [`migrate`].
pub async fn apply(owner_url: &str, migrations: &Migrator) -> Result<Status, MigrationFailure> {
    let options = PgConnectOptions::from_str(owner_url)?.application_name("daybook migrate");
    let mut tries: u32 = 0;
    loop {
        tries = tries.saturating_add(1);
        // A connection of its own for each try: whatever a try leaves behind goes with it.
        let mut owner = options.connect().await?;
        let tried = run(&mut owner, migrations).await;
        owner.close().await?;
        let failure = match tried {
            Ok(status) => return Ok(status),
            Err(failure) => failure,
        };
        let Some(version) = held(&failure) else { return Err(failure.into()) };
        if tries == TRIES {
            let holders = sqlx::query_scalar(HOLDERS).fetch_one(&mut options.connect().await?).await?;
            return Err(MigrationFailure::Held { version, holders });
        }
        tracing::info!(version, tries, "a migration did not get its lock in time, and is tried again");
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

async fn run(owner: &mut PgConnection, migrations: &Migrator) -> Result<Status, MigrateError> {
    owner.execute(ONE_AT_A_TIME).await?;
    owner.execute(LOCK_WITHIN).await?;
    migrations.run(&mut *owner).await?;
    let grant = format!("grant select on _sqlx_migrations to {APPLICATION_ROLE}");
    owner.execute(grant.as_str()).await?;
    Ok(status(owner).await?)
}

/// The migration that waited for a lock in vain, if that is what failed.
fn held(failure: &MigrateError) -> Option<i64> {
    let (cause, version) = if let MigrateError::ExecuteMigration(cause, version) = failure {
        (cause, *version)
    } else if let MigrateError::Execute(cause) = failure {
        (cause, 0)
    } else {
        return None;
    };
    let code = cause.as_database_error().and_then(DatabaseError::code);
    (code.as_deref() == Some(LOCK_NOT_AVAILABLE)).then_some(version)
}

/// Compares a database with what this program knows. A database without migrations is an empty list, not an error.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn status(connection: &mut PgConnection) -> Result<Status, sqlx::Error> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut *connection).await?;
    let applied: Vec<(i64, Vec<u8>)> = if exists {
        sqlx::query_as("select version, checksum from _sqlx_migrations where success order by version")
            .fetch_all(connection)
            .await?
    } else {
        Vec::new()
    };
    let altered = applied
        .iter()
        .filter(|(version, checksum)| {
            MIGRATIONS.iter().any(|known| known.version == *version && *known.checksum != **checksum)
        })
        .map(|(version, _checksum)| *version)
        .collect();
    let known = MIGRATIONS.iter().map(|known| known.version).collect();
    Ok(Status { applied: applied.into_iter().map(|(version, _checksum)| version).collect(), known, altered })
}

/// The checksums of all migrations this program holds, in order.
pub fn known_checksums() -> impl Iterator<Item = &'static [u8]> {
    MIGRATIONS.iter().map(|known| &*known.checksum)
}
