//! What only some rooms may say: the impure, and the name of the table of events.

use system_tests::tree::Tree;

use super::{holds, place, sees};

/// Words that would bring the world into the rules, and what to do instead.
const IMPURE: [(&[&str], &str); 5] = [
    (
        &["async", "await", "tokio", "Future"],
        "the rules are synchronous: do the waiting in the caller, pass the result in",
    ),
    (
        &["SystemTime", "Instant", "Utc::now", "Local::now", "now_v7"],
        "the rules have no clock: pass the moment in the command",
    ),
    (&["rand", "new_v4", "getrandom", "RandomState"], "the rules have no chance: derive it, or pass it in the command"),
    (&["HashMap", "HashSet"], "the order of a hash map differs from run to run: use BTreeMap or BTreeSet"),
    (
        &["f32", "f64", "fs", "net", "env", "thread", "process", "println"],
        "no I/O, no environment and no float near money",
    ),
];

const RULES: &str = "domain/src/";

/// Modules declared for tests alone; these may look around.
fn only_tests(tree: &Tree) -> Vec<&str> {
    let lines = tree.under(RULES, ".rs").flat_map(|source| source.text.lines().zip(source.text.lines().skip(1)));
    let declared = lines.filter(|(above, _)| above.trim() == "#[cfg(test)]");
    declared.filter_map(|(_, line)| line.trim().strip_prefix("mod ")?.strip_suffix(';')).collect()
}

fn is_part_of(path: &str, module: &str) -> bool {
    path.trim_end_matches(".rs").split('/').any(|part| part == module)
}

fn impurities(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    let only_tests = only_tests(tree);
    let rules =
        tree.under(RULES, ".rs").filter(|source| !only_tests.iter().any(|module| is_part_of(&source.path, module)));
    for source in rules {
        for (index, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (words, instead) in IMPURE {
                if let Some(word) = words.iter().find(|word| says(code, word)) {
                    offences.push(format!("{} says `{word}`: {instead}", place(&source.path, index)));
                }
            }
        }
    }
    offences
}

/// Whether the word stands in the code by itself, not as part of a longer name or inside a string.
fn says(code: &str, word: &str) -> bool {
    let part =
        |byte: Option<char>| byte.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '"');
    code.match_indices(word).any(|(start, _)| {
        let (before, after) = (&code[..start], &code[start + word.len()..]);
        let path_or_call = !matches!(word, "fs" | "net" | "env" | "thread" | "process" | "rand")
            || before.ends_with("std::")
            || (word == "rand" && after.starts_with("::"));
        path_or_call && !part(before.chars().next_back()) && !part(after.chars().next())
    })
}

/// Rooms that may name the table; documents may speak of it.
const KNOW_THE_TABLE: [&str; 3] = ["event-store/", "migrations/", "system-tests/"];
const TABLE: &str = "log.events";

fn strangers_at_the_table(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    let rooms = tree.sources.iter().filter(|source| {
        !source.path.ends_with(".md") && !KNOW_THE_TABLE.iter().any(|room| source.path.starts_with(room))
    });
    for source in rooms {
        for (index, line) in source.text.lines().enumerate().filter(|(_, line)| line.contains(TABLE)) {
            let place = place(&source.path, index);
            offences.push(format!("{place} names {TABLE} (`{}`): ask event-store, which alone knows it", line.trim()));
        }
    }
    offences
}

#[test]
fn the_rules_are_pure() {
    holds(impurities);
    sees(
        impurities,
        &[
            ("domain/src/fee.rs", "pub async fn fee() {}"),
            ("domain/src/fee.rs", "let at = Utc::now();"),
            ("domain/src/fee.rs", "let id = Uuid::now_v7();"),
            ("domain/src/fee.rs", "use std::collections::HashMap;"),
            ("domain/src/fee/tests.rs", "let share = 0.1_f64 as f64;"),
            ("domain/src/fee.rs", "std::fs::read(path)"),
            ("domain/src/fee.rs", "rand::random()"),
        ],
        &[
            ("domain/src/fee.rs", "// no HashMap here"),
            ("domain/src/fee.rs", "let net = gross - fee; let brand = 1; let operand = 2;"),
            ("domain/src/fee.rs", "fn react(process: &Process) {}"),
            ("gate/src/limit.rs", "pub async fn wait() {}"),
        ],
    );
}

#[test]
fn what_is_declared_for_tests_alone_may_look_around() {
    let looks = ("domain/src/cases.rs", "std::env::var(name)");
    let tested = ("domain/src/lib.rs", "//! Rules.\n\n#[cfg(test)]\nmod cases;\n");
    let shipped = ("domain/src/lib.rs", "//! Rules.\n\nmod cases;\n");
    assert_eq!(impurities(&Tree::of(&[looks, tested])).len(), 0);
    assert_eq!(impurities(&Tree::of(&[looks, shipped])).len(), 1);
}

#[test]
fn only_the_log_knows_its_table() {
    holds(strangers_at_the_table);
    let query = "select count(*) from log.events";
    sees(
        strangers_at_the_table,
        &[("projections/src/balance.rs", query), ("daybook/src/doctor.sql", query), ("Makefile", query)],
        &[("event-store/src/tail.rs", query), ("migrations/0001_log.sql", query), ("docs/glossary.md", query)],
    );
}
