//! The judge of Prometheus on our rules: each alert seen to fire and to rest.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use system_tests::say::say;
use system_tests::tree::root;

use super::rules::{self, FOLDER, Made};

/// Set where a test that was not run is a test that failed.
const REQUIRED: &str = "DAYBOOK_REQUIRE_PROMTOOL";
const CASES: [&str; 2] = ["tests/contract.yml", "tests/operations.yml"];

/// Nothing where the judge is not to be had, which is said.
fn judge(arguments: &[&str], text: &str) -> Option<Output> {
    let mut judge = Command::new(root().join("scripts/promtool"));
    let piped = judge.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judge = piped.spawn().unwrap();
    // Where there is no judge nobody reads it.
    drop(judge.stdin.take().unwrap().write_all(text.as_bytes()));
    let output = judge.wait_with_output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("promtool: it is not here") {
        let is_required = std::env::var(REQUIRED).is_ok_and(|set| set == "1");
        assert!(!is_required, "{REQUIRED}=1, and there is no promtool: scripts/promtool fetch");
        say(&format!("NOT RUN: promtool {}: it is not here (scripts/promtool fetch)", arguments.join(" ")));
        return None;
    }
    Some(output)
}

fn passes(arguments: &[&str]) {
    passes_of(arguments, "");
}

/// The same of what it reads.
pub(crate) fn passes_of(arguments: &[&str], text: &str) {
    let Some(output) = judge(arguments, text) else { return };
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn prometheus_reads_its_configuration_and_rules() {
    for configuration in ["prometheus.yml", "kubernetes.yml"] {
        passes(&["check", "config", "--syntax-only", &format!("{FOLDER}{configuration}")]);
    }
    passes(&["check", "rules", &format!("{FOLDER}recording.yml"), &format!("{FOLDER}alerts.yml")]);
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() {
    let cases = CASES.map(|cases| format!("{FOLDER}{cases}"));
    passes(&["test", "rules", &cases[0], &cases[1]]);
}

#[test]
fn an_alert_with_another_number_does_not_pass() {
    let directory = crate::audit::Directory::fresh();
    let place = |name: &str| directory.at(name);
    for name in ["recording.yml", "alerts.yml"] {
        let text = std::fs::read_to_string(root().join(FOLDER).join(name)).unwrap();
        std::fs::write(place(name), text.replace("ratio5m > 0.05", "ratio5m > 0.07")).unwrap();
    }
    std::fs::create_dir(place("tests")).unwrap();
    std::fs::copy(root().join(FOLDER).join(CASES[0]), place(CASES[0])).unwrap();
    let cases = place(CASES[0]).display().to_string();
    if let Some(output) = judge(&["test", "rules", &cases], "") {
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Alerts of which a case sees one fire, and of which one sees none.
fn seen(cases: &str) -> [BTreeSet<String>; 2] {
    let (mut fires, mut rests, mut name) = (BTreeSet::new(), BTreeSet::new(), String::new());
    for line in cases.lines().map(str::trim) {
        if let Some(named) = line.strip_prefix("- alertname:") {
            named.trim().clone_into(&mut name);
        } else if line == "exp_alerts: []" {
            rests.insert(name.clone());
        } else if line == "exp_alerts:" {
            fires.insert(name.clone());
        }
    }
    [fires, rests]
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let tree = rules::tree();
    let cases: String = CASES.iter().map(|cases| tree.text(&format!("{FOLDER}{cases}")).unwrap()).collect();
    let alerts: BTreeSet<String> = rules::all(&tree)
        .into_iter()
        .filter_map(|rule| match rule.made {
            Made::Alert(name) => Some(name),
            Made::Record(_) => None,
        })
        .collect();
    let [fires, rests] = seen(&cases);
    assert_eq!(fires, alerts, "an alert nobody has seen fire");
    assert_eq!(rests, alerts, "an alert nobody has seen keep still");
}
