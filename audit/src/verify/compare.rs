//! The tree over the log as it is, beside what was written down and signed of it.

use sqlx::PgPool;

use super::VerifyFailure;
use super::kind::{Finding, Kind};
use super::reference::Reference;
use super::signed::Signed;
use super::state::Halfway;
use crate::edge::{Edge, Tile};
use crate::hash::Hash;
use crate::rows::{self, Standing, TreeFailure};

/// How the log stands to one checkpoint it has reached.
#[derive(Clone, Debug)]
pub(super) struct Met {
    pub(super) signed: Signed,
    pub(super) agrees: bool,
}

pub(super) struct Compared {
    pool: PgPool,
    edge: Edge,
    pub(super) references: Vec<Reference>,
    signed: Vec<Signed>,
    /// How many of them the log has reached.
    reached: usize,
    pub(super) met: Vec<Met>,
    /// What is wrong with the upper levels and the root of the stored tree.
    pub(super) damages: Vec<Finding>,
    standing: Option<Standing>,
    /// The tiles that are not full where the stored tree ends.
    open: Vec<Tile>,
    proven_before: u64,
}

impl Compared {
    pub(super) fn new(
        pool: &PgPool,
        references: Vec<Reference>,
        signed: Vec<Signed>,
        standing: Option<Standing>,
        halfway: Option<&Halfway>,
    ) -> Self {
        let edge = halfway.and_then(Halfway::edge).unwrap_or_default();
        let reached = signed.partition_point(|signed| signed.size <= edge.size());
        let proven_before = halfway.map_or(0, |halfway| halfway.proven);
        let (pool, met, damages) = (pool.clone(), Vec::new(), Vec::new());
        Self { pool, edge, references, signed, reached, met, damages, standing, open: Vec::new(), proven_before }
    }

    pub(super) const fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The largest size at which the log is what was signed.
    pub(super) fn proven(&self) -> u64 {
        let met = self.met.iter().rev().find(|met| met.agrees);
        met.map_or(self.proven_before, |met| met.signed.size)
    }

    pub(super) fn is_well(&self) -> bool {
        let agree = self.met.iter().all(|met| met.agrees);
        agree && self.damages.is_empty() && self.references.iter().all(|reference| reference.differs.is_none())
    }

    /// Checkpoints that speak of more than there is.
    pub(super) fn beyond(&self) -> &[Signed] {
        self.signed.get(self.reached..).unwrap_or_default()
    }

    /// The next leaves of the log.
    pub(super) async fn take_in(&mut self, leaves: &[Hash]) -> Result<(), VerifyFailure> {
        let first = self.edge.size();
        let mut kept = Vec::with_capacity(self.references.len());
        for reference in &mut self.references {
            let there = reference.leaves(first, leaves.len()).await?;
            if reference.differs.is_none() {
                reference.differs = difference(first, leaves, &there, reference.count);
            }
            kept.push(there);
        }
        let mut full = Vec::new();
        for (at, leaf) in (first..).zip(leaves) {
            for (reference, there) in self.references.iter_mut().zip(&kept) {
                if reference.differs == Some(at) {
                    reference.edge = Some(self.edge.clone());
                }
                let nth = usize::try_from(at - first).unwrap_or(usize::MAX);
                if let (Some(edge), Some(leaf)) = (&mut reference.edge, there.get(nth)) {
                    edge.push(*leaf, &mut Vec::new());
                }
            }
            self.edge.push(*leaf, &mut full);
            self.meet();
        }
        self.hold_tiles(full).await
    }

    /// What was signed of a tree of just this size, and what the database says of it.
    fn meet(&mut self) {
        let size = self.edge.size();
        while let Some(signed) = self.signed.get(self.reached).filter(|signed| signed.size == size) {
            self.met.push(Met { agrees: signed.root == self.edge.root(), signed: signed.clone() });
            self.reached = self.reached.saturating_add(1);
        }
        let Some(standing) = self.standing.filter(|standing| standing.size == size) else { return };
        self.open = self.edge.open_tiles().collect();
        if standing.root != self.edge.root() {
            let words = "the root in the database is another than the log's";
            self.damages.push(Finding::new(rows::number(size), Kind::Tree, words));
        }
    }

    /// The tiles above the leaves, while the leaves are those of the log.
    async fn hold_tiles(&mut self, mut full: Vec<Tile>) -> Result<(), VerifyFailure> {
        let Some(size) = self.standing.map(|standing| standing.size) else { return Ok(()) };
        let differs = self.references.iter().any(|reference| !reference.is_outside() && reference.differs.is_some());
        if differs {
            return Ok(());
        }
        full.append(&mut self.open);
        full.retain(|tile| tile.level > 0 && end(tile) <= size);
        let places = full.iter().map(|tile| (tile.level, tile.index));
        let stored = match rows::tiles(&self.pool, places).await {
            Ok(stored) => stored.0,
            Err(TreeFailure::Damaged(damaged)) => {
                self.damages.push(Finding::new(rows::number(self.edge.size()), Kind::Tree, damaged.to_string()));
                return Ok(());
            }
            Err(TreeFailure::Database(failure)) => return Err(failure.into()),
        };
        for Tile { level, index, hashes } in full {
            let there = stored.get(&(level, index)).map_or(&[][..], Vec::as_slice);
            if there.get(..hashes.len()) != Some(hashes.as_slice()) {
                let same = there.iter().zip(&hashes).take_while(|(there, hash)| there == hash).count();
                let nth = index.saturating_mul(256).saturating_add(u64::try_from(same).unwrap_or_default());
                let position = (nth << (8 * level)).saturating_add(1);
                let words = format!("hash {same} of tile {index} of level {level} is not that of the log");
                self.damages.push(Finding::new(rows::number(position), Kind::Tree, words));
            }
        }
        Ok(())
    }
}

/// How many leaves a tile reaches to.
fn end(tile: &Tile) -> u64 {
    let nodes = tile.index.saturating_mul(256).saturating_add(u64::try_from(tile.hashes.len()).unwrap_or_default());
    nodes << (8 * tile.level)
}

/// The first leaf that is another, or is not there though it must be.
fn difference(first: u64, leaves: &[Hash], there: &[Hash], count: u64) -> Option<u64> {
    let same = leaves.iter().zip(there).take_while(|(leaf, there)| leaf == there).count();
    let at = first.saturating_add(u64::try_from(same).unwrap_or_default());
    (same < leaves.len() && at < count).then_some(at)
}
