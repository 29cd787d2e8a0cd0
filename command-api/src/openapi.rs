//! The OpenAPI 3.1 document, made from the list of routes; and a page that shows it.

use std::collections::BTreeMap;

use domain::refusal::Rule;
use gate::rules;
use serde_json::{Map, Value, json};

use crate::routes::{ROUTES, Route};

/// The whole document.
pub fn document() -> Value {
    let paths: Map<String, Value> =
        ROUTES.iter().map(|route| (route.path.to_owned(), json!({ "post": operation(route) }))).collect();
    gate::shared(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Daybook",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A payment ledger. Every write takes an Idempotency-Key: asking twice is asking once. \
                            Every error says what is true now (`outcome`) and whether the key was looked up.",
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

fn operation(route: &Route) -> Value {
    let (schema, example) = (route.body.0(), route.body.1());
    json!({
        "operationId": format!("{}-{}", route.words.0, route.words.1),
        "tags": [route.words.0],
        "summary": route.summary,
        "description": format!("Scope `{}`. Body at most {} bytes.", route.entrance.scope.name(), route.entrance.body_max),
        "security": [{ "apiKey": [] }, { "token": [] }],
        "parameters": parameters(route),
        "requestBody": {
            "required": schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty()),
            "content": { "application/json": { "schema": schema, "example": example } },
        },
        "responses": responses(route),
    })
}

fn parameters(route: &Route) -> Value {
    let text = |name: &str, within: &str, required: bool, schema: Value, words: &str| json!({ "name": name, "in": within, "required": required, "schema": schema, "description": words });
    let mut parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| text(name, "path", true, json!({ "type": "string", "minLength": 1 }), "Which."))
        .collect();
    if route.has_one_key() {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" });
        let words = "Names this request and no other; a dry run needs none.";
        parameters.push(text("Idempotency-Key", "header", true, schema, words));
        let schema = json!({ "type": "string", "pattern": "^\"[0-9]{1,18}\"$" });
        parameters.push(text("If-Match", "header", false, schema, "Only at this version, as ETag gave it."));
    }
    let schema = json!({ "type": "boolean", "default": false });
    parameters.push(text("dry_run", "query", false, schema, "Tell what would follow; write nothing."));
    parameters.into()
}

/// What may come back: success, and every code by its status.
fn responses(route: &Route) -> Value {
    let mut codes: BTreeMap<u16, Vec<&'static str>> = BTreeMap::new();
    let values = domain::catalogue::chapters();
    let values =
        values.iter().filter(|chapter| VALUES.contains(&chapter.name)).flat_map(|chapter| chapter.rules.clone());
    let all = rules::ALL.iter().copied().chain(values).chain((route.rules)());
    for Rule { code, http_status, .. } in all {
        let known = codes.entry(*http_status).or_default();
        if !known.contains(code) {
            known.push(code);
        }
    }
    let mut responses = Map::new();
    let headers = json!({
        "Daybook-Position": { "schema": { "type": "string" }, "description": "Where in the log this stands." },
        "ETag": { "schema": { "type": "string" }, "description": "The version it has now." },
        "Idempotency-Replayed": { "schema": { "type": "string" }, "description": "true: the stored answer of the first request." },
    });
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Answer" } } });
    responses.insert("200".to_owned(), json!({ "description": "Done.", "headers": headers, "content": content }));
    for (status, codes) in codes {
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        let listed = format!("`{}`", codes.join("`, `"));
        responses.insert(status.to_string(), json!({ "description": listed, "content": content }));
    }
    responses.into()
}

/// The lists of refusals that are about single values.
const VALUES: [&str; 5] = ["id", "currency", "channel", "text", "money"];

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
