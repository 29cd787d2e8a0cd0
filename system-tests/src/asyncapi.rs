//! `docs/asyncapi.yaml`: what is on the bus, from what the relay sends.

use bus::{HEADERS, HEADERS_OF_A_WATERMARK, Topic};
use serde_json::{Map, Value, json};

use crate::schema;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Where the document is committed.
pub const DOCUMENT: &str = "docs/asyncapi.yaml";

/// The document, as `AsyncAPI` 3.
///
/// # Errors
/// An event has no schema.
pub fn document() -> Result<Value, Problem> {
    let topic = Topic::default();
    let (mut messages, mut of_channel) = (Map::new(), Map::new());
    for name in schema::schemas()?.keys() {
        let (before, version) = name.rsplit_once(':').ok_or("a schema without a version")?;
        let event_type = before.rsplit_once(':').ok_or("a schema without a type")?.1;
        let short = format!("{event_type}-{version}");
        let message = json!({
            "name": event_type,
            "contentType": "application/json",
            "headers": { "$ref": "#/components/schemas/eventHeaders" },
            "payload": { "$ref": format!("./events.schema.json#/$defs/{name}") },
            "bindings": { "kafka": { "key": { "type": "string", "description": "The merchant, or `ledger`" } } },
        });
        of_channel.insert(short.clone(), json!({ "$ref": format!("#/components/messages/{short}") }));
        messages.insert(short, message);
    }
    let watermark = json!({
        "name": bus::WATERMARK,
        "summary": "Sent to every partition each second: every event of it up to that position was sent before",
        "headers": { "$ref": "#/components/schemas/watermarkHeaders" },
        "payload": { "type": "null" },
    });
    of_channel
        .insert(bus::WATERMARK.to_owned(), json!({ "$ref": format!("#/components/messages/{}", bus::WATERMARK) }));
    messages.insert(bus::WATERMARK.to_owned(), watermark);
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Daybook: the log on Kafka",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every event of the ledger, CloudEvents 1.0 in binary mode. Events of one merchant are in one \
                partition, in order. An event may come more than once: drop what is not after the last position taken from \
                its partition, and keep that position where your own work is kept, in the same transaction. Where \
                ce_previous is after it, something is missing: stop.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": { "events": {
            "address": topic.name,
            "messages": of_channel,
            "bindings": { "kafka": { "partitions": topic.partitions, "topicConfiguration": {
                "cleanup.policy": ["delete"], "max.message.bytes": bus::MESSAGE_LIMIT } } },
        } },
        "operations": { "relay": { "action": "send", "channel": { "$ref": "#/channels/events" } } },
        "components": {
            "messages": messages,
            "schemas": { "eventHeaders": headers(HEADERS, 12), "watermarkHeaders": headers(HEADERS_OF_A_WATERMARK, 8) },
        },
    }))
}

/// All headers are text. The first so many are always there.
fn headers(list: &[(&str, &str)], always: usize) -> Value {
    let properties: Map<String, Value> = list
        .iter()
        .map(|(name, about)| ((*name).to_owned(), json!({ "type": "string", "description": about })))
        .collect();
    let required: Vec<&str> = list.iter().take(always).map(|(name, _about)| *name).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// The same as YAML. Every text is quoted as JSON quotes it, which YAML reads alike.
pub fn yaml(value: &Value) -> String {
    let mut text = String::from("# Made from the code: DAYBOOK_WRITE_DOCS=1 make test TEST=asyncapi\n");
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                entry(&format!("{indent}{}:", Value::from(name.as_str())), value, depth, text);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for value in values {
                entry(&format!("{indent}-"), value, depth, text);
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&format!("{indent}{value}\n"));
        }
    }
}

fn entry(start: &str, value: &Value, depth: usize, text: &mut String) {
    let is_long = value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|values| !values.is_empty());
    if is_long {
        text.push_str(start);
        text.push('\n');
        block(value, depth + 1, text);
    } else {
        text.push_str(&format!("{start} {value}\n"));
    }
}
