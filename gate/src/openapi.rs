//! The OpenAPI 3.1 document, put together from what each face tells of its routes; and a page that shows it.

use std::collections::BTreeMap;

use domain::refusal::Rule;
use serde_json::{Map, Value, json};

/// One route, as the document tells of it.
#[derive(Clone, Debug)]
pub struct Operation {
    pub path: &'static str,
    /// In lower case.
    pub method: &'static str,
    pub told: Value,
}

/// The whole document.
pub fn document(operations: impl IntoIterator<Item = Operation>) -> Value {
    let mut paths = Map::new();
    for Operation { path, method, told } in operations {
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(method.to_owned(), told);
        }
    }
    crate::shared(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Daybook",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A payment ledger. Every write takes an Idempotency-Key: asking twice is asking once. \
                            Every error says what is true now (`outcome`) and whether the key was looked up. \
                            Every question is answered as of a position in the log, which the answer names.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description":
                    "With X-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(signing secret, \
                     \"{t}.{METHOD}.{path and query}.{Idempotency-Key or empty}.{body}\")>" },
                "token": { "type": "http", "scheme": "bearer" },
            },
            "schemas": { "Answer": answer(), "Problem": problem() },
        },
    }))
}

/// What every operation of a noun has.
pub fn operation((noun, verb): (&str, &str), summary: &str, description: &str) -> Map<String, Value> {
    let told = [
        ("operationId", json!(format!("{noun}-{verb}"))),
        ("tags", json!([noun])),
        ("summary", json!(summary)),
        ("description", json!(description)),
        ("security", json!([{ "apiKey": [] }, { "token": [] }])),
    ];
    told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub fn parameter(name: &str, within: &str, required: bool, schema: Value, words: &str) -> Value {
    json!({ "name": name, "in": within, "required": required, "schema": schema, "description": words })
}

/// The names in a route's path, each a parameter.
pub fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| parameter(name, "path", true, json!({ "type": "string", "minLength": 1 }), "Which."))
}

/// The problem documents that may come back: every code by its status.
pub fn problems(rules: impl IntoIterator<Item = &'static Rule>) -> Map<String, Value> {
    let mut codes: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    for Rule { code, http_status, .. } in rules {
        let known = codes.entry(*http_status).or_default();
        if !known.contains(code) {
            known.push(code);
        }
    }
    let told = codes.into_iter().map(|(status, codes)| {
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        let listed = format!("`{}`", codes.join("`, `"));
        (status.to_string(), json!({ "description": listed, "content": content }))
    });
    told.collect()
}

fn answer() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": {
            "code": { "const": 0 },
            "message": { "type": "string" },
            "data": { "type": "object" },
            "shown_once": { "type": "object", "description": "Secrets: kept nowhere, and not in a repeat of this answer." },
        },
    })
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    let flag = json!({ "type": "boolean" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "code", "error", "outcome", "retryable",
                     "key_checked", "errors", "request_id", "trace_id"],
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text, "instance": text,
            "code": { "type": "string", "description": "Never changes." },
            "error": text,
            "outcome": { "enum": ["not_applied", "applied", "unknown"] },
            "retryable": flag, "key_checked": flag,
            "errors": { "type": "array", "items": { "type": "object", "properties": {
                "pointer": text, "code": text, "detail": text } } },
            "request_id": text, "trace_id": text,
        },
    })
}

/// A page that shows the document; it loads nothing from anywhere else.
pub const fn page() -> &'static str {
    include_str!("openapi/page.html")
}
