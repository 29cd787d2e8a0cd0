//! Which crate may know which: our own edges, and the homes of others' crates.

use serde::Deserialize;
use system_tests::tree::{Tree, root};

use super::{holds, place, sees};

/// Every edge of DESIGN that may exist, from the crate to what it may know. Crates that are not here yet do no harm.
const EDGES: [(&str, &[&str]); 16] = [
    ("domain", &[]),
    ("embedded-postgres", &[]),
    ("load", &[]),
    ("meters", &[]),
    ("traces", &["meters"]),
    ("event-store", &["domain", "meters"]),
    ("channels", &["domain", "meters"]),
    ("gate", &["domain", "event-store", "traces", "vault"]),
    ("vault", &["domain", "event-store"]),
    ("bus", &["domain", "event-store", "traces"]),
    ("projections", &["domain", "event-store", "gate", "traces", "vault"]),
    ("audit", &["domain", "event-store", "gate", "vault"]),
    ("notifications", &["domain", "event-store", "vault"]),
    ("command-api", &["domain", "event-store", "channels", "gate", "meters", "vault"]),
    ("processes", &["domain", "event-store", "channels", "traces", "vault"]),
    ("daybook", ALL),
];
/// The composition root and the proof may know everything but each other.
const ALL: &[&str] = &[
    "domain",
    "embedded-postgres",
    "load",
    "meters",
    "traces",
    "event-store",
    "channels",
    "gate",
    "vault",
    "bus",
    "projections",
    "audit",
    "notifications",
    "command-api",
    "processes",
];

/// Crates of others that live in few rooms. The proof may use any of them: as oracle, as yardstick, as client.
const HOMES: [(&str, &[&str]); 7] = [
    ("cqrs-es", &["event-store"]),
    ("postgres-es", &["event-store"]),
    (
        "sqlx",
        &[
            "event-store",
            "command-api",
            "gate",
            "vault",
            "projections",
            "processes",
            "bus",
            "audit",
            "notifications",
            "daybook",
        ],
    ),
    ("axum", &["gate", "command-api", "projections", "audit", "channels", "daybook"]),
    ("reqwest", &["channels", "notifications"]),
    ("rdkafka", &["bus"]),
    ("clap", &["daybook"]),
];

/// All that the rules may build on: types without I/O, clock or randomness. Tests may add to it.
const BENEATH_THE_RULES: [&str; 5] = ["chrono", "chrono-tz", "serde", "thiserror", "uuid"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    /// Only ours have one.
    path: Option<String>,
}

fn workspace() -> Vec<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Metadata>(&output.stdout).unwrap().packages
}

fn offences(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(|package| package.dependencies.iter().filter_map(|on| offence(package, on))).collect()
}

fn offence(package: &Package, on: &Dependency) -> Option<String> {
    let (from, to) = (package.name.as_str(), on.name.as_str());
    if on.path.is_some() {
        let known = match EDGES.iter().find(|(name, _)| *name == from) {
            Some((_, known)) => known,
            None if from == "system-tests" => ALL,
            None => return Some(format!("{from} is a new room: write an ADR and give it its edges in {}", file!())),
        };
        let proof = from == "system-tests" && to == "daybook";
        let why = "the crates in the middle meet only in the log: follow it, or move what both need into domain";
        return (!known.contains(&to) && !proof).then(|| format!("{from} may not know {to}: {why}"));
    }
    if from == "domain" && on.kind.as_deref() != Some("dev") && !BENEATH_THE_RULES.contains(&to) {
        return Some(format!("domain may not know {to}: the rules are pure; pass what it would give in as a value"));
    }
    let (_, homes) = HOMES.iter().find(|(name, _)| *name == to)?;
    let homeless = from != "system-tests" && !homes.contains(&from);
    homeless.then(|| format!("{from} may not know {to}: it lives in {}; ask that crate", homes.join(", ")))
}

#[test]
fn crates_know_only_whom_they_may() {
    let offences = offences(&workspace());
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn a_forbidden_edge_is_seen() {
    let package = |name: &str, on: &str, path: Option<&str>, kind: Option<&str>| Package {
        name: name.to_owned(),
        dependencies: vec![Dependency {
            name: on.to_owned(),
            kind: kind.map(str::to_owned),
            path: path.map(str::to_owned),
        }],
    };
    let ours = Some("/somewhere");
    for (from, to, path, kind) in [
        ("domain", "event-store", ours, None),
        ("domain", "event-store", ours, Some("dev")),
        ("projections", "command-api", ours, None),
        ("event-store", "embedded-postgres", ours, Some("dev")),
        ("drawer", "domain", ours, None),
        ("domain", "tokio", None, None),
        ("domain", "sqlx", None, Some("dev")),
        ("gate", "cqrs-es", None, None),
        ("channels", "sqlx", None, None),
        ("event-store", "axum", None, None),
    ] {
        assert_eq!(offences(&[package(from, to, path, kind)]).len(), 1, "{from} -> {to}");
    }
    for (from, to, path, kind) in [
        ("event-store", "domain", ours, None),
        ("system-tests", "daybook", ours, None),
        ("system-tests", "cqrs-es", None, None),
        ("domain", "proptest", None, Some("dev")),
    ] {
        assert_eq!(offences(&[package(from, to, path, kind)]), Vec::<String>::new(), "{from} -> {to}");
    }
}

/// The lint table holds for every member.
fn lints(tree: &Tree) -> Vec<String> {
    manifests(tree)
        .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
        .map(|(path, _)| format!("{path} does not take the lint table: add `[lints]` with `workspace = true`"))
        .collect()
}

/// Versions are written in one place.
fn versions(tree: &Tree) -> Vec<String> {
    let mut offences = Vec::new();
    for (path, text) in manifests(tree) {
        let mut listing = false;
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                listing = line.ends_with("dependencies]");
            } else if listing && line.contains('=') && !line.contains("workspace = true") {
                let place = place(path, index);
                offences
                    .push(format!("{place} names a version: pin it in the root Cargo.toml, say `workspace = true`"));
            }
        }
    }
    offences
}

fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.under("", "/Cargo.toml").map(|source| (source.path.as_str(), source.text.as_str()))
}

#[test]
fn every_crate_takes_the_lint_table() {
    holds(lints);
    let taken = "[package]\n[lints]\nworkspace = true\n";
    sees(
        lints,
        &[("gate/Cargo.toml", "[package]\n"), ("gate/Cargo.toml", "[lints.rust]\n")],
        &[("gate/Cargo.toml", taken)],
    );
}

#[test]
fn versions_are_pinned_in_one_place() {
    holds(versions);
    sees(
        versions,
        &[
            ("gate/Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
            ("gate/Cargo.toml", "[dev-dependencies]\nserde = { version = \"1\" }\n"),
        ],
        &[
            ("gate/Cargo.toml", "[package]\nname = \"gate\"\n[dependencies]\nserde.workspace = true\n"),
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"),
        ],
    );
}
