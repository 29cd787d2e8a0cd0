//! What can end a command, each as one sentence that says what to do.

use std::{io, net::SocketAddr};

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Postgres(#[from] embedded_postgres::Error),

    #[error("{what}: {source}")]
    Database {
        what: String,
        #[source]
        source: sqlx::Error,
    },

    #[error("the migrations could not be applied: {0}")]
    Migration(#[from] event_store::schema::MigrationFailure),

    #[error("{listen} is taken by {by}: stop it, or choose another address with --listen 127.0.0.1:<port>")]
    AddressTaken { listen: SocketAddr, by: String },

    #[error("no database is named: {0}")]
    NoDatabase(String),

    #[error(
        "the schema is at version {applied}, and this binary reads version {known}; nothing was read: run `daybook migrate`"
    )]
    Schema { applied: i64, known: i64 },

    #[error(transparent)]
    MasterKey(#[from] vault::MasterKeyFailure),

    #[error(
        "no master key is named: give --master-key-file FILE or DAYBOOK_MASTER_KEY_FILE; \
         make one with `openssl rand -hex 32` and keep a copy where the database is not"
    )]
    NoMasterKey,

    #[error(
        "this ledger was begun under another master key, and nothing was done: name that one. Under this one no \
         credential, no sealed value and no idempotency key of the ledger would be known again"
    )]
    OtherMasterKey,

    #[error(transparent)]
    Demo(#[from] command_api::demo::DemoFailure),

    #[error(
        "{listen} can be reached from other machines, and `daybook dev` has a merchant whose key everybody knows: \
         listen on 127.0.0.1, or use `daybook serve`"
    )]
    DemoInPublic { listen: SocketAddr },

    #[error(
        "{listen} can be reached from other machines, and so could /metrics: name a token that opens it with \
         --metrics-token-file FILE or DAYBOOK_METRICS_TOKEN_FILE; make one with `openssl rand -hex 32`"
    )]
    MetricsInPublic { listen: SocketAddr },

    #[error(
        "{what} is too plain to be a secret: at least {least} characters, few of them alike (`openssl rand -hex 32`)"
    )]
    WeakToken { what: String, least: usize },

    #[error("{0}")]
    Settings(String),

    #[error("nothing was served: {0}. `daybook doctor` says how to mend it")]
    Unbound(String),

    #[error("it did not end within {0} s: what was under way was cut off; nothing that was acknowledged is lost")]
    CutShort(u64),

    #[error("{0}")]
    NotThere(String),

    #[error(transparent)]
    CheckpointKey(#[from] audit::key::KeyFailure),

    #[error(transparent)]
    Verify(#[from] audit::verify::VerifyFailure),

    #[error(
        "this is not the log that was signed, and it is not served: {0}. It was restored from an older copy, or \
         changed: `daybook verify` says where. To serve it all the same, put the directory of checkpoints elsewhere"
    )]
    OtherLog(String),

    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
}

/// Names what was attempted, so that "permission denied" has a subject.
pub(crate) trait Attempt<T> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Failure::Io { what: what(), source })
    }
}

impl<T> Attempt<T> for std::result::Result<T, sqlx::Error> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Failure::Database { what: what(), source })
    }
}
