//! Every shape ever stored, read back: golden files are added, never altered.

use std::{collections::BTreeSet, fs, path::PathBuf};

use domain::{account::Side, fact::Fact};
use serde_json::Value;

/// A golden file: `aggregate.event_type[.case].json`.
pub(crate) struct Golden {
    pub(crate) aggregate_type: String,
    pub(crate) event_type: String,
    pub(crate) case: Option<String>,
    pub(crate) json: Value,
    pub(crate) fact: Fact,
}

pub(crate) fn all() -> Vec<Golden> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(read).collect()
}

fn read(path: &PathBuf) -> Golden {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let mut parts = stem.splitn(3, '.').map(str::to_owned);
    let (aggregate_type, event_type) = (parts.next().unwrap(), parts.next().unwrap());
    let text = fs::read_to_string(path).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let fact = Fact::read(&aggregate_type, &mut serde_json::Deserializer::from_str(&text));
    let fact = fact.unwrap_or_else(|failure| panic!("{stem}: {failure}: {:?}", std::error::Error::source(&failure)));
    Golden { aggregate_type, event_type, case: parts.next(), json, fact }
}

/// The payload as it would be stored today.
fn stored(fact: &Fact) -> Value {
    match fact {
        Fact::Merchant(event) => serde_json::to_value(event),
        Fact::Order(event) => serde_json::to_value(event),
        Fact::Payment(event) => serde_json::to_value(event),
        Fact::Refund(event) => serde_json::to_value(event),
        Fact::Settlement(event) => serde_json::to_value(event),
        Fact::SettledFunds(event) => serde_json::to_value(event),
        Fact::Remittance(event) => serde_json::to_value(event),
        Fact::Adjustment(event) => serde_json::to_value(event),
        Fact::Operator(event) => serde_json::to_value(event),
        Fact::Saga(event) => serde_json::to_value(event),
        Fact::RiskRules(event) => serde_json::to_value(event),
        Fact::Periods(event) => serde_json::to_value(event),
        Fact::OldName(event) => serde_json::to_value(event),
    }
    .unwrap()
}

#[test]
fn every_stored_shape_reads_back_and_is_written_the_same() {
    for golden in all() {
        let name = format!("{}.{} {:?}", golden.aggregate_type, golden.event_type, golden.case);
        assert_eq!(stored(&golden.fact), golden.json, "{name}");
        assert_eq!(golden.fact.aggregate_type(), golden.aggregate_type, "{name}");
        assert_eq!(golden.fact.event_type(), golden.event_type, "{name}");
        assert_eq!(golden.fact.event_version(), "1.0", "{name}");
    }
}

#[test]
fn the_outer_tag_says_what_an_event_is() {
    for golden in all() {
        let tag = match &golden.json {
            Value::String(tag) => tag.as_str(),
            Value::Object(object) if object.len() == 1 => object.keys().next().unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!(tag, golden.event_type);
    }
}

#[test]
fn every_event_there_is_has_a_golden_file() {
    let seen: BTreeSet<(String, String)> =
        all().into_iter().map(|golden| (golden.aggregate_type, golden.event_type)).collect();
    let named = Fact::TYPES.iter().flat_map(|(aggregate, events)| events.iter().map(move |event| (*aggregate, *event)));
    let expected: BTreeSet<(String, String)> = named.map(|(a, e)| (a.to_owned(), e.to_owned())).collect();
    assert_eq!(seen, expected);
    assert_eq!(expected.len(), Fact::TYPES.iter().map(|(_, events)| events.len()).sum::<usize>());
}

#[test]
fn every_golden_posting_balances() {
    for golden in all() {
        let posting = golden.fact.posting();
        let sum: i64 = posting
            .lines()
            .iter()
            .map(|line| if line.side == Side::Debit { line.money.amount_minor } else { -line.money.amount_minor })
            .sum();
        assert_eq!(sum, 0, "{}.{}", golden.aggregate_type, golden.event_type);
        assert_eq!(posting.effective_at().is_some(), !posting.moves_no_money(), "{}", golden.event_type);
    }
}

#[test]
fn what_no_release_wrote_is_a_failure() {
    let read = |aggregate: &str, text: &str| {
        Fact::read(aggregate, &mut serde_json::Deserializer::from_str(text)).unwrap_err().to_string()
    };
    assert_eq!(read("wallet", "{}"), "no aggregate is called wallet");
    assert_eq!(read("payment", r#"{"teleported":{}}"#), "the payload is no event of payment");
}
