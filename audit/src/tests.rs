//! The tree, its proofs, its checkpoints: published vectors, and another's tree.

mod leaves;
mod mutations;
mod notes;
mod oracle;
mod vectors;

use std::collections::BTreeMap;

use crate::edge::{Edge, Tile};
use crate::hash::Hash;
use crate::tile::Tiles;

/// A tree with its tiles, as the follower keeps it.
pub(crate) struct Grown {
    pub(crate) edge: Edge,
    pub(crate) tiles: Tiles,
}

impl Grown {
    pub(crate) fn of(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for leaf in leaves {
            edge.push(leaf, &mut full);
        }
        full.extend(edge.open_tiles());
        let tiles: BTreeMap<_, _> =
            full.into_iter().map(|Tile { level, index, hashes }| ((level, index), hashes)).collect();
        Self { edge, tiles: Tiles(tiles) }
    }
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(u64::try_from(bound).unwrap())).unwrap()
    }
}
