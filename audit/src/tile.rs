//! Tiles as a source of nodes, and which of them an answer will need.

use std::collections::{BTreeMap, BTreeSet};

use crate::edge::{HEIGHT, WIDTH, perfect};
use crate::hash::Hash;
use crate::proof::Nodes;

/// A tile by its level and index.
pub(crate) type Place = (u32, u64);

/// Some tiles of a tree. They may be of a larger one than is asked about: what is whole stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tiles(pub(crate) BTreeMap<Place, Vec<Hash>>);

impl Nodes for Tiles {
    fn node(&mut self, height: u32, index: u64) -> Option<Hash> {
        let (place, from, count) = within(height, index)?;
        let hashes = self.0.get(&place)?;
        Some(perfect(hashes.get(from..from.checked_add(count)?)?))
    }
}

/// Writes down which tiles are asked for, and answers anything.
#[derive(Debug, Default)]
pub(crate) struct Wanted(pub(crate) BTreeSet<Place>);

impl Nodes for Wanted {
    fn node(&mut self, height: u32, index: u64) -> Option<Hash> {
        let (place, _from, _count) = within(height, index)?;
        self.0.insert(place);
        Some(Hash([0; Hash::LENGTH]))
    }
}

/// In which tile the lowest stored hashes of a node stand, from where, and how many they are.
fn within(height: u32, index: u64) -> Option<(Place, usize, usize)> {
    let (level, above) = (height / HEIGHT, height % HEIGHT);
    let first = index.checked_shl(above)?;
    let width = u64::try_from(WIDTH).ok()?;
    Some(((level, first / width), usize::try_from(first % width).ok()?, 1 << above))
}
