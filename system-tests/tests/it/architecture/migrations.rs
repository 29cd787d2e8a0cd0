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

/// Up to here they came before anybody had traffic.
const BEFORE_TRAFFIC: &str = "0014";

/// What would hold up everybody who uses a table that is there, for as long as it has rows.
fn holding_up(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for migration in tree.under(applied::FOLDER, ".sql") {
        let name = migration.path.trim_start_matches(applied::FOLDER);
        if name.get(..4).is_some_and(|number| number <= BEFORE_TRAFFIC) {
            continue;
        }
        let code = migration.text.lines().map(|line| line.split("--").next().unwrap_or_default());
        let code = code.collect::<Vec<_>>().join(" ").to_lowercase();
        let statements: Vec<String> =
            code.split(';').map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let made: Vec<&str> =
            statements.iter().filter_map(|statement| word_after(statement, "create table ")).collect();
        for statement in &statements {
            if let Some(instead) = holds_up(statement, &made) {
                offences.push(format!("{}: `{statement}`: {instead}", migration.path));
            }
        }
    }
    offences
}

fn word_after<'s>(statement: &'s str, words: &str) -> Option<&'s str> {
    let rest = statement.split_once(words)?.1.trim_start_matches("if not exists ").trim_start_matches("only ");
    rest.split([' ', '(']).next()
}

fn holds_up(statement: &str, made: &[&str]) -> Option<&'static str> {
    let is_old = |words: &str| word_after(statement, words).is_some_and(|table| !made.contains(&table));
    let has = |words: &str| statement.contains(words);
    let begins = |words: &str| statement.starts_with(words);
    if (begins("create index") || begins("create unique index")) && !has(" concurrently ") && is_old(" on ") {
        return Some(
            "nobody may write meanwhile: create it concurrently, in a file of its own that begins with `-- no-transaction`",
        );
    }
    if begins("alter table ") && is_old("alter table ") {
        if has("alter column") && has(" type ") {
            return Some("it rewrites the table: add another column, and let the program fill it");
        }
        if has(" set not null") || (has(" add ") && has(" not null") && !has(" default ")) {
            return Some("it reads the whole table: add a check `not valid`, and validate it in the next migration");
        }
        if has("add constraint") && !has(" not valid") && !has(" using index") {
            return Some("it reads the whole table: add it `not valid`, and validate it in the next migration");
        }
    }
    if begins("update log.") || begins("delete from log.") || begins("vacuum full") || begins("cluster ") {
        return Some("it takes as long as there are rows: let the program do it, in small steps");
    }
    None
}

#[test]
fn no_migration_holds_up_whoever_uses_a_table_that_is_there() {
    holds(holding_up);
}

#[test]
fn a_migration_that_would_hold_up_traffic_is_seen() {
    let seen = |sql: &str| holding_up(&Tree::of(&[("migrations/0015_more.sql", sql)])).len();
    for bad in [
        "create index later on log.events (recorded_at);",
        "create unique index if not exists later on only log.events (recorded_at);",
        "alter table log.events alter column payload type jsonb;",
        "alter table log.answers add column later text not null;",
        "alter table log.answers alter column body set not null;",
        "alter table read.payments add constraint positive check (amount_minor > 0);",
        "update log.events\n set metadata = '{}';",
        "vacuum full log.events;",
    ] {
        assert_eq!(seen(bad), 1, "{bad}");
        assert_eq!(seen(&format!("-- {bad}\n")), 0, "{bad}");
        assert!(holding_up(&Tree::of(&[("migrations/0014_more.sql", bad)])).is_empty());
    }
    for good in [
        "create table log.later (id bigint not null); create index later on log.later (id);",
        "-- no-transaction\ncreate index concurrently later on log.events (recorded_at);",
        "alter table log.answers add column later text; alter table log.answers add column more int not null default 0;",
        "alter table read.payments add constraint positive check (amount_minor > 0) not valid;",
    ] {
        assert_eq!(seen(good), 0, "{good}");
    }
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
