//! Names that say nothing, files that do not speak, words that mean unfinished.

use system_tests::tree::Tree;

use super::{holds, place, sees};

const DRAWERS: [&str; 19] = [
    "util", "utils", "common", "helper", "helpers", "misc", "shared", "core", "type", "types", "model", "models",
    "manager", "managers", "service", "services", "handler", "handlers", "base",
];
const DRAWER: &str = "a drawer, not a name: call it by what is in it";
const FIRST_LINE: usize = 90;

/// Files and folders, and modules written inside a file.
fn drawers(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for source in tree.sources.iter().filter(|source| !source.path.starts_with('.')) {
        let parts = source.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        offences
            .extend(parts.filter(|part| is_drawer(part)).map(|part| format!("{}: `{part}` is {DRAWER}", source.path)));
    }
    for source in tree.under("", ".rs") {
        for (index, line) in source.text.lines().enumerate() {
            let inside = line
                .trim_start()
                .trim_start_matches("pub ")
                .strip_prefix("mod ")
                .and_then(|rest| rest.strip_suffix(" {"));
            offences.extend(
                inside
                    .filter(|name| is_drawer(name))
                    .map(|name| format!("{}: `{name}` is {DRAWER}", place(&source.path, index))),
            );
        }
    }
    offences
}

fn is_drawer(name: &str) -> bool {
    DRAWERS.contains(&name) || name == "impl"
}

fn mod_files(tree: &Tree) -> Vec<String> {
    let instead = "name the file after its folder: `limit.rs` beside `limit/`";
    tree.under("", "/mod.rs").map(|source| format!("{}: {instead}", source.path)).collect()
}

fn first_lines(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for source in tree.under("", ".rs") {
        let mut lines = source.text.lines();
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let length = first.chars().count();
        if !first.starts_with("//! ") {
            offences.push(format!("{}: begin with `//! ` and what the file is for", source.path));
        } else if length > FIRST_LINE {
            offences.push(format!("{}: the first line has {length} characters, say it in {FIRST_LINE}", source.path));
        } else if second.starts_with("//! ") {
            offences.push(format!("{}: the first line runs on: end it, then a line `//!`, then the rest", source.path));
        }
    }
    offences
}

/// Joined here, so that this file does not say them.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

fn unfinished(tree: &Tree) -> Vec<String> {
    let instead = "finish it, or open an issue and say there what is missing";
    find(tree, |line| UNFINISHED.into_iter().find(|word| line.contains(word)), instead)
}

fn allowances(tree: &Tree) -> Vec<String> {
    let instead = "write `#[expect(…, reason = \"…\")]`, which ends by itself when it is no longer needed";
    let forms = [concat!("#[", "allow("), concat!("#![", "allow("), concat!(", ", "allow(")];
    find(tree, |line| forms.into_iter().find(|form| line.contains(form)), instead)
}

fn find(tree: &Tree, offence: impl Fn(&str) -> Option<&'static str>, instead: &str) -> Vec<String> {
    let mut offences = Vec::new();
    let files = [".rs", ".sql", ".toml", ".sh", ".ts", "Makefile", ".ci/run"];
    for source in tree.sources.iter().filter(|source| files.iter().any(|ending| source.path.ends_with(ending))) {
        for (index, line) in source.text.lines().enumerate() {
            offences.extend(offence(line).map(|found| format!("{}: `{found}`: {instead}", place(&source.path, index))));
        }
    }
    offences
}

#[test]
fn names_say_what_is_inside() {
    holds(drawers);
    sees(
        drawers,
        &[
            ("gate/src/utils.rs", "//! x"),
            ("gate/src/helpers/time.rs", "//! x"),
            ("core/Cargo.toml", ""),
            ("docs/misc.md", ""),
            ("gate/src/limit.rs", "    mod common {\n    }"),
        ],
        &[("gate/src/limit.rs", "mod limits {\n}"), ("daybook/src/serve.rs", "pub mod tests {")],
    );
    holds(mod_files);
    sees(mod_files, &[("gate/src/limit/mod.rs", "")], &[("gate/src/limit.rs", "")]);
}

#[test]
fn every_file_says_in_one_line_what_it_is_for() {
    holds(first_lines);
    let long = format!("//! {}", "x".repeat(FIRST_LINE));
    sees(
        first_lines,
        &[
            ("gate/src/a.rs", "use std::io;"),
            ("gate/src/b.rs", ""),
            ("gate/src/c.rs", &long),
            ("gate/src/d.rs", "//! Runs on\n//! and on."),
        ],
        &[("gate/src/e.rs", "//! Short.\n//!\n//! More."), ("gate/src/f.rs", "//! Short.\n\nuse std::io;")],
    );
}

#[test]
fn nothing_is_left_unfinished() {
    holds(unfinished);
    for word in UNFINISHED {
        let line = format!("// {word}: later");
        sees(unfinished, &[("gate/src/a.rs", &line), ("migrations/0001_log.sql", &line), ("Makefile", &line)], &[]);
    }
}

#[test]
fn a_lint_is_expected_with_a_reason_never_allowed() {
    holds(allowances);
    let plain = concat!("#[", "allow(dead_code)]");
    let conditional = concat!("#[cfg_attr(test, ", "allow(dead_code))]");
    sees(
        allowances,
        &[("gate/src/a.rs", plain), ("gate/src/a.rs", conditional)],
        &[("gate/src/a.rs", "#[expect(dead_code, reason = \"x\")]"), ("gate/src/a.rs", "limits.allow(caller)")],
    );
}
