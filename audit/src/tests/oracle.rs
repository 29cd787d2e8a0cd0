//! The same trees and proofs as `ct-merkle` makes, over a thousand random trees.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2_of_the_judge::Sha256;

use crate::hash::{Hash, hashes};
use crate::proof::{consistency, inclusion, root, verify_consistency, verify_inclusion};

use super::{Dice, Grown};

const TREES: u64 = 1_000;

struct Pair {
    theirs: MemoryBackedTree<Sha256, Vec<u8>>,
    ours: Grown,
    leaves: Vec<Hash>,
}

/// Of any size up to one tile, and now and then of more than a tile of tiles' edges.
fn pair(dice: &mut Dice, nth: u64) -> Pair {
    let size = if nth.is_multiple_of(50) { 1 + dice.below(2_000) } else { 1 + dice.below(150) };
    let mut theirs = MemoryBackedTree::new();
    let mut leaves = Vec::new();
    for _leaf in 0..size {
        let (length, cut) = (dice.index(5), dice.index(8));
        let leaf: Vec<u8> = (0..=length).flat_map(|_| dice.next().to_be_bytes()).skip(cut).collect();
        leaves.push(Hash::of_leaf(&leaf));
        theirs.push(leaf);
    }
    Pair { theirs, ours: Grown::of(leaves.iter().copied()), leaves }
}

#[test]
fn a_thousand_random_trees_are_those_of_another_program() {
    let mut dice = Dice::seeded(6_962);
    for nth in 0..TREES {
        let Pair { theirs, mut ours, leaves } = pair(&mut dice, nth);
        let size = theirs.len();
        let judged = Hash(theirs.root().as_bytes()[..].try_into().unwrap());
        assert_eq!(ours.edge.root(), judged, "tree {nth} of {size}");
        assert_eq!(root(&mut ours.tiles, size), Some(judged));

        let index = dice.below(size);
        let path = inclusion(&mut ours.tiles, index, size).unwrap();
        let at = usize::try_from(index).unwrap();
        assert_eq!(path, hashes(theirs.prove_inclusion(at).as_bytes()).unwrap(), "leaf {index} of {size}");
        verify_inclusion(leaves[at], index, &path, size, judged).unwrap();

        let first = 1 + dice.below(size);
        let path = consistency(&mut ours.tiles, first, size).unwrap();
        if first < size {
            let proven = theirs.prove_consistency(usize::try_from(size - first).unwrap());
            assert_eq!(path, hashes(proven.as_bytes()).unwrap(), "from {first} to {size}");
        }
        let before = root(&mut ours.tiles, first).unwrap();
        assert_eq!(before, Grown::of(leaves.into_iter().take(usize::try_from(first).unwrap())).edge.root());
        verify_consistency((first, before), (size, judged), &path).unwrap();
    }
}

#[test]
fn a_tree_over_several_levels_of_tiles_is_that_of_another_program() {
    const SIZE: u64 = 70_000;
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    (0..SIZE).for_each(|n| theirs.push(n.to_be_bytes().to_vec()));
    let mut ours = Grown::of((0..SIZE).map(|n| Hash::of_leaf(&n.to_be_bytes())));
    assert_eq!(ours.edge.root().0[..], theirs.root().as_bytes()[..]);
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let path = inclusion(&mut ours.tiles, index, SIZE).unwrap();
        assert_eq!(path, hashes(theirs.prove_inclusion(usize::try_from(index).unwrap()).as_bytes()).unwrap());
    }
    // An edge that was put away and taken up again grows on as if nothing had been.
    let levels = (0..3).map(|level| ours.edge.open_tiles().find(|tile| tile.level == level));
    let levels = levels.map(|tile| tile.map(|tile| tile.hashes).unwrap_or_default()).collect();
    let mut again = crate::edge::Edge::of(SIZE, levels).unwrap();
    assert_eq!(again, { ours.edge.clone() });
    let more = Hash::of_leaf(b"more");
    again.push(more, &mut Vec::new());
    ours.edge.push(more, &mut Vec::new());
    assert_eq!(again.root(), ours.edge.root());
}
