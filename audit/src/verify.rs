//! Checks the whole log from its first event, against all that was signed of it.
//!
//! One connection copies the log out, run by run; each run is hashed and read on threads of its own (`look`); what
//! depends on order is done as they come back (`walk`): sequences, time, the tree, held against the stored tree and the
//! leaves kept outside (`reference`). In the end `verdict` says what is wrong, at which position first.

mod compare;
mod kind;
mod look;
mod reference;
mod signed;
mod state;
mod verdict;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use event_store::{Database, Upcasters};

use crate::key::VerifierKey;
use crate::outside::{Copy, OutsideFailure};
use crate::rows::{self, TreeFailure};

pub use kind::{Finding, Kind};
use reference::Reference;
use signed::Gathered;
use state::Halfway;
use walk::{Walk, Walked};

/// Nothing can be said of the log, and why.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFailure {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Outside(#[from] OutsideFailure),
    #[error("a thread did not come back: {0}")]
    Thread(String),
    #[error("the file to resume from, {file}, cannot be used: {reason}")]
    State { file: String, reason: String },
    #[error("no public key is named, and none is found: without one a checkpoint proves nothing")]
    NoKey,
    #[error("this key found with the ledger cannot be read: {0}")]
    Key(String),
}

/// What to check, and against what.
pub struct Verify {
    pub database: Database,
    pub upcasters: Arc<Upcasters>,
    /// Directories of checkpoints, each kept where the database is not.
    pub directories: Vec<PathBuf>,
    /// Checkpoints others have kept: where from, and the note.
    pub notes: Vec<(String, String)>,
    /// Whom to believe. Where it is nobody, the keys found with the ledger.
    pub trusted: Vec<VerifierKey>,
    /// Where to write down how far it has come, and to go on from.
    pub state: Option<PathBuf>,
    /// How often.
    pub save_every: Duration,
}

/// As often as costs nothing.
pub const SAVE_EVERY: Duration = Duration::from_secs(2);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where the log ended when it began.
    pub head: i64,
    /// Where it went on from; zero where it began at the beginning.
    pub resumed_at: i64,
    /// How far the newest checkpoint reaches that the log agrees with.
    pub proven: u64,
    /// How many checkpoints the log was held against.
    pub checkpoints: usize,
    /// Whether the keys were named, or merely found with the ledger.
    pub keys_were_named: bool,
    /// In order of position; none where all is well.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The first wrong thing, which says how the check ends.
    pub fn first(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

impl Verify {
    /// Checks. `watch` hears how far it is, and where it will end.
    ///
    /// # Errors
    /// It could not be checked. What is wrong with the log is no error but a finding.
    pub async fn run(&self, watch: &(dyn Fn(i64, i64) + Sync)) -> Result<Report, VerifyFailure> {
        let pool = self.database.pool(2);
        let copies: Vec<Copy> = self.directories.iter().map(|directory| Copy::of(directory)).collect();
        let trusted = self.trusted(&pool, &copies).await?;
        // What was written down is read before the log, which has it all by then.
        let mut findings = Vec::new();
        let standing = match rows::standing(&pool).await {
            Ok(standing) => Some(standing),
            Err(TreeFailure::Damaged(damaged)) => {
                findings.push(Finding::new(0, Kind::Tree, damaged.to_string()));
                None
            }
            Err(TreeFailure::Database(failure)) => return Err(failure.into()),
        };
        let mut gathered = Gathered::default();
        gathered.stored(&pool, &trusted).await?;
        let mut references = vec![Reference::tiles(&pool, standing.map_or(0, |standing| standing.size))];
        for copy in &copies {
            gathered.outside(copy, &trusted)?;
            references.push(Reference::outside(copy, copy.leaves_count()?));
        }
        for (name, note) in &self.notes {
            gathered.file(name, note, &trusted);
        }
        let signed = gathered.all();
        findings.append(&mut gathered.findings);
        let halfway = self.halfway()?;
        let resumed_at = halfway.as_ref().map_or(0, |halfway| halfway.upto);
        let checkpoints = signed.len();
        let walk = Walk::new(self, &pool, references, signed, standing, halfway);
        let walked = walk.to_the_end(watch).await?;
        let Walked { head, proven, .. } = walked;
        findings.extend(verdict::findings(&self.database, walked).await?);
        findings.sort();
        findings.dedup();
        if let (true, Some(file)) = (findings.is_empty(), &self.state) {
            state::forget(file)?;
        }
        let keys_were_named = !self.trusted.is_empty();
        Ok(Report { head, resumed_at, proven, checkpoints, keys_were_named, findings })
    }

    fn halfway(&self) -> Result<Option<Halfway>, VerifyFailure> {
        self.state.as_deref().map_or(Ok(None), state::read)
    }

    async fn trusted(&self, pool: &sqlx::PgPool, copies: &[Copy]) -> Result<Vec<VerifierKey>, VerifyFailure> {
        if !self.trusted.is_empty() {
            return Ok(self.trusted.clone());
        }
        let mut found = Vec::new();
        for copy in copies {
            found.extend(copy.keys()?);
        }
        // The database may have been changed by the one who is looked for: the directory is believed first.
        if found.is_empty() {
            found = rows::keys(pool).await?;
        }
        found.iter().map(|key| key.parse().map_err(|_malformed| VerifyFailure::Key(key.clone()))).collect()
    }
}
