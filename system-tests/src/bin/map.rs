//! Writes the map in ARCHITECTURE.md from the first line of every file.

use std::{fs, io};

use system_tests::map;
use system_tests::tree::{Tree, root};

fn main() -> io::Result<()> {
    let tree = Tree::read(&root())?;
    let document = map::renewed(&tree).ok_or_else(|| io::Error::other(map::MARKERS_MISSING))?;
    fs::write(root().join(map::DOCUMENT), document)
}
