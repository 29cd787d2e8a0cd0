//! Adds the hash of each new migration to `migrations/applied.sha256`.

use std::{fs, io};

use system_tests::applied;
use system_tests::tree::{Tree, root};

fn main() -> io::Result<()> {
    fs::write(root().join(applied::LIST), applied::appended(&Tree::read(&root())?))
}
