//! How the database is reached: as the application's role, or as the owner who migrates.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool, Row as _,
    migrate::{Migrate as _, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::failure::{Attempt as _, Result};

/// The role every connection of the application takes on; it may append to the log and never change it.
pub(crate) const APP_ROLE: &str = "daybook_app";

/// How long a request may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

const MAX_CONNECTIONS: u32 = 20;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// What this binary's migrations are to a database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    /// The newest version this binary knows, and the newest the database has.
    pub(crate) wanted: i64,
    pub(crate) applied: i64,
    /// Known here and not applied there.
    pub(crate) missing: Vec<i64>,
    /// Applied there with another text than the one known here, half applied, or unknown here.
    pub(crate) foreign: Vec<i64>,
}

impl Schema {
    pub(crate) fn is_current(&self) -> bool {
        self.missing.is_empty() && self.foreign.is_empty()
    }
}

/// Applies what is missing, as the owner. The one place that migrates.
pub(crate) async fn migrate(owner_url: &str) -> Result<Schema> {
    let mut connection = connect(owner_options(owner_url)?).await?;
    MIGRATIONS.run_direct(&mut connection).await?;
    let grant = format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
           GRANT SELECT ON _sqlx_migrations TO {APP_ROLE}; END IF; END $$"
    );
    sqlx::raw_sql(&grant)
        .execute(&mut connection)
        .await
        .attempt(|| "letting the application see the version".to_owned())?;
    schema(&mut connection).await
}

/// Compares the migrations of this binary with those of a database. The one place that looks.
pub(crate) async fn schema(connection: &mut PgConnection) -> Result<Schema> {
    let known: Vec<_> = MIGRATIONS.iter().filter(|migration| migration.migration_type.is_up_migration()).collect();
    let wanted = known.iter().map(|migration| migration.version).max().unwrap_or_default();
    let describe = || "reading which migrations are applied".to_owned();
    let exists = sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&mut *connection).await;
    if !exists.attempt(describe)?.try_get::<bool, _>(0).attempt(describe)? {
        return Ok(Schema {
            wanted,
            missing: known.iter().map(|migration| migration.version).collect(),
            ..Schema::default()
        });
    }
    let dirty = connection.dirty_version().await?;
    let applied = connection.list_applied_migrations().await?;
    let foreign = applied.iter().filter(|there| {
        dirty == Some(there.version)
            || !known.iter().any(|here| here.version == there.version && here.checksum == there.checksum)
    });
    let missing = known.iter().filter(|here| !applied.iter().any(|there| there.version == here.version));
    Ok(Schema {
        wanted,
        applied: applied.iter().map(|there| there.version).max().unwrap_or_default(),
        missing: missing.map(|here| here.version).collect(),
        foreign: foreign.map(|there| there.version).collect(),
    })
}

/// The application's connections. They are made when first needed, so that a server may start before its database.
pub(crate) fn pool(url: &str) -> Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    Ok(options.test_before_acquire(false).connect_lazy_with(app_options(url)?))
}

pub(crate) fn app_options(url: &str) -> Result<PgConnectOptions> {
    Ok(owner_options(url)?.options([("role", APP_ROLE)]))
}

pub(crate) fn owner_options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).attempt(|| "the database's URL cannot be read".to_owned())?;
    Ok(options.application_name("daybook"))
}

pub(crate) async fn connect(options: PgConnectOptions) -> Result<PgConnection> {
    let place = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    PgConnection::connect_with(&options).await.attempt(|| format!("the database at {place} cannot be reached"))
}
