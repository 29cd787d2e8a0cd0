//! Signs checkpoints: none that does not continue what was signed before.

use std::path::{Path, PathBuf};
use std::time::Duration;

use event_store::{Store, waits_for_the_disk};
use sqlx::Transaction;
use sqlx::postgres::{PgConnection, PgPool, Postgres};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::checkpoint::Checkpoint;
use crate::edge::WIDTH;
use crate::hash::Hash;
use crate::key::{SignFailure, Signer};
use crate::outside::{Copy, Outside, OutsideFailure};
use crate::rows::{self, Damaged, Standing, TreeFailure};

/// Leaves and checkpoints written outside in one step.
const LEAVES_PER_STEP: u64 = 65_536;
const CHECKPOINTS_PER_STEP: i64 = 100;

/// Why nothing was signed or written.
#[derive(Debug, thiserror::Error)]
pub enum NotaryFailure {
    /// The tree is not the one that was signed: the log was restored to an earlier moment, or rewritten.
    #[error("nothing is signed: {0}; `daybook verify` says where the log differs")]
    NotContinued(String),
    #[error(transparent)]
    Tree(#[from] TreeFailure),
    #[error(transparent)]
    Sign(#[from] SignFailure),
    #[error(transparent)]
    Outside(#[from] OutsideFailure),
}

impl From<sqlx::Error> for NotaryFailure {
    fn from(failure: sqlx::Error) -> Self {
        Self::Tree(failure.into())
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// A checkpoint of this size stands in the database, and in the directory where there is one.
    Upto(u64),
    /// Nothing is new since the last.
    Idle(u64),
    /// More is to be written to the directory: step again.
    Behind(u64),
}

/// Whoever signs for this ledger.
pub struct Notary {
    pool: PgPool,
    signers: Vec<Box<dyn Signer>>,
    directory: Option<PathBuf>,
    outside: Option<Outside>,
    has_told_keys: bool,
    /// The tree of which everything is signed and written: while it stands there is nothing else to ask.
    settled: Option<Standing>,
}

impl Notary {
    /// All signers sign every checkpoint; the first names the log.
    pub fn new(pool: PgPool, signers: Vec<Box<dyn Signer>>, directory: Option<PathBuf>) -> Self {
        Self { pool, signers, directory, outside: None, has_told_keys: false, settled: None }
    }

    /// Signs the tree as it stands, if it has grown, and writes down what is not yet outside.
    ///
    /// # Errors
    /// The tree does not continue what was signed; or something could not be read, signed or written.
    pub async fn step(&mut self) -> Result<Signed, NotaryFailure> {
        if let (Some(directory), None) = (&self.directory, &self.outside) {
            self.outside = Some(Outside::open(directory)?);
        }
        self.tell_keys().await?;
        let standing = rows::standing(&self.pool).await?;
        if self.settled == Some(standing) {
            return Ok(Signed::Idle(standing.size));
        }
        // Tree, tiles and what was signed of them, all of one moment.
        let mut moment = self.moment().await?;
        let standing = rows::standing(&mut *moment).await?;
        let last = rows::last_checkpoint(&mut *moment)
            .await?
            .map(|kept| kept.read())
            .transpose()
            .map_err(TreeFailure::from)?;
        let outside = self.outside.as_ref().and_then(Outside::newest).cloned();
        for before in [last.as_ref(), outside.as_ref()].into_iter().flatten() {
            self.continues(&mut moment, standing, before.claimed()).await?;
        }
        let signed = last.map_or(0, |note| note.claimed().size);
        if standing.size > signed {
            // The root that is signed is the one the tiles have: what cannot be proven is not signed.
            let root = rows::root_at(&mut *moment, standing.size).await?;
            if root != standing.root {
                return Err(TreeFailure::from(Damaged("its tiles have another root than it".to_owned())).into());
            }
            let origin = self.origin().ok_or_else(|| SignFailure("there is no key".to_owned()))?;
            let note = Checkpoint { origin, size: standing.size, root }.sign(&self.signers).await?;
            rows::keep_checkpoint(&mut *moment, &note).await?;
        }
        moment.commit().await?;
        let is_written = self.write_outside().await?;
        self.settled = is_written.then_some(standing);
        Ok(match (is_written, standing.size > signed) {
            (false, _) => Signed::Behind(standing.size),
            (true, true) => Signed::Upto(standing.size),
            (true, false) => Signed::Idle(standing.size),
        })
    }

    /// Steps until told to stop, once in so long.
    pub async fn run(mut self, every: Duration, mut stop: watch::Receiver<bool>) {
        let mut refused = String::new();
        while !*stop.borrow_and_update() {
            let pause = match self.step().await {
                Ok(Signed::Behind(_)) => Duration::ZERO,
                Ok(Signed::Upto(_) | Signed::Idle(_)) => {
                    refused.clear();
                    every
                }
                Err(failure) => {
                    let told = failure.to_string();
                    // The same trouble is told once.
                    if told != refused {
                        tracing::error!(%failure, "no checkpoint was signed");
                        refused = told;
                    }
                    every
                }
            };
            tokio::select! {
                _stopping = stop.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // What came last is signed as well.
        if let Err(failure) = self.step().await {
            tracing::warn!(%failure, "the last checkpoint was not signed");
        }
    }

    /// Makes sure that the tree has grown out of what was signed, for the same log.
    async fn continues(
        &self,
        moment: &mut PgConnection,
        standing: Standing,
        before: &Checkpoint,
    ) -> Result<(), NotaryFailure> {
        let no = |words| Err(NotaryFailure::NotContinued(words));
        let Checkpoint { origin, size, root } = before;
        if let Some(ours) = self.origin().filter(|ours| ours != origin) {
            return no(format!("what was signed before is of the log {origin}, and this key is named {ours}"));
        }
        if *size > standing.size {
            return no(format!("the tree has {} leaves, and a checkpoint of {size} was signed", standing.size));
        }
        if rows::root_at(moment, *size).await? == *root {
            return Ok(());
        }
        no(format!("the tree had another root at {size} when that was signed"))
    }

    fn origin(&self) -> Option<String> {
        self.signers.first().map(|signer| signer.key().name().to_owned())
    }

    /// The commit of this waits for the disk, whatever others of these connections do: what was signed is told outside,
    /// and the database must not lose it then.
    async fn moment(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        let mut moment = self.pool.begin().await?;
        sqlx::query("set transaction isolation level repeatable read").execute(&mut *moment).await?;
        waits_for_the_disk(&mut moment).await?;
        Ok(moment)
    }

    async fn tell_keys(&mut self) -> Result<(), NotaryFailure> {
        if self.has_told_keys {
            return Ok(());
        }
        let keys: Vec<String> = self.signers.iter().map(|signer| signer.key().to_string()).collect();
        let mut moment = self.moment().await?;
        for key in &keys {
            rows::keep_key(&mut *moment, key).await?;
        }
        moment.commit().await?;
        for key in &keys {
            if let Some(outside) = &mut self.outside {
                outside.keep_key(key)?;
            }
        }
        self.has_told_keys = true;
        Ok(())
    }

    /// Leaves before the checkpoints that speak of them. Whether all is written.
    async fn write_outside(&mut self) -> Result<bool, NotaryFailure> {
        let published = |outside: &Outside| outside.newest().map_or(0, |note| note.claimed().size);
        let Some(from) = self.outside.as_ref().map(published) else { return Ok(true) };
        let waiting = rows::checkpoints(&self.pool, from.saturating_add(1), CHECKPOINTS_PER_STEP).await?;
        for kept in &waiting {
            let Some(mut outside) = self.outside.take() else { return Ok(true) };
            let upto = kept.size.min(outside.leaves().saturating_add(LEAVES_PER_STEP));
            let leaves = leaves(&self.pool, outside.leaves(), upto).await?;
            let note = if upto == kept.size { Some(kept.read().map_err(TreeFailure::from)?) } else { None };
            // Where it fails the directory is opened anew, and what was half written is cut off.
            let written = spawn_blocking(move || outside.add(&leaves, note).map(|()| outside)).await;
            self.outside = Some(written.map_err(|gone| SignFailure(gone.to_string()))??);
            if upto < kept.size {
                return Ok(false);
            }
        }
        Ok(i64::try_from(waiting.len()).is_ok_and(|count| count < CHECKPOINTS_PER_STEP))
    }
}

/// The hashes of some leaves, from the tiles.
async fn leaves(pool: &PgPool, first: u64, upto: u64) -> Result<Vec<Hash>, NotaryFailure> {
    let width = u64::try_from(WIDTH).unwrap_or(u64::MAX);
    if first >= upto {
        return Ok(Vec::new());
    }
    let tiles = rows::tiles(pool, (first / width..=(upto - 1) / width).map(|index| (0, index))).await?;
    let from_tile = first - first % width;
    let leaves: Vec<Hash> = tiles.0.into_values().flatten().collect();
    let wanted = usize::try_from(first - from_tile).ok().zip(usize::try_from(upto - from_tile).ok());
    let leaves = wanted.and_then(|(from, to)| leaves.get(from..to));
    Ok(leaves.ok_or_else(|| TreeFailure::from(Damaged(format!("leaves before {upto} are missing"))))?.to_vec())
}

/// Makes sure that the log is the one that was signed: no shorter, and with the root it had. For whoever is about to serve;
/// a log restored from an older copy is not to be written on as if nothing had been.
///
/// # Errors
/// It is not; or it cannot be told.
pub async fn self_check(store: &Store, pool: &PgPool, directory: &Path) -> Result<(), NotaryFailure> {
    let Some(note) = Copy::of(directory).newest()? else { return Ok(()) };
    let Checkpoint { size, root, .. } = note.claimed();
    let last = store.events(rows::number(size.saturating_sub(1)), 1).await?;
    if last.is_empty() {
        let words = format!("the log ends before position {size}, and a checkpoint of {size} was signed");
        return Err(NotaryFailure::NotContinued(words));
    }
    let mut moment = pool.begin().await?;
    // Where the tree has not come so far, its notary will find out.
    if rows::standing(&mut *moment).await?.size >= *size && rows::root_at(&mut *moment, *size).await? != *root {
        let words = format!("the tree has another root at {size} than was signed");
        return Err(NotaryFailure::NotContinued(words));
    }
    Ok(())
}
