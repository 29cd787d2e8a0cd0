//! JSON Schema of every event's payload, from the golden examples.

use std::collections::BTreeMap;
use std::fs;

use bus::dataschema;
use domain::fact::Fact;
use serde_json::{Map, Value, json};

use crate::tree::root;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Where the schemas are committed.
pub const DOCUMENT: &str = "docs/events.schema.json";

/// What is known of the values in one place, over all examples.
#[derive(Default)]
struct Shape {
    kinds: Vec<&'static str>,
    properties: BTreeMap<String, Shape>,
    items: Option<Box<Shape>>,
    /// Whether an object came that had more or fewer fields than one.
    is_record: bool,
}

impl Shape {
    fn see(&mut self, value: &Value) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(values) => {
                let items = self.items.get_or_insert_default();
                values.iter().for_each(|value| items.see(value));
                "array"
            }
            Value::Object(fields) => {
                self.is_record |= fields.len() != 1;
                for (name, value) in fields {
                    self.properties.entry(name.clone()).or_default().see(value);
                }
                "object"
            }
        };
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            self.kinds.sort_unstable();
        }
    }

    /// The schema inside another. An example with a value does not show that there always is one; and an object of one
    /// field is a word with its particulars, beside which there may be words that have none.
    fn within(&self) -> Value {
        let mut schema = self.schema();
        let mut kinds = self.kinds.clone();
        if kinds.contains(&"object") && !self.is_record {
            kinds.push("string");
        }
        kinds.push("null");
        kinds.sort_unstable();
        kinds.dedup();
        if let Some(kind) = schema.get_mut("type") {
            *kind = json!(kinds);
        }
        schema
    }

    /// Nothing but an event's own name is said to be required: examples show what there may be, not what there must be.
    fn schema(&self) -> Value {
        let mut schema = Map::new();
        match self.kinds.as_slice() {
            [] => {}
            [kind] => drop(schema.insert("type".to_owned(), json!(kind))),
            kinds => drop(schema.insert("type".to_owned(), json!(kinds))),
        }
        if !self.properties.is_empty() {
            let properties: Map<String, Value> =
                self.properties.iter().map(|(name, shape)| (name.clone(), shape.within())).collect();
            schema.insert("properties".to_owned(), Value::Object(properties));
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), items.schema());
        }
        Value::Object(schema)
    }
}

/// The schemas of all events of this release, by the name that `ce_dataschema` gives them.
///
/// # Errors
/// An event has no example.
pub fn schemas() -> Result<BTreeMap<String, Value>, Problem> {
    let mut schemas = BTreeMap::new();
    for (aggregate_type, event_types) in Fact::TYPES {
        for event_type in *event_types {
            let known = Fact::known(aggregate_type, event_type).ok_or("an event without a version")?;
            let mut shape = Shape::default();
            for example in examples(aggregate_type, event_type)? {
                shape.see(&example);
            }
            let name = dataschema(aggregate_type, event_type, known.event_version);
            let mut schema = shape.schema();
            let Some(fields) = schema.as_object_mut().filter(|fields| !fields.is_empty()) else {
                return Err(format!("{name} has no golden example in domain/tests/golden").into());
            };
            fields.insert("$id".to_owned(), json!(name));
            if fields.get("type") == Some(&json!("object")) {
                fields.insert("required".to_owned(), json!([event_type]));
            } else {
                fields.insert("const".to_owned(), json!(event_type));
            }
            schemas.insert(name, schema);
        }
    }
    Ok(schemas)
}

fn examples(aggregate_type: &str, event_type: &str) -> Result<Vec<Value>, Problem> {
    let start = format!("{aggregate_type}.{event_type}.");
    let mut examples = Vec::new();
    for entry in fs::read_dir(root().join("domain/tests/golden"))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)) {
            examples.push(serde_json::from_str(&fs::read_to_string(&path)?)?);
        }
    }
    Ok(examples)
}

/// The document of all schemas.
///
/// # Errors
/// As [`schemas`].
pub fn document() -> Result<Value, Problem> {
    Ok(json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The payloads of Daybook's events, by type and version",
        "description": "From the examples that the rules are tested against: what there may be. Fields may be added.",
        "$defs": schemas()?,
    }))
}

/// What of the committed schemas no longer holds in the newer ones: consumers rely on it for ever.
pub fn taken_away(committed: &Value, newer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let empty = Map::new();
    let defs = |document: &Value| document.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let newer = defs(newer);
    for (name, schema) in &defs(committed) {
        match newer.get(name) {
            Some(there) => compare(name, schema, there, &empty, &mut found),
            None => found.push(format!("{name} is gone")),
        }
    }
    found
}

fn compare(place: &str, committed: &Value, newer: &Value, empty: &Map<String, Value>, found: &mut Vec<String>) {
    let kinds = |schema: &Value| match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.clone(),
        Some(kind) => vec![kind.clone()],
        None => Vec::new(),
    };
    let (before, now) = (kinds(committed), kinds(newer));
    // A consumer may meet nothing that it was not told of; what was never seen in an example may be said later.
    if !before.is_empty() && now.iter().any(|kind| !before.contains(kind) && kind != "null") {
        found.push(format!("{place} was {before:?} and is {now:?}"));
    }
    let fields = |schema: &Value| schema.get("properties").and_then(Value::as_object).unwrap_or(empty).clone();
    let now = fields(newer);
    for (name, schema) in &fields(committed) {
        let place = format!("{place}/{name}");
        match now.get(name) {
            Some(there) => compare(&place, schema, there, empty, found),
            None => found.push(format!("{place} is gone")),
        }
    }
    if let (Some(before), Some(now)) = (committed.get("items"), newer.get("items")) {
        compare(&format!("{place}[]"), before, now, empty, found);
    }
}

/// Where a payload is not as its schema says.
pub fn unlike(place: &str, value: &Value, schema: &Value) -> Vec<String> {
    let mut seen = Shape::default();
    seen.see(value);
    let mut found = Vec::new();
    let allowed = schema.get("type").cloned().unwrap_or(Value::Null);
    let is_allowed = |kind: &str| match &allowed {
        Value::Array(kinds) => kinds.iter().any(|it| it == kind),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => allowed == kind,
    };
    found.extend(seen.kinds.iter().filter(|kind| !is_allowed(kind)).map(|kind| format!("{place} is {kind}")));
    if let (Some(fields), Some(properties)) = (value.as_object(), schema.get("properties").and_then(Value::as_object)) {
        for (name, value) in fields {
            if let Some(schema) = properties.get(name) {
                found.extend(unlike(&format!("{place}/{name}"), value, schema));
            }
        }
    }
    if let (Some(values), Some(items)) = (value.as_array(), schema.get("items")) {
        found.extend(values.iter().flat_map(|value| unlike(&format!("{place}[]"), value, items)));
    }
    found
}
