//! The growing edge of the tree: leaves go in, whole tiles and the root come out.
//!
//! A tile is 256 neighbours of one level. Level 0 has the hashes of leaves; a hash of the next level stands for a whole
//! tile of the one below. What the edge keeps are the tiles that are not full yet, one a level.

use crate::hash::Hash;

/// Hashes in a full tile.
pub const WIDTH: usize = 256;
/// Its logarithm.
pub(crate) const HEIGHT: u32 = 8;
/// Levels of a tree of 2^63 leaves.
pub(crate) const LEVELS: u32 = 8;

/// Neighbours of one level, from the one that is a multiple of 256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub level: u32,
    pub index: u64,
    pub hashes: Vec<Hash>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a tree of this size, from its tiles that are not full, level by level; none where they do not fit.
    pub(crate) fn of(size: u64, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = (0..).zip(&levels).all(|(level, hashes)| hashes.len() == open(size, level));
        let is_whole = usize::try_from(used(size)).is_ok_and(|used| levels.len() >= used);
        (fits && is_whole).then_some(Self { size, levels })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What is open of each level.
    pub(crate) fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Takes in the next leaf; tiles that are full with it are given out.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.size = self.size.saturating_add(1);
        let mut rising = leaf;
        for level in 0..LEVELS {
            let at = usize::try_from(level).unwrap_or(usize::MAX);
            if self.levels.len() <= at {
                self.levels.push(Vec::new());
            }
            let Some(open) = self.levels.get_mut(at) else { return };
            open.push(rising);
            if open.len() < WIDTH {
                return;
            }
            let hashes = std::mem::take(open);
            rising = perfect(&hashes);
            full.push(Tile { level, index: (self.size >> (HEIGHT * (level + 1))).saturating_sub(1), hashes });
        }
    }

    /// The tiles that have something in them and are not full.
    pub fn open_tiles(&self) -> impl Iterator<Item = Tile> + '_ {
        let levels = (0..).zip(&self.levels).filter(|(_level, hashes)| !hashes.is_empty());
        levels.map(|(level, hashes)| Tile { level, index: self.size >> (HEIGHT * (level + 1)), hashes: hashes.clone() })
    }

    pub fn root(&self) -> Hash {
        let mut right: Option<Hash> = None;
        for hashes in &self.levels {
            for peak in peaks(hashes).into_iter().rev() {
                right = Some(right.map_or(peak, |right| Hash::of_node(peak, right)));
            }
        }
        right.unwrap_or_else(Hash::of_nothing)
    }
}

/// How many hashes the open tile of a level has.
pub(crate) fn open(size: u64, level: u32) -> usize {
    usize::try_from((size >> (HEIGHT * level)) & 0xff).unwrap_or_default()
}

/// How many levels a tree of this size has anything in.
pub(crate) fn used(size: u64) -> u32 {
    (0..LEVELS).find(|level| size >> (HEIGHT * level) == 0).unwrap_or(LEVELS)
}

/// The roots of the largest whole subtrees, left to right.
fn peaks(hashes: &[Hash]) -> Vec<Hash> {
    let (mut rest, mut peaks) = (hashes, Vec::new());
    while !rest.is_empty() {
        let largest = 1_usize << rest.len().ilog2();
        let (peak, after) = rest.split_at(largest);
        peaks.push(perfect(peak));
        rest = after;
    }
    peaks
}

/// The root over a power of two of hashes.
pub(crate) fn perfect(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks(2).filter_map(|pair| Some(Hash::of_node(*pair.first()?, *pair.last()?))).collect();
    }
    row.first().copied().unwrap_or_else(Hash::of_nothing)
}
