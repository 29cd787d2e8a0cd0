//! The shape of the database: forward-only migrations, run as its owner.

use std::str::FromStr;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

use crate::connect::APPLICATION_ROLE;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

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

/// Brings a database up to date, connecting as its owner. Safe to repeat and to run twice at once.
///
/// # Errors
/// Where the owner cannot connect, or a migration fails or was altered after it had been applied.
pub async fn migrate(owner_url: &str) -> Result<Status, MigrateError> {
    let mut owner = PgConnectOptions::from_str(owner_url)?.application_name("daybook migrate").connect().await?;
    MIGRATIONS.run(&mut owner).await?;
    let grant = format!("grant select on _sqlx_migrations to {APPLICATION_ROLE}");
    owner.execute(grant.as_str()).await?;
    Ok(status(&mut owner).await?)
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
