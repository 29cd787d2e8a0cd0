//! The rules of Prometheus, read line by line: as much of YAML as they are written in.

use std::collections::BTreeSet;

use system_tests::promql::{Named, shown};
use system_tests::tree::{Tree, root};

pub(super) const FOLDER: &str = "deploy/prometheus/";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// A series of this name.
    Record(String),
    Alert(String),
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) made: Made,
    pub(super) asks: String,
    pub(super) lasts: String,
    pub(super) text: String,
}

impl Rule {
    /// The labels that its series have.
    pub(super) fn labels(&self) -> BTreeSet<String> {
        let mut labels = Named::of(&self.asks).grouped;
        labels.remove("le");
        labels
    }

    pub(super) fn shown(&self) -> BTreeSet<String> {
        shown(&self.text)
    }
}

/// Every rule of a file.
pub(super) fn of(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut is_folded = false;
    for line in text.lines() {
        let (indent, words) = (line.len() - line.trim_start().len(), line.trim());
        let opens = |word: &str| words.strip_prefix(word).map(|rest| rest.trim().to_owned());
        let made = opens("- record:").map(Made::Record).or_else(|| opens("- alert:").map(Made::Alert));
        if let Some(made) = made {
            rules.push(Rule { made, asks: String::new(), lasts: String::new(), text: String::new() });
            is_folded = false;
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        if let Some(asks) = opens("expr:") {
            is_folded = asks == ">-";
            rule.asks = if is_folded { String::new() } else { asks };
        } else if is_folded && indent > 8 {
            rule.asks.push_str(words);
            rule.asks.push(' ');
        } else {
            is_folded = false;
            rule.lasts = opens("for:").unwrap_or_else(|| rule.lasts.clone());
            rule.text.push_str(words);
        }
    }
    rules
}

pub(super) fn all(tree: &Tree) -> Vec<Rule> {
    ["recording.yml", "alerts.yml"].iter().flat_map(|file| of(tree.text(&format!("{FOLDER}{file}")).unwrap())).collect()
}

pub(super) fn tree() -> Tree {
    Tree::read(&root().join("deploy")).map(under_deploy).unwrap()
}

/// Named from the root, as everywhere.
fn under_deploy(mut tree: Tree) -> Tree {
    for source in &mut tree.sources {
        source.path = format!("deploy/{}", source.path);
    }
    tree
}

#[test]
fn the_alerts_of_the_contract_have_its_names_and_numbers() {
    let rules = all(&tree());
    for (name, number, lasts, severity) in [
        ("HighPaymentFailureRate", "> 0.05", "5m", "critical"),
        ("HighPaymentLatency", "> 5", "10m", "warning"),
        ("HighRiskRejectionRate", "> 0.20", "15m", "warning"),
        ("HighHTTPErrorRate", "> 0.01", "5m", "critical"),
    ] {
        let rule = rules.iter().find(|rule| rule.made == Made::Alert(name.to_owned())).expect(name);
        assert!(rule.asks.ends_with(number), "{name}: {}", rule.asks);
        assert_eq!(rule.lasts, lasts, "{name}");
        assert!(rule.text.contains(&format!("severity: {severity}")), "{name}: {}", rule.text);
    }
    for rule in &rules {
        assert!(!rule.asks.is_empty(), "{rule:?}");
        let is_alert = matches!(rule.made, Made::Alert(_));
        assert_eq!(is_alert, rule.text.contains("action:"), "an alert says what to do: {:?}", rule.made);
    }
}
