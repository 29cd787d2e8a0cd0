//! Proofs of RFC 6962: that a leaf is in a tree, that a tree has grown out of another.
//!
//! What is proven is a statement about a root *of a size*: both come from a signed checkpoint, never from the proof.

use crate::hash::Hash;

/// Where whole subtrees are asked for: the one that begins at leaf `index * 2^height` and has 2^height leaves.
pub trait Nodes {
    fn node(&mut self, height: u32, index: u64) -> Option<Hash>;
}

/// A proof does not show what it is said to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFailure {
    #[error("there is no such leaf in a tree of this size")]
    OutOfRange,
    #[error("the proof has not the length a tree of this size asks for")]
    Length,
    #[error("the proof leads to another root")]
    Root,
}

/// The neighbours on the way from a leaf to the root, lowest first. None where a node is not to be had.
pub fn inclusion(nodes: &mut impl Nodes, index: u64, size: u64) -> Option<Vec<Hash>> {
    if index >= size {
        return None;
    }
    let (mut start, mut end, mut path) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// What leads from the tree of the first size to the tree of the second. None where a node is not to be had.
pub fn consistency(nodes: &mut impl Nodes, first: u64, second: u64) -> Option<Vec<Hash>> {
    if first == 0 || first > second {
        return None;
    }
    let (mut start, mut end, mut is_whole, mut path) = (0, second, true, Vec::new());
    while end > first {
        let middle = start + split(end - start);
        if first <= middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, start, middle)?);
            start = middle;
            is_whole = false;
        }
    }
    if !is_whole {
        path.push(range(nodes, start, end)?);
    }
    path.reverse();
    Some(path)
}

/// The root of the tree of this size.
pub fn root(nodes: &mut impl Nodes, size: u64) -> Option<Hash> {
    if size == 0 { Some(Hash::of_nothing()) } else { range(nodes, 0, size) }
}

/// The largest power of two below a length of at least two.
const fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// The root over some leaves, of which the first is a multiple of a power of two no less than their number.
fn range(nodes: &mut impl Nodes, start: u64, end: u64) -> Option<Hash> {
    let (mut at, mut peaks) = (start, Vec::new());
    while at < end {
        let height = (end - at).ilog2();
        peaks.push(nodes.node(height, at >> height)?);
        at += 1 << height;
    }
    let mut peaks = peaks.into_iter().rev();
    let last = peaks.next()?;
    Some(peaks.fold(last, |right, left| Hash::of_node(left, right)))
}

/// Makes sure that the leaf with this hash stands at this index of the tree with this root.
///
/// # Errors
/// The proof does not show it.
pub fn verify_inclusion(leaf: Hash, index: u64, path: &[Hash], size: u64, root: Hash) -> Result<(), ProofFailure> {
    if index >= size {
        return Err(ProofFailure::OutOfRange);
    }
    let (mut at, mut last, mut reached) = (index, size - 1, leaf);
    for neighbour in path {
        if last == 0 {
            return Err(ProofFailure::Length);
        }
        if at & 1 == 1 || at == last {
            reached = Hash::of_node(*neighbour, reached);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            reached = Hash::of_node(reached, *neighbour);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofFailure::Length);
    }
    if reached == root { Ok(()) } else { Err(ProofFailure::Root) }
}

/// Makes sure that the tree of the second size and root has grown out of that of the first.
///
/// # Errors
/// The proof does not show it.
pub fn verify_consistency(
    (first, first_root): (u64, Hash),
    (second, second_root): (u64, Hash),
    path: &[Hash],
) -> Result<(), ProofFailure> {
    if first == 0 || first > second {
        return Err(ProofFailure::OutOfRange);
    }
    if first == second {
        let same = if first_root == second_root { Ok(()) } else { Err(ProofFailure::Root) };
        return if path.is_empty() { same } else { Err(ProofFailure::Length) };
    }
    // The old tree is a whole subtree of the new one: its root is where the way begins.
    let (seed, rest) = match (first.is_power_of_two(), path.split_first()) {
        (_, None) => return Err(ProofFailure::Length),
        (true, Some(_)) => (first_root, path),
        (false, Some((seed, rest))) => (*seed, rest),
    };
    let (mut at, mut last) = (first - 1, second - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old, mut new) = (seed, seed);
    for neighbour in rest {
        if last == 0 {
            return Err(ProofFailure::Length);
        }
        if at & 1 == 1 || at == last {
            (old, new) = (Hash::of_node(*neighbour, old), Hash::of_node(*neighbour, new));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = Hash::of_node(new, *neighbour);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofFailure::Length);
    }
    if old == first_root && new == second_root { Ok(()) } else { Err(ProofFailure::Root) }
}
