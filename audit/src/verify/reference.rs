//! Leaves written down earlier, in the tiles or outside; held against the log's.

use sqlx::postgres::PgPool;

use super::VerifyFailure;
use crate::edge::{Edge, WIDTH};
use crate::hash::Hash;
use crate::outside::Copy;
use crate::rows::{self, TreeFailure};

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Tiles(PgPool),
    Outside(Copy),
}

#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) kept: Kept,
    pub(super) name: String,
    /// How many there are.
    pub(super) count: u64,
    /// The first leaf that is another than the log's.
    pub(super) differs: Option<u64>,
    /// The tree over these leaves, from where they differ.
    pub(super) edge: Option<Edge>,
}

impl Reference {
    pub(super) fn tiles(pool: &PgPool, count: u64) -> Self {
        Self { kept: Kept::Tiles(pool.clone()), name: "the stored tree".to_owned(), count, differs: None, edge: None }
    }

    pub(super) fn outside(copy: &Copy, count: u64) -> Self {
        let name = format!("{}/leaves", copy.path().display());
        Self { kept: Kept::Outside(copy.clone()), name, count, differs: None, edge: None }
    }

    pub(super) const fn is_outside(&self) -> bool {
        matches!(self.kept, Kept::Outside(_))
    }

    /// Some leaves; fewer where no more are kept. A tile that is missing or short has none from there on: what is not
    /// there differs.
    pub(super) async fn leaves(&self, first: u64, most: usize) -> Result<Vec<Hash>, VerifyFailure> {
        let most_there = usize::try_from(self.count.saturating_sub(first)).unwrap_or(usize::MAX).min(most);
        if most_there == 0 {
            return Ok(Vec::new());
        }
        match &self.kept {
            Kept::Outside(copy) => {
                let copy = copy.clone();
                let read = tokio::task::spawn_blocking(move || copy.leaves(first, most_there)).await;
                Ok(read.map_err(|gone| VerifyFailure::Thread(gone.to_string()))??)
            }
            Kept::Tiles(pool) => {
                let width = u64::try_from(WIDTH).unwrap_or(u64::MAX);
                let last = first.saturating_add(u64::try_from(most_there).unwrap_or_default()).saturating_sub(1);
                let places = first / width..=last / width;
                let tiles = match rows::tiles(pool, places.clone().map(|index| (0, index))).await {
                    Ok(tiles) => tiles.0,
                    Err(TreeFailure::Damaged(_)) => return Ok(Vec::new()),
                    Err(TreeFailure::Database(failure)) => return Err(failure.into()),
                };
                let mut leaves = Vec::with_capacity(most_there);
                for index in places {
                    let hashes = tiles.get(&(0, index)).map_or(&[][..], Vec::as_slice);
                    leaves.extend_from_slice(hashes);
                    if hashes.len() < WIDTH {
                        break;
                    }
                }
                let skipped = usize::try_from(first % width).unwrap_or_default();
                Ok(leaves.into_iter().skip(skipped).take(most_there).collect())
            }
        }
    }
}
