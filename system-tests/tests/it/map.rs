//! The map in ARCHITECTURE.md says what the files say.

use system_tests::map;
use system_tests::tree::{Tree, root};

#[test]
fn the_map_is_what_the_files_say_of_themselves() {
    let tree = Tree::read(&root()).unwrap();
    let renewed = map::renewed(&tree).expect(map::MARKERS_MISSING);
    assert!(tree.text(map::DOCUMENT) == Some(&*renewed), "the map in ARCHITECTURE.md is out of date: run make map");
}

#[test]
fn a_new_first_line_makes_another_map() {
    let document = "Rooms\n<!-- map -->\nold\n<!-- end of map -->\nEnd\n";
    let manifest = "members = [\"rules\", \"log\"]";
    let files = [
        ("ARCHITECTURE.md", document),
        ("Cargo.toml", manifest),
        ("log/src/lib.rs", "//! Remembers.\n"),
        ("migrations/0001_log.sql", "-- The log.\n"),
        ("rules/src/lib.rs", "//! Decides.\n"),
        ("rules/src/money.rs", "//! Counts.\n"),
    ];
    let drawn = map::renewed(&Tree::of(&files)).unwrap();
    let rules = "**rules/**\n\n- `lib.rs` Decides.\n- `money.rs` Counts.\n";
    let log = "**log/**\n\n- `lib.rs` Remembers.\n";
    let migrations = "**migrations/**\n\n- `0001_log.sql` The log.\n";
    let expected = format!("Rooms\n<!-- map -->\n\n{rules}\n{log}\n{migrations}\n<!-- end of map -->\nEnd\n");
    assert_eq!(drawn, expected);
}
