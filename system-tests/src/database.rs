//! A database of its own for every test and bench, copied from a migrated template.

use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use event_store::{Database, Limits, Store, Upcasters};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

/// The server tests run on: a superuser's URL, set by `make test`.
pub const SERVER_VARIABLE: &str = "DAYBOOK_TEST_DATABASE_URL";

type Problem = Box<dyn std::error::Error + Send + Sync>;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// One migrated database.
#[derive(Clone, Debug)]
pub struct Ledger {
    url: String,
}

impl Ledger {
    /// The one that is there, by the URL of a superuser.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    /// A fresh ledger on the server of the tests.
    ///
    /// # Errors
    /// Where there is no server, or it does not do as it is asked.
    pub async fn fresh() -> Result<Self, Problem> {
        let server = std::env::var(SERVER_VARIABLE)
            .map_err(|_absent| format!("{SERVER_VARIABLE} is not set: run `make test`, which starts a Postgres"))?;
        Self::on(&server).await
    }

    /// A fresh ledger on a given server.
    ///
    /// # Errors
    /// Where the server does not do as it is asked.
    pub async fn on(server: &str) -> Result<Self, Problem> {
        let template = template(server).await?;
        let name = format!("ledger_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = PgConnection::connect(server).await?;
        // One copy at a time: a template in use cannot be copied.
        sqlx::query("select pg_advisory_lock(40003)").execute(&mut connection).await?;
        let create = format!("create database {name} template {template}");
        sqlx::query(&create).execute(&mut connection).await?;
        for setting in
            ["idle_in_transaction_session_timeout = '15s'", "timezone = 'UTC'", "search_path = \"$user\", public, read"]
        {
            sqlx::query(&format!("alter database {name} set {setting}")).execute(&mut connection).await?;
        }
        // Settings of a role in a database are not copied with it.
        let copied = "select format('alter role daybook_analyst in database %I set %s = %L', $1, split_part(said, '=', 1), \
             substr(said, strpos(said, '=') + 1)) \
             from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) said \
             where d.datname = $2 and s.setrole = 'daybook_analyst'::regrole";
        for copy in
            sqlx::query_scalar::<_, String>(copied).bind(&name).bind(&template).fetch_all(&mut connection).await?
        {
            sqlx::query(&copy).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(Self { url: in_database(server, &name)? })
    }

    /// The ledger as it stands now, once more: as one restored from a copy would be. Nobody may be connected to it.
    ///
    /// # Errors
    /// As [`Ledger::on`].
    pub async fn copy_of(ledger: &Self) -> Result<Self, Problem> {
        let name = format!("ledger_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (server, original) = (in_database(&ledger.url, "postgres")?, database_of(&ledger.url)?);
        let mut connection = PgConnection::connect(&server).await?;
        let leave = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
        sqlx::query(leave).bind(&original).execute(&mut connection).await?;
        sqlx::query(&format!("create database {name} template {original}")).execute(&mut connection).await?;
        connection.close().await?;
        Ok(Self { url: in_database(&ledger.url, &name)? })
    }

    /// As the superuser sees it: for looking behind the scenes, and for tampering.
    pub fn superuser_url(&self) -> &str {
        &self.url
    }

    /// As the application sees it.
    ///
    /// # Errors
    /// Never, for a URL that has worked before.
    pub fn database(&self) -> Result<Database, Problem> {
        Ok(Database::parse(&self.url)?)
    }

    /// A store with the usual limits.
    ///
    /// # Errors
    /// As [`Ledger::database`].
    pub fn store(&self) -> Result<Store, Problem> {
        self.store_with(Limits::default())
    }

    /// A store with limits of the test's own.
    ///
    /// # Errors
    /// As [`Ledger::database`].
    pub fn store_with(&self, limits: Limits) -> Result<Store, Problem> {
        Ok(Store::open(self.database()?, Upcasters::default(), limits))
    }

    /// One superuser connection.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn superuser(&self) -> Result<PgConnection, Problem> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    /// Superuser connections, for looking at the result.
    ///
    /// # Errors
    /// Where the URL does not parse.
    pub fn superuser_pool(&self) -> Result<PgPool, Problem> {
        let options = PgConnectOptions::from_str(&self.url)?.disable_statement_logging();
        Ok(PgPoolOptions::new().max_connections(4).connect_lazy_with(options))
    }
}

/// The template database, made and migrated by whoever comes first.
async fn template(server: &str) -> Result<String, Problem> {
    let name = format!("daybook_template_{}", fingerprint_of_migrations());
    let mut connection = PgConnection::connect(server).await?;
    sqlx::query("select pg_advisory_lock(40003)").execute(&mut connection).await?;
    let is_ready: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1 and datistemplate)")
            .bind(&name)
            .fetch_one(&mut connection)
            .await?;
    if !is_ready {
        sqlx::query(&format!("drop database if exists {name}")).execute(&mut connection).await?;
        sqlx::query(&format!("create database {name}")).execute(&mut connection).await?;
        event_store::schema::migrate(&in_database(server, &name)?).await?;
        sqlx::query(&format!("alter database {name} is_template true")).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(name)
}

/// Changes with any migration, so that a server that is kept does not serve an older template.
fn fingerprint_of_migrations() -> u64 {
    event_store::schema::known_checksums().fold(0, |sum: u64, checksum| {
        checksum.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    })
}

fn database_of(url: &str) -> Result<String, Problem> {
    let (_before, after) = url.split_once("://").ok_or("a URL has ://")?;
    let (_authority, rest) = after.split_once('/').ok_or("the URL names no database")?;
    Ok(rest.split_once('?').map_or(rest, |(database, _query)| database).to_owned())
}

/// The same server, another database.
///
/// # Errors
/// Where the URL does not parse.
pub fn in_database(server: &str, name: &str) -> Result<String, Problem> {
    let (before, after) = server.split_once("://").ok_or("a URL has ://")?;
    let (authority, rest) = after.split_once('/').ok_or("the URL names no database")?;
    let query = rest.split_once('?').map_or("", |(_database, query)| query);
    Ok(format!("{before}://{authority}/{name}?{query}"))
}
