//! The hashes of migrations that were applied somewhere: these files never change again.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::tree::Tree;

pub const FOLDER: &str = "migrations/";
/// In the form of `sha256sum`, so that `sha256sum -c applied.sha256` can judge it too.
pub const LIST: &str = "migrations/applied.sha256";

/// The list with a line for every migration that has none yet. Lines that are there stay as they are.
pub fn appended(tree: &Tree) -> String {
    let mut list = tree.text(LIST).unwrap_or_default().to_owned();
    for migration in tree.under(FOLDER, ".sql") {
        let name = migration.path.trim_start_matches(FOLDER);
        if !lines(&list).any(|(_, listed)| listed == name) {
            list.push_str(&format!("{}  {name}\n", hash(&migration.text)));
        }
    }
    list
}

/// Hash and file name of each line.
pub fn lines(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.lines().filter_map(|line| line.split_once("  "))
}

pub fn hash(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}
