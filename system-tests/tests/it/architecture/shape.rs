//! Sizes: what a person can read at once. The list of exceptions may only shrink.

use system_tests::tree::{Source, Tree, root};

use super::{holds, place, sees};

const MEDIAN_LINES: usize = 120;
const FILE_LINES: usize = 400;
const TEST_FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;

/// Files or functions (`path` or `path::function`) that are longer, how long they are, and why. Nothing is added here.
const EXCEPTIONS: [(&str, usize, &str); 0] = [];

fn files_too_long(tree: &Tree) -> Vec<String> {
    tree.under("", ".rs")
        .filter_map(|source| {
            let cap = if is_test(source) { TEST_FILE_LINES } else { FILE_LINES };
            let instead = "give a part of it a file of its own, named by what it is";
            too_long(&source.path, source.text.lines().count(), cap, instead)
        })
        .collect()
}

fn functions_too_long(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for source in tree.under("", ".rs") {
        for (name, line, length) in functions(&source.text) {
            let instead = "name its steps and let them be functions";
            let offence = too_long(&format!("{}::{name}", source.path), length, FUNCTION_LINES, instead);
            offences.extend(offence.map(|offence| format!("{} {offence}", place(&source.path, line))));
        }
    }
    offences
}

fn too_long(what: &str, lines: usize, cap: usize, instead: &str) -> Option<String> {
    match EXCEPTIONS.iter().find(|(name, _, _)| *name == what) {
        Some((_, listed, _)) if lines == *listed && lines > cap => None,
        Some((_, listed, _)) if lines < *listed && lines > cap => {
            Some(format!("{what} shrank to {lines} lines: lower its figure in the list of exceptions"))
        }
        Some(_) if lines <= cap => Some(format!("{what} is short now: take it off the list of exceptions")),
        Some((_, listed, _)) => Some(format!("{what} grew from {listed} to {lines} lines: {instead}")),
        None => (lines > cap).then(|| format!("{what} has {lines} lines, the cap is {cap}: {instead}")),
    }
}

/// Name, first line and length of the body of each function, as clippy counts: no blank lines, no comments. Relies on
/// rustfmt's indentation.
fn functions(text: &str) -> Vec<(String, usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", " ".repeat(indent));
        let body = lines[start..].iter().skip_while(|line| !line.ends_with('{')).skip(1);
        let body = body.take_while(|line| **line != closing);
        let length = body.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
        if !line.ends_with(';') && !line.ends_with('}') {
            found.push((name.to_owned(), start, length));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let (before, after) = words.split_once("fn ")?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    let ours = before
        .split_whitespace()
        .all(|word| qualifiers.contains(&word) || word.starts_with("pub(in") || word.ends_with(')'));
    let end = after.find(['(', '<'])?;
    ours.then(|| &after[..end])
}

fn is_test(source: &Source) -> bool {
    source.path.contains("/tests/") || source.path.ends_with("/tests.rs")
}

fn median(tree: &Tree) -> usize {
    let mut lengths: Vec<usize> = tree.under("", ".rs").map(|source| source.text.lines().count()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or_default()
}

#[test]
fn files_are_short() {
    holds(files_too_long);
    let (long, longer) = ("\n".repeat(FILE_LINES + 1), "\n".repeat(TEST_FILE_LINES + 1));
    sees(
        files_too_long,
        &[("gate/src/limit.rs", &long), ("gate/src/limit/tests.rs", &longer), ("gate/tests/it/main.rs", &longer)],
        &[("gate/src/limit/tests.rs", &long), ("docs/glossary.md", &longer)],
    );
    let median = median(&Tree::read(&root()).unwrap());
    assert!(
        median <= MEDIAN_LINES,
        "the median file has {median} lines, {MEDIAN_LINES} is what reads well: split the longest"
    );
}

#[test]
fn functions_are_short() {
    holds(functions_too_long);
    let body = "        step();\n".repeat(FUNCTION_LINES + 1);
    let long = format!("impl X {{\n    pub(crate) async fn all<T>(\n        one: T,\n    ) {{\n{body}    }}\n}}\n");
    let commented = format!("    fn all() {{\n{}    }}\n", "        // why\n\n".repeat(FUNCTION_LINES));
    let two = format!("    fn one() {{\n{0}    }}\n    fn two() {{\n{0}    }}\n", "        step();\n".repeat(40));
    sees(
        functions_too_long,
        &[("gate/src/limit.rs", &long)],
        &[("gate/src/limit.rs", &commented), ("gate/src/limit.rs", &two), ("gate/src/limit.rs", "fn all();\n")],
    );
}

#[test]
fn the_exceptions_have_reasons() {
    for (what, _, why) in EXCEPTIONS {
        assert!(why.len() > 20, "{what} needs a reason");
        let file = what.split("::").next().unwrap_or(what);
        assert!(root().join(file).is_file(), "{what} is gone: take it off the list of exceptions");
    }
}
