//! A migration that was applied somewhere is history: it never changes and never goes.

use system_tests::applied;
use system_tests::tree::Tree;

use super::holds;

fn offences(tree: &Tree) -> Vec<String> {
    let list = tree.text(applied::LIST).unwrap_or_default();
    let mut offences = Vec::new();
    for (hash, name) in applied::lines(list) {
        let path = format!("{}{name}", applied::FOLDER);
        match tree.text(&path) {
            Some(text) if applied::hash(text) == hash => {}
            Some(_) => {
                offences.push(format!("{path} was changed after it was applied: put it back and add a new migration"));
            }
            None => {
                offences.push(format!("{path} was applied and is gone: put it back and undo it in a new migration"));
            }
        }
    }
    for (index, migration) in tree.under(applied::FOLDER, ".sql").enumerate() {
        let name = migration.path.trim_start_matches(applied::FOLDER);
        if !applied::lines(list).any(|(_, listed)| listed == name) {
            let run = "cargo run -q -p system-tests --bin applied";
            offences.push(format!("{} has no line in {}: run `{run}`", migration.path, applied::LIST));
        }
        let number = format!("{:04}_", index + 1);
        if !name.starts_with(&number) {
            offences.push(format!("{} breaks the numbering: the next migration begins with {number}", migration.path));
        }
    }
    offences
}

#[test]
fn applied_migrations_never_change() {
    holds(offences);
}

#[test]
fn a_changed_missing_unlisted_or_misnumbered_migration_is_seen() {
    let sql = "create schema log;\n";
    let first = ("migrations/0001_log.sql", sql);
    let list = applied::appended(&Tree::of(&[first]));
    let listed = (applied::LIST, list.as_str());
    assert_eq!(offences(&Tree::of(&[first, listed])), Vec::<String>::new());
    assert_eq!(offences(&Tree::of(&[first])).len(), 1, "not listed");
    assert_eq!(offences(&Tree::of(&[listed])).len(), 1, "gone");
    assert_eq!(offences(&Tree::of(&[("migrations/0001_log.sql", "drop schema log;\n"), listed])).len(), 1, "changed");
    let third = ("migrations/0003_late.sql", sql);
    let list = applied::appended(&Tree::of(&[first, third, listed]));
    assert_eq!(offences(&Tree::of(&[first, third, (applied::LIST, &list)])).len(), 1, "a number is left out");
}

#[test]
fn a_line_that_is_there_stays_when_another_is_added() {
    let changed = ("migrations/0001_log.sql", "drop schema log;\n");
    let listed = (applied::LIST, "00  0001_log.sql\n");
    let list = applied::appended(&Tree::of(&[changed, ("migrations/0002_more.sql", ""), listed]));
    // The hash of nothing is well known.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(list, format!("00  0001_log.sql\n{empty}  0002_more.sql\n"));
}
