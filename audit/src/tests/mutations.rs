//! Proofs changed in every way there is: none is taken, none makes anything panic.

use crate::hash::Hash;
use crate::proof::{ProofFailure, consistency, inclusion, root, verify_consistency, verify_inclusion};

use super::{Dice, Grown};

const MUTATIONS: u64 = 20_000;

fn tree(dice: &mut Dice) -> (Grown, Vec<Hash>) {
    let size = 2 + dice.below(600);
    let leaves: Vec<Hash> = (0..size).map(|_| Hash::of_leaf(&dice.next().to_be_bytes())).collect();
    (Grown::of(leaves.iter().copied()), leaves)
}

/// Flips a bit, cuts, adds, doubles, drops or swaps; always something else than before.
fn mutated(path: &[Hash], dice: &mut Dice) -> Vec<Hash> {
    let mut path = path.to_vec();
    let at = dice.index(path.len().max(1));
    match dice.below(6) {
        0 if !path.is_empty() => flip(&mut path[at], dice),
        1 if !path.is_empty() => path.truncate(at),
        2 if !path.is_empty() => drop(path.remove(at)),
        3 if !path.is_empty() => {
            let doubled = path[at];
            path.insert(at, doubled);
        }
        4 if path.len() > 1 => {
            let next = (at + 1) % path.len();
            path.swap(at, next);
        }
        _ => path.push(Hash::of_leaf(&dice.next().to_be_bytes())),
    }
    path
}

fn flip(hash: &mut Hash, dice: &mut Dice) {
    hash.0[dice.index(32)] ^= 1 << dice.below(8);
}

// covers H6
#[test]
fn twenty_thousand_changed_proofs_are_refused_and_none_panics() {
    let mut dice = Dice::seeded(20_000);
    let mut refused = 0;
    while refused < MUTATIONS {
        let (mut grown, leaves) = tree(&mut dice);
        let size = grown.edge.size();
        for _proof in 0..50 {
            let index = dice.below(size);
            let at = usize::try_from(index).unwrap();
            let path = inclusion(&mut grown.tiles, index, size).unwrap();
            let right = grown.edge.root();
            verify_inclusion(leaves[at], index, &path, size, right).unwrap();
            let (mut leaf, mut other_index, mut other_root, mut other_path) = (leaves[at], index, right, path.clone());
            match dice.below(5) {
                0 => flip(&mut leaf, &mut dice),
                1 => leaf = leaves[(at + 1) % leaves.len()],
                2 => other_index = (index + 1 + dice.below(size - 1)) % size,
                3 => flip(&mut other_root, &mut dice),
                _ => other_path = mutated(&path, &mut dice),
            }
            let told = verify_inclusion(leaf, other_index, &other_path, size, other_root);
            assert!(told.is_err(), "leaf {index} of {size}: {other_index} {other_path:?}");
            // Whatever the numbers, there is an answer.
            let any = [0, 1, size - 1, size + 1, dice.next(), u64::MAX];
            for n in any {
                let _told = verify_inclusion(leaf, n, &path, dice.next(), right);
            }

            let first = 1 + dice.below(size - 1);
            let old = root(&mut grown.tiles, first).unwrap();
            let path = consistency(&mut grown.tiles, first, size).unwrap();
            verify_consistency((first, old), (size, right), &path).unwrap();
            let (mut other_old, mut other_new, mut other_path) = (old, right, path.clone());
            match dice.below(4) {
                0 => flip(&mut other_old, &mut dice),
                1 => flip(&mut other_new, &mut dice),
                2 => (other_old, other_new) = (right, old),
                _ => other_path = mutated(&path, &mut dice),
            }
            let told = verify_consistency((first, other_old), (size, other_new), &other_path);
            assert!(told.is_err(), "{first} to {size}: {other_path:?}");
            for n in any {
                let _told = verify_consistency((n, old), (dice.next(), right), &path);
            }
            refused += 2;
        }
    }
}

#[test]
fn the_proof_of_another_tree_is_refused() {
    let mut dice = Dice::seeded(7);
    let (mut grown, leaves) = tree(&mut dice);
    let (size, right) = (grown.edge.size(), grown.edge.root());
    let mut other = Grown::of(leaves.iter().rev().copied());
    for index in 0..size {
        let at = usize::try_from(index).unwrap();
        let path = inclusion(&mut other.tiles, index, size).unwrap();
        assert!(verify_inclusion(leaves[at], index, &path, size, right).is_err());
    }
    let forked = Grown::of(leaves.iter().copied().take(leaves.len() - 1).chain([Hash::of_leaf(b"another end")]));
    let first = size - 1;
    let path = consistency(&mut grown.tiles, first, size).unwrap();
    let old = root(&mut grown.tiles, first).unwrap();
    assert!(verify_consistency((first, old), (size, forked.edge.root()), &path).is_err());
}

#[test]
fn a_proof_is_as_long_as_its_tree_makes_it() {
    let leaves: Vec<Hash> = (0..4_u8).map(|n| Hash::of_leaf(&[n])).collect();
    let mut grown = Grown::of(leaves.iter().copied());
    let (two, four) = (root(&mut grown.tiles, 2).unwrap(), grown.edge.root());
    let path = consistency(&mut grown.tiles, 2, 4).unwrap();
    verify_consistency((2, two), (4, four), &path).unwrap();
    // The same hashes, said to be of a larger tree; and a way where there is none to go.
    assert_eq!(verify_consistency((2, two), (8, four), &path), Err(ProofFailure::Length));
    assert_eq!(verify_consistency((4, four), (4, four), &[]), Ok(()));
    assert_eq!(verify_consistency((4, four), (4, four), &path), Err(ProofFailure::Length));
    let first = inclusion(&mut grown.tiles, 0, 4).unwrap();
    assert_eq!(verify_inclusion(leaves[0], 0, &first, 8, four), Err(ProofFailure::Length));
    assert_eq!(verify_inclusion(leaves[3], 4, &first, 4, four), Err(ProofFailure::OutOfRange));
    // Of what is not there nothing is proven.
    assert!(inclusion(&mut grown.tiles, 4, 4).is_none());
}
