//! How far a check has come, in a file: for the next one to go on from.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::VerifyFailure;
use crate::edge::Edge;
use crate::hash::Hash;

/// Up to here all was well. Of the tree, what is open of each level.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Halfway {
    pub(super) version: u32,
    pub(super) upto: i64,
    pub(super) recorded_at_us: i64,
    /// How far the log agrees with what was signed.
    pub(super) proven: u64,
    levels: Vec<Vec<Hash>>,
}

const VERSION: u32 = 1;

impl Halfway {
    pub(super) fn of(edge: &Edge, upto: i64, recorded_at_us: i64, proven: u64) -> Self {
        Self { version: VERSION, upto, recorded_at_us, proven, levels: edge.levels().to_vec() }
    }

    pub(super) fn edge(&self) -> Option<Edge> {
        Edge::of(u64::try_from(self.upto).ok()?, self.levels.clone())
    }
}

/// None where there is no file.
pub(super) fn read(file: &Path) -> Result<Option<Halfway>, VerifyFailure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(file, &error)),
    };
    let halfway: Halfway = serde_json::from_str(&text).map_err(|reason| unusable(file, &reason))?;
    if halfway.version == VERSION && halfway.edge().is_some() {
        Ok(Some(halfway))
    } else {
        Err(unusable(file, &"it is not of this program; remove it to begin anew"))
    }
}

/// Whole or not at all.
pub(super) fn write(file: &Path, halfway: &Halfway) -> Result<(), VerifyFailure> {
    let draft = file.with_extension("draft");
    let written = || -> io::Result<()> {
        let mut open = File::create(&draft)?;
        open.write_all(serde_json::to_string(halfway).map_err(io::Error::other)?.as_bytes())?;
        open.sync_all()?;
        fs::rename(&draft, file)
    };
    written().map_err(|error| unusable(file, &error))
}

/// The next check begins at the beginning.
pub(super) fn forget(file: &Path) -> Result<(), VerifyFailure> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(file, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unusable(file: &Path, reason: &dyn std::fmt::Display) -> VerifyFailure {
    VerifyFailure::State { file: file.display().to_string(), reason: reason.to_string() }
}
