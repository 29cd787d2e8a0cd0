//! What can go wrong, each as one sentence that says what to do.

use std::{io, path::PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "no Postgres {supported} was found ({looked}): run scripts/setup, install your distribution's postgresql \
         package, or point DAYBOOK_POSTGRES_BIN at a directory with `postgres` and `initdb`"
    )]
    NoBinaries { supported: String, looked: String },

    #[error(
        "DAYBOOK_POSTGRES_BIN is {directory}, but {reason}: point it at the directory of a Postgres 15-18 or unset it"
    )]
    UnusableBinaries { directory: PathBuf, reason: String },

    #[error(
        "{data_dir} holds files but no PG_VERSION, so it is not a Postgres data directory; nothing was changed: \
         restore it from a backup, or move it away (mv {data_dir} {data_dir}.broken) to start with an empty one"
    )]
    NotADataDirectory { data_dir: PathBuf },

    #[error(
        "{data_dir} was written by Postgres {written_by}, and only Postgres {found} was found; nothing was changed: \
         install Postgres {written_by} (or point DAYBOOK_POSTGRES_BIN at it), or upgrade the directory with pg_upgrade"
    )]
    OtherMajor { data_dir: PathBuf, written_by: String, found: String },

    #[error(
        "{link} points to {target}, which does not exist, and the data was there: \
         restore it, or remove the link to start with an empty database"
    )]
    DanglingLink { link: PathBuf, target: PathBuf },

    #[error("{path} belongs to user id {owner} and this is user id {current}: run as that user, or set DATABASE_URL")]
    OtherOwner { path: PathBuf, owner: u32, current: u32 },

    #[error("Postgres must run as user id {uid}, which cannot enter {path}: open the way to it, or set DATABASE_URL")]
    Unreachable { path: PathBuf, uid: u32 },

    #[error("Postgres does not run as root, and neither `postgres` nor `nobody` is a user of this machine: add one")]
    NoUnprivilegedUser,

    #[error("{directory} must be a directory of user id {uid} closed to others (mode 0700), and is not: remove it")]
    UnsafeSocketDirectory { directory: PathBuf, uid: u32 },

    #[error("initdb could not prepare {data_dir}: {reason}")]
    Initdb { data_dir: PathBuf, reason: String },

    #[error("Postgres did not start on {data_dir}: {reason} (its log is in {log_dir}); nothing was changed")]
    DidNotStart { data_dir: PathBuf, reason: String, log_dir: PathBuf },

    #[error("Postgres (process {pid}) on {data_dir} did not answer within {seconds} s: look into {log_dir}")]
    Silent { data_dir: PathBuf, pid: i32, seconds: u64, log_dir: PathBuf },

    #[error("Postgres (process {pid}) did not stop within {seconds} s")]
    DidNotStop { pid: i32, seconds: u64 },

    #[error("no Postgres runs on {data_dir}")]
    NotRunning { data_dir: PathBuf },

    #[error("Postgres said: {message} ({code})")]
    Refused { code: String, message: String },

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

impl<T, E: Into<io::Error>> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::Io { what: what(), source: cause.into() })
    }
}
