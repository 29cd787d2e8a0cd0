//! What the OpenAPI document tells of the writes, made from the list of routes.

use domain::{channel::Channel, refusal::Rule};
use gate::{
    openapi::{Operation, operation, parameter, path_parameters, problems},
    rules,
};
use serde_json::{Map, Value, json};

use crate::{
    reports,
    routes::{ROUTES, Route},
};

/// Every write, and where channels report.
pub fn operations() -> Vec<Operation> {
    let writes = ROUTES.iter().map(|route| Operation { path: route.path, method: "post", told: told(route).into() });
    writes.chain([Operation { path: reports::PATH, method: "post", told: of_reports().into() }]).collect()
}

/// Whoever reports has no key of ours: what it signs with is between us and the channel.
fn of_reports() -> Map<String, Value> {
    let limits = format!(
        "Signed as the channel signs (`Sandbox-Signature` where the sandbox plays it), over the raw body of at most {} \
         bytes. In the log before it is answered; the same report again has no effect. What is not verified changes \
         nothing, and has the channel asked.",
        reports::BODY_MAX
    );
    let mut told = operation(("channel", "report"), "Tell what happened at a channel", &limits);
    let names: Vec<&str> = Channel::ALL.iter().map(|channel| channel.name()).collect();
    let channel = parameter("channel", "path", true, json!({ "enum": names }), "Who reports.");
    let signature = json!({ "type": "string" });
    let words = "t=<unix seconds>,v1=<hex HMAC-SHA256(secret, \"{t}.{body}\")>";
    let signature = parameter("Sandbox-Signature", "header", false, signature, words);
    let body = json!({ "required": true, "content": { "application/json": { "schema": { "type": "object" } } } });
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Answer" } } });
    let mut responses = problems(rules::ALL.iter().copied());
    responses.insert("200".to_owned(), json!({ "description": "Received.", "content": content }));
    told.extend([
        ("security".to_owned(), json!([])),
        ("parameters".to_owned(), json!([channel, signature])),
        ("requestBody".to_owned(), body),
        ("responses".to_owned(), responses.into()),
    ]);
    told
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
