//! How this process reaches the database: with few rights, never waiting for ever.

use std::str::FromStr;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Error, Executor};

/// The role every connection of the application runs as, whoever logged in.
pub(crate) const APPLICATION_ROLE: &str = "daybook_app";

/// The role of whoever writes read models: it owns those, and reads the log.
const PROJECTOR_ROLE: &str = "daybook_projector";

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long a read of the log may wait for a connection: whoever asks is told within a second that none is free.
const FREE_WITHIN: Duration = Duration::from_millis(900);

/// The same of everybody else's: a database that is away is told of within two seconds.
const LENT_WITHIN: Duration = Duration::from_millis(1_500);

/// Commits that do not wait for the disk.
const UNHURRIED: (&str, &str) = ("synchronous_commit", "off");

/// The address is not one.
#[derive(Debug, thiserror::Error)]
#[error("the database address is not a Postgres URL: {0}")]
pub struct InvalidUrl(String);

/// A database and the two ways of asking it: the log's own statements, which must go by index however small the log
/// was when they were planned, and everybody else's.
#[derive(Clone, Debug)]
pub struct Database {
    options: PgConnectOptions,
}

impl Database {
    /// Reads an address. No connection is made yet.
    ///
    /// # Errors
    /// [`InvalidUrl`]; the password in it is not repeated.
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|reason| InvalidUrl(reason.to_string()))?
            .application_name("daybook")
            // A backend whose client went away gives up its place at the head of the log.
            // The append relies on each of its statements seeing what was committed before it.
            .options([
                ("role", APPLICATION_ROLE),
                ("client_connection_check_interval", "2s"),
                ("default_transaction_isolation", "read\\ committed"),
            ])
            .disable_statement_logging();
        Ok(Self { options })
    }

    /// Connections for followers and readers.
    pub fn pool(&self, connections: u32) -> PgPool {
        Self::made_of(self.options.clone(), connections)
    }

    /// Connections for questions: they change nothing, and a statement that takes too long is given up.
    pub fn reader_pool(&self, connections: u32, statement_within: Duration) -> PgPool {
        let limit = statement_within.as_millis().to_string();
        let options = self.options.clone().options([
            ("default_transaction_read_only", "on"),
            ("statement_timeout", limit.as_str()),
            ("jit", "off"),
        ]);
        Self::made_of(options, connections)
    }

    /// Connections for followers whose rows can be derived from the log again: their commits do not wait for the disk.
    /// A crash may take the last of them away, each whole, with the checkpoint in it; then they are made again.
    pub fn derived_pool(&self, connections: u32) -> PgPool {
        Self::made_of(self.options.clone().options([UNHURRIED]), connections)
    }

    /// The same for those whose tables are read by key alone: by index, however small a table was when the statement was
    /// planned.
    pub fn derived_pool_by_index(&self, connections: u32) -> PgPool {
        Self::made_of(self.options.clone().options([UNHURRIED, ("enable_seqscan", "off"), ("jit", "off")]), connections)
    }

    /// Connections that write read models. What they look up by key goes by index, however small a table was when the
    /// statement was planned.
    pub fn projector_pool(&self, connections: u32) -> PgPool {
        let by_index =
            [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("jit", "off")];
        Self::made_of(self.as_projector().options(by_index), connections)
    }

    /// One connection that makes and compares read models, with the planner's own judgement.
    ///
    /// # Errors
    /// The database cannot be reached, or whoever logged in may not become the projector.
    pub async fn connect_as_projector(&self) -> Result<PgConnection, Error> {
        match tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&self.as_projector())).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(Error::PoolTimedOut),
        }
    }

    fn as_projector(&self) -> PgConnectOptions {
        self.options.clone().options([("role", PROJECTOR_ROLE), ("synchronous_commit", "off")])
    }

    fn made_of(options: PgConnectOptions, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(LENT_WITHIN)
            .test_before_acquire(false)
            // A `begin` that was given up half way leaves a transaction sqlx does not know of: end it before reuse. Where
            // that cannot be done, the connection is dropped; whoever needs the database notices by themselves.
            .after_release(|connection, _metadata| {
                Box::pin(async move { Ok(connection.execute("begin; rollback").await.is_ok()) })
            })
            .connect_lazy_with(options)
    }

    /// Connections for the log's own statements.
    pub(crate) fn log_pool(&self, connections: u32) -> PgPool {
        Self::made_of_log(self.log_options(), connections)
    }

    /// The same for what may be lost (snapshots, words to others): their commits do not make an append wait for its
    /// turn at the disk.
    pub(crate) fn unhurried_log_pool(&self, connections: u32) -> PgPool {
        Self::made_of_log(self.log_options().options([UNHURRIED]), connections)
    }

    fn made_of_log(options: PgConnectOptions, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(FREE_WITHIN)
            .test_before_acquire(false)
            .connect_lazy_with(options)
    }

    /// The connection of the append: its commits are durable.
    pub(crate) async fn connect(&self) -> Result<PgConnection, Error> {
        match tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&self.log_options())).await {
            Ok(connected) => connected,
            Err(_elapsed) => Err(Error::PoolTimedOut),
        }
    }

    fn log_options(&self) -> PgConnectOptions {
        self.options.clone().options([("enable_seqscan", "off"), ("jit", "off")])
    }
}

/// Whether what was written cannot be read any more: that page, and nothing else. Then it is told of here, once for all who
/// ask.
pub fn is_of_a_damaged_page(failure: &Error) -> bool {
    let code = failure.as_database_error().and_then(DatabaseError::code);
    let is_damaged = code.is_some_and(|code| ["XX", "58"].iter().any(|class| code.starts_with(class)));
    if is_damaged {
        tracing::error!(alarm = "a page of the database is damaged", %failure, "a question was not answered: `daybook verify`");
    }
    is_damaged
}
