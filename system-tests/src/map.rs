//! The map of the code in ARCHITECTURE.md, made from what each file says of itself.

use std::path::Path;

use crate::tree::{Source, Tree};

pub const DOCUMENT: &str = "ARCHITECTURE.md";
pub const MARKERS_MISSING: &str = "ARCHITECTURE.md needs the lines `<!-- map -->` and `<!-- end of map -->`";
const BEGIN: &str = "<!-- map -->\n";
const END: &str = "<!-- end of map -->";

/// The document with the map as it should be; nothing when it lacks the markers.
pub fn renewed(tree: &Tree) -> Option<String> {
    let document = tree.text(DOCUMENT)?;
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{}{END}{after}", drawn(tree)))
}

/// Folder by folder in the order of the workspace, the migrations last.
fn drawn(tree: &Tree) -> String {
    let mut map = String::new();
    for room in members(tree) {
        let prefix = format!("{room}/");
        let files = tree.under(&prefix, ".rs").filter_map(|source| line(source, &prefix, "//! "));
        map.push_str(&section(room, files));
    }
    let files = tree.under("migrations/", ".sql").filter_map(|source| line(source, "migrations/", "-- "));
    map.push_str(&section("migrations", files));
    map.push('\n');
    map
}

fn section(room: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.collect();
    if lines.is_empty() { String::new() } else { format!("\n**{room}/**\n\n{lines}") }
}

fn line(source: &Source, prefix: &str, opening: &str) -> Option<String> {
    let says = source.text.lines().next()?.strip_prefix(opening)?;
    let path = source.path.strip_prefix(prefix)?;
    let inside = Path::new(path).strip_prefix("src").unwrap_or(Path::new(path));
    Some(format!("- `{}` {says}\n", inside.display()))
}

/// The workspace's members in the order they are named.
pub fn members(tree: &Tree) -> Vec<&str> {
    let manifest = tree.text("Cargo.toml").unwrap_or_default();
    let list = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']'));
    let names = list.map(|(names, _)| names).unwrap_or_default();
    names.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty()).collect()
}
