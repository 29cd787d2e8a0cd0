//! How the database is reached: as the application's role, or as the owner who migrates.

use std::{str::FromStr as _, time::Duration};

use event_store::{
    Database, Limits, Store, Upcasters,
    schema::{self, Status},
};
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};
use vault::Vault;

use crate::failure::{Attempt as _, Failure, Result};

/// Enough for the probes; the store and its followers bring their own.
const PROBE_CONNECTIONS: u32 = 4;
/// As many questions at once; others wait for a connection.
const READER_CONNECTIONS: u32 = 8;
/// A question that takes longer is to be narrowed.
const QUESTION_WITHIN: Duration = Duration::from_secs(5);
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// One works while the other takes the lease.
const FOLLOWER_CONNECTIONS: u32 = 2;
const WORK_CONNECTIONS: u32 = 6;

/// Applies what is missing, as the owner.
pub(crate) async fn migrate(owner_url: &str) -> Result<Status> {
    Ok(schema::migrate(owner_url).await?)
}

/// Compares a database with the migrations of this binary.
pub(crate) async fn status(connection: &mut PgConnection) -> Result<Status> {
    schema::status(connection).await.attempt(|| "reading which migrations are applied".to_owned())
}

/// The version a list of migrations comes to.
pub(crate) fn version(migrations: &[i64]) -> i64 {
    migrations.iter().copied().max().unwrap_or_default()
}

pub(crate) fn parse(app_url: &str) -> Result<Database> {
    Database::parse(app_url).map_err(|reason| Failure::NoDatabase(reason.to_string()))
}

/// The application's connections, made when first needed, so that a server may start before its database.
pub(crate) fn pool(app_url: &str) -> Result<PgPool> {
    Ok(parse(app_url)?.pool(PROBE_CONNECTIONS))
}

/// Connections for questions.
pub(crate) fn reader_pool(app_url: &str) -> Result<PgPool> {
    Ok(parse(app_url)?.reader_pool(READER_CONNECTIONS, QUESTION_WITHIN))
}

/// Connections of a follower whose rows can be derived from the log again.
pub(crate) fn derived_pool(app_url: &str) -> Result<PgPool> {
    Ok(parse(app_url)?.derived_pool(FOLLOWER_CONNECTIONS))
}

/// For the processes: their follower, what is due, what was looked at.
pub(crate) fn work_pool(app_url: &str) -> Result<PgPool> {
    Ok(parse(app_url)?.derived_pool_by_index(WORK_CONNECTIONS))
}

/// The log, for a process that writes to it. No connection is made yet.
pub(crate) fn store(app_url: &str) -> Result<Store> {
    Ok(Store::open(parse(app_url)?, Upcasters::default(), Limits::default()))
}

/// Closes the log of a command that has its answer. One whose database has gone away does not wait for it for ever.
pub(crate) async fn close(store: &Store) {
    if tokio::time::timeout(CLOSE_WITHIN, store.close()).await.is_err() {
        tracing::warn!("the log did not close in time: the database does not answer");
    }
}

/// Makes sure that this is the master key the ledger was begun with.
pub(crate) async fn recognise(pool: &PgPool, vault: &Vault) -> Result<()> {
    let looking = || "looking which master key the ledger was begun with".to_owned();
    vault::leave_mark(pool, vault).await.attempt(looking)?;
    let is_its_key = vault::is_its_key(pool, vault).await.attempt(looking)?;
    if is_its_key { Ok(()) } else { Err(Failure::OtherMasterKey) }
}

/// What would keep the log from being what it is, if there is anything: asked on a connection of the application's role.
pub(crate) async fn unbound(connection: &mut PgConnection) -> std::result::Result<Option<String>, sqlx::Error> {
    match over_entitled(&mut *connection).await? {
        Some(what) => Ok(Some(what)),
        None => unlasting(connection).await,
    }
}

/// Settings without which an acknowledged command could be lost or torn, and what they may be.
pub(crate) const DURABLE: [(&str, &[&str]); 3] =
    [("fsync", &["on"]), ("full_page_writes", &["on"]), ("synchronous_commit", &["on", "remote_apply"])];
/// A commit that a timer ends while it waits for a standby may stand there or not: none of these may run.
pub(crate) const TIMERS: [&str; 2] = ["statement_timeout", "transaction_timeout"];

/// How the database is set for commits of the application, where that is not as it must be.
async fn unlasting(connection: &mut PgConnection) -> std::result::Result<Option<String>, sqlx::Error> {
    let wanted = DURABLE.into_iter().chain(TIMERS.map(|timer| (timer, &["0"][..])));
    let names: Vec<&str> = wanted.clone().map(|(name, _good)| name).collect();
    // Nothing where this Postgres does not know the setting.
    let settings =
        "select current_setting(name, true) from unnest($1::text[]) with ordinality as s (name, n) order by n";
    let seen: Vec<Option<String>> = sqlx::query_scalar(settings).bind(names).fetch_all(connection).await?;
    let mut seen = wanted.zip(seen).filter_map(|((name, good), seen)| seen.map(|seen| (name, good, seen)));
    let wrong = seen.find(|(_name, good, seen)| !good.contains(&seen.as_str()));
    Ok(wrong.map(|(name, _good, seen)| {
        format!("the database sets {name} = {seen} for the application: what was acknowledged could be lost")
    }))
}

async fn over_entitled(connection: &mut PgConnection) -> std::result::Result<Option<String>, sqlx::Error> {
    let rights = "select r.rolsuper, r.rolbypassrls, coalesce(t.owns, false), coalesce(t.may_change, false) from pg_roles r \
         left join (select pg_has_role(current_user, c.relowner, 'MEMBER') as owns, \
                           has_table_privilege(current_user, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') \
                           or has_any_column_privilege(current_user, c.oid, 'UPDATE') as may_change \
                    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                    where n.nspname = 'log' and c.relname = 'events') t on true \
         where r.rolname = current_user";
    let (is_super, bypasses, owns, may_change): (bool, bool, bool, bool) =
        sqlx::query_as(rights).fetch_one(connection).await?;
    let what = match (is_super, bypasses, owns, may_change) {
        (true, ..) => "is a superuser",
        (false, true, ..) => "bypasses row security",
        (false, false, true, _) => "owns the table of events",
        (false, false, false, true) => "may change events by itself",
        (false, false, false, false) => return Ok(None),
    };
    Ok(Some(format!("the application's role {what}: nothing would keep events as they are")))
}

/// One connection of the owner.
pub(crate) async fn connect(owner_url: &str) -> Result<PgConnection> {
    let options = PgConnectOptions::from_str(owner_url).attempt(|| "the database's URL cannot be read".to_owned())?;
    let place = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    let options = options.application_name("daybook");
    PgConnection::connect_with(&options).await.attempt(|| format!("the database at {place} cannot be reached"))
}
