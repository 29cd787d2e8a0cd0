//! Writes the table of rows in docs/proof.md from what the tests say they cover.

use std::{fs, io};

use system_tests::proof;
use system_tests::tree::{Tree, root};

fn main() -> io::Result<()> {
    let tree = Tree::read(&root())?;
    let covered = proof::covered(&tree).map_err(io::Error::other)?;
    let document = proof::renewed(&tree, &covered).ok_or_else(|| io::Error::other(proof::MARKERS_MISSING))?;
    fs::write(root().join(proof::DOCUMENT), document)
}
