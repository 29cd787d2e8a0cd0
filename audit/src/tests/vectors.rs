//! The published trees of RFC 6962: eight leaves, nine roots, and every proof among them.

use crate::hash::Hash;
use crate::proof::{consistency, inclusion, root, verify_consistency, verify_inclusion};

use super::Grown;

const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| Hash::of_leaf(&hex::decode(leaf).unwrap())).collect()
}

fn published(size: usize) -> Hash {
    Hash(hex::decode(ROOTS[size]).unwrap().try_into().unwrap())
}

#[test]
fn the_roots_are_those_that_were_published() {
    for size in 0..=LEAVES.len() {
        let mut grown = Grown::of(leaves().into_iter().take(size));
        assert_eq!(grown.edge.root(), published(size), "of {size} leaves");
        assert_eq!(root(&mut grown.tiles, u64::try_from(size).unwrap()), Some(published(size)));
    }
}

#[test]
fn every_leaf_and_every_older_tree_is_proven_of_the_published_roots() {
    let mut tiles = Grown::of(leaves()).tiles;
    for size in 1..=8_u64 {
        let at = published(usize::try_from(size).unwrap());
        for index in 0..size {
            let path = inclusion(&mut tiles, index, size).unwrap();
            verify_inclusion(leaves()[usize::try_from(index).unwrap()], index, &path, size, at).unwrap();
        }
        for first in 1..=size {
            let path = consistency(&mut tiles, first, size).unwrap();
            verify_consistency((first, published(usize::try_from(first).unwrap())), (size, at), &path).unwrap();
        }
    }
    // The proofs the RFC itself gives as examples are as long as it says: of leaf 0, 3, 4 and 6 of seven.
    let lengths = [0, 3, 4, 6].map(|index| inclusion(&mut tiles, index, 7).unwrap().len());
    assert_eq!(lengths, [3, 3, 3, 2]);
    let lengths = [3, 4, 6].map(|first| consistency(&mut tiles, first, 7).unwrap().len());
    assert_eq!(lengths, [4, 1, 3]);
}
