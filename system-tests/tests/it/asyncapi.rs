//! `docs/asyncapi.yaml` and the schemas of events: only ever added to.

use std::fs;

use serde_json::{Value, json};
use system_tests::traffic::{Mix, Traffic};
use system_tests::tree::root;
use system_tests::{asyncapi, schema};

fn committed(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_default()
}

#[test]
fn the_committed_asyncapi_document_is_what_the_code_says() {
    let made = asyncapi::yaml(&asyncapi::document().unwrap());
    if std::env::var_os("DAYBOOK_WRITE_DOCS").is_some() {
        fs::write(root().join(asyncapi::DOCUMENT), &made).unwrap();
    }
    assert!(
        committed(asyncapi::DOCUMENT) == made,
        "docs/asyncapi.yaml is not what the code says: DAYBOOK_WRITE_DOCS=1"
    );
}

#[test]
fn asyncapi_schemas_of_events_are_only_added_to() {
    let made = schema::document().unwrap();
    let before: Value = serde_json::from_str(&committed(schema::DOCUMENT)).unwrap_or(Value::Null);
    let taken_away = schema::taken_away(&before, &made);
    assert_eq!(taken_away, Vec::<String>::new(), "consumers rely on what was published: raise the event's version");
    if std::env::var_os("DAYBOOK_WRITE_DOCS").is_some() {
        fs::write(root().join(schema::DOCUMENT), format!("{made:#}\n")).unwrap();
    }
    let is_current = committed(schema::DOCUMENT) == format!("{made:#}\n");
    assert!(is_current, "docs/events.schema.json is not what the examples say: run with DAYBOOK_WRITE_DOCS=1");
}

#[test]
fn asyncapi_notices_what_is_taken_away_or_changed() {
    let schema = |fields: Value| json!({ "$defs": { "a": { "type": "object", "properties": fields } } });
    let before = schema(json!({ "n": { "type": "integer" }, "t": { "type": "array", "items": { "type": "string" } } }));
    assert!(schema::taken_away(&before, &before).is_empty());
    let mut more = before.clone();
    more["$defs"]["a"]["properties"]["new"] = json!({ "type": "string" });
    more["$defs"]["b"] = json!({ "type": "object" });
    assert!(schema::taken_away(&before, &more).is_empty());
    for changed in [
        json!({ "$defs": {} }),
        schema(json!({ "n": { "type": "integer" } })),
        schema(json!({ "n": { "type": "string" }, "t": { "type": "array", "items": { "type": "string" } } })),
        schema(json!({ "n": { "type": "integer" }, "t": { "type": "array", "items": { "type": "integer" } } })),
    ] {
        assert_eq!(schema::taken_away(&before, &changed).len(), 1, "{changed}");
    }
}

#[test]
fn asyncapi_schemas_hold_of_a_ledgers_traffic() {
    let schemas = schema::schemas().unwrap();
    let mut traffic = Traffic::new(Mix::seeded(7)).unwrap();
    for line in traffic.more(5_000).unwrap() {
        let name = bus::dataschema(line.aggregate_type, line.event_type, line.event_version);
        let payload: Value = serde_json::from_str(&line.payload).unwrap();
        assert_eq!(schema::unlike(&name, &payload, &schemas[&name]), Vec::<String>::new(), "{payload}");
    }
}
