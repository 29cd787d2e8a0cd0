//! A Postgres of our own for development and tests: found, initialised, started, stopped.
//!
//! Synchronous on purpose: it runs before there is a runtime and after it has gone. Nothing here deletes data
//! on its own, an ephemeral cluster excepted.

mod binaries;
mod cluster;
mod ephemeral;
mod error;
mod initialise;
mod place;
mod postmaster;
mod runner;
mod settings;
mod url;
mod wire;

pub use binaries::{Binaries, SUPPORTED_MAJORS};
pub use cluster::{Cluster, Options, Stop};
pub use error::{Error, Result};
pub use settings::Settings;
pub use wire::{Connection, Row};

/// The port of every Daybook Postgres. Without TCP it only names the socket file.
pub const DEFAULT_PORT: u16 = 40432;

/// The superuser of a cluster made here; trusted on a socket in a directory that only its owner may enter.
pub const SUPERUSER: &str = "postgres";

/// The database made in every cluster.
pub const DATABASE: &str = "daybook";
