//! What is deployed tells the binary only what it understands.

use std::collections::BTreeSet;

use system_tests::tree::{Tree, root};

/// Beginnings of the names of our settings.
const OURS: [&str; 3] = ["DAYBOOK_", "DATABASE_", "JAEGER_"];
/// Names of `make`, of the tests and of what is around the binary.
const NOT_OF_THE_BINARY: [&str; 1] = ["DAYBOOK_VERSION"];

/// Words in capitals that begin as our settings do.
fn settings(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'));
    words
        .filter(|word| OURS.iter().any(|ours| word.len() > ours.len() && word.starts_with(ours)))
        .map(str::to_owned)
        .collect()
}

/// Settings that the binary reads, and files that secrets among them may be in.
fn known(tree: &Tree) -> BTreeSet<String> {
    let sources = tree.under("daybook/src/", ".rs");
    let named =
        sources.flat_map(|source| source.text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next()));
    named.flat_map(|name| [name.to_owned(), format!("{name}_FILE")]).collect()
}

fn deployed(tree: &Tree) -> Vec<(String, String)> {
    let files = tree.sources.iter().filter(|source| {
        source.path.starts_with("deploy/") || ["docker-compose.yml", "Dockerfile"].contains(&source.path.as_str())
    });
    files.map(|source| (source.path.clone(), source.text.clone())).collect()
}

#[test]
fn every_setting_that_is_deployed_is_one_the_binary_knows() {
    let tree = Tree::read(&root()).unwrap();
    let known = known(&tree);
    assert!(known.contains("DAYBOOK_MASTER_KEY_FILE") && known.contains("DATABASE_URL"), "{known:?}");
    let mut unknown = Vec::new();
    for (path, text) in deployed(&tree) {
        let names = settings(&text);
        let of = names.difference(&known).filter(|name| !NOT_OF_THE_BINARY.contains(&name.as_str()));
        unknown.extend(of.map(|name| format!("{path}: {name}")));
    }
    assert_eq!(unknown, Vec::<String>::new());
    assert_eq!(settings("x: DAYBOOK_LISTENS, DAYBOOK_"), BTreeSet::from(["DAYBOOK_LISTENS".to_owned()]));
}

#[test]
fn a_server_is_deployed_as_it_should_be() {
    let tree = Tree::read(&root()).unwrap();
    let text = |path: &str| tree.text(path).unwrap_or_default().to_owned();
    let server = text("deploy/kubernetes/server.yml");
    for needed in [
        "runAsNonRoot: true",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "path: /livez",
        "path: /readyz",
        "terminationGracePeriodSeconds: 45",
        "kind: PodDisruptionBudget",
        "maxUnavailable: 1",
        // As deploy/prometheus/kubernetes.yml names it.
        "name: daybook-each",
    ] {
        assert!(server.contains(needed), "deploy/kubernetes/server.yml lacks {needed}");
    }
    let unit = text("deploy/systemd/daybook.service");
    for needed in
        ["DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "TimeoutStopSec=30", "LoadCredential="]
    {
        assert!(unit.contains(needed), "deploy/systemd/daybook.service lacks {needed}");
    }
}
