//! A bundle: the log as files, with what was signed of it; checked with a key alone.
//!
//! Everything in it is as of one signed checkpoint. The manifest holds the hash of every other file, so that whoever keeps
//! the hash of the manifest has all of it; but nothing is believed for standing there: what counts is what was signed.

mod check;
mod journal;
mod make;
mod walk;

use std::io;
use std::path::{Path, PathBuf};

use domain::fact::Fact;
use event_store::Recorded;
use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::proofs::ProofsFailure;
use crate::receipt::{Growth, Receipt, Told};

pub use check::{Check, Finding, Report};
pub use make::Make;

/// The form of a bundle.
pub const FORMAT: &str = "daybook bundle v1";

pub const MANIFEST: &str = "manifest.json";
/// A line an event, in the order of the log.
pub const EVENTS: &str = "events.ndjson";
/// A line a signed note, smallest first.
pub const CHECKPOINTS: &str = "checkpoints.ndjson";
/// That each of some checkpoints has grown into the last, and that the last event is in it.
pub const PROOFS: &str = "proofs.ndjson";
/// The public keys found with the ledger. Whom to believe is not read here.
pub const KEYS: &str = "keys.txt";
/// What the events do to the books, in hledger's words.
pub const JOURNAL: &str = "journal.hledger";
/// JSON Schema of every payload.
pub const SCHEMAS: &str = "events.schema.json";

/// All of them but the manifest.
pub const FILES: [&str; 6] = [EVENTS, CHECKPOINTS, PROOFS, KEYS, JOURNAL, SCHEMAS];

/// What a bundle is, and the hash of each of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: String,
    /// Whose log.
    pub origin: String,
    /// How many events: all up to here.
    pub size: u64,
    pub program: String,
    pub files: Vec<Listed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// A line of the events: the fields of the leaf, and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    leaf: Hash,
    event: Told,
}

/// A line of the proofs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Proof {
    Growth(Growth),
    Receipt(Receipt),
}

/// What becomes of the journal's text: told each event in order, it answers with the entry; told the end, with what
/// stands before the first entry.
pub type Journal<'j> = &'j mut (dyn FnMut(Turn<'_>) -> Result<Option<String>, String> + Send);

#[derive(Clone, Copy, Debug)]
pub enum Turn<'e> {
    Event(&'e Recorded, &'e Fact),
    End,
}

/// A bundle could not be made, or not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum BundleFailure {
    #[error("{place} cannot be used: {source}")]
    Io {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("{0} is there already: name a directory that is not")]
    There(PathBuf),
    #[error(
        "nothing was signed yet: a bundle is as of a signed checkpoint, and a server with a key signs every few seconds"
    )]
    Unsigned,
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Proofs(#[from] ProofsFailure),
    #[error("an event cannot be read: {0}")]
    Event(String),
    #[error("the log holds no position {0}, which was signed: `daybook verify` says what is wrong")]
    Short(u64),
}

fn io_at(place: &Path) -> impl Fn(io::Error) -> BundleFailure + '_ {
    move |source| BundleFailure::Io { place: place.display().to_string(), source }
}
