//! What the OpenAPI document tells of the writes, made from the list of routes.

use domain::refusal::Rule;
use gate::{
    openapi::{Operation, operation, parameter, path_parameters, problems},
    rules,
};
use serde_json::{Map, Value, json};

use crate::routes::{ROUTES, Route};

/// Every write.
pub fn operations() -> Vec<Operation> {
    ROUTES.iter().map(|route| Operation { path: route.path, method: "post", told: told(route).into() }).collect()
}

fn told(route: &Route) -> Map<String, Value> {
    let (schema, example) = (route.body.0(), route.body.1());
    let limits = format!("Scope `{}`. Body at most {} bytes.", route.entrance.scope.name(), route.entrance.body_max);
    let mut told = operation(route.words, route.summary, &limits);
    let body = json!({
        "required": schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty()),
        "content": { "application/json": { "schema": schema, "example": example } },
    });
    told.extend([
        ("parameters".to_owned(), parameters(route)),
        ("requestBody".to_owned(), body),
        ("responses".to_owned(), responses(route)),
    ]);
    told
}

fn parameters(route: &Route) -> Value {
    let mut parameters: Vec<Value> = path_parameters(route.path).collect();
    if route.has_one_key() {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$" });
        let words = "Names this request and no other; a dry run needs none.";
        parameters.push(parameter("Idempotency-Key", "header", true, schema, words));
        let schema = json!({ "type": "string", "pattern": "^\"[0-9]{1,18}\"$" });
        parameters.push(parameter("If-Match", "header", false, schema, "Only at this version, as ETag gave it."));
    }
    let schema = json!({ "type": "boolean", "default": false });
    parameters.push(parameter("dry_run", "query", false, schema, "Tell what would follow; write nothing."));
    parameters.into()
}

/// What may come back: success, and every code by its status.
fn responses(route: &Route) -> Value {
    let values = domain::catalogue::chapters();
    let values = values.iter().filter(|chapter| VALUES.contains(&chapter.name));
    let values = values.flat_map(|chapter| chapter.rules.clone());
    let all: Vec<&'static Rule> = rules::ALL.iter().copied().chain(values).chain((route.rules)()).collect();
    let headers = json!({
        "Daybook-Position": { "schema": { "type": "string" }, "description": "Where in the log this stands." },
        "ETag": { "schema": { "type": "string" }, "description": "The version it has now." },
        "Idempotency-Replayed": { "schema": { "type": "string" }, "description": "true: the stored answer of the first request." },
    });
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Answer" } } });
    let mut responses = problems(all);
    responses.insert("200".to_owned(), json!({ "description": "Done.", "headers": headers, "content": content }));
    responses.into()
}

/// The lists of refusals that are about single values.
const VALUES: [&str; 7] = ["id", "currency", "channel", "country", "network", "text", "money"];
