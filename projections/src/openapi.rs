//! What the OpenAPI document tells of the questions, made from the list of routes.

use gate::{
    Parameter,
    openapi::{Operation, operation, path_parameters, problems},
    rules,
};
use serde_json::{Map, Value, json};

use crate::{
    payments,
    query::{answer::told_rules, format::Format, resource::Resource},
    routes::{ROUTES, Route, Work},
};

/// Every question.
pub fn operations() -> Vec<Operation> {
    ROUTES.iter().map(|route| Operation { path: route.path, method: "get", told: told(route).into() }).collect()
}

fn told(route: &Route) -> Map<String, Value> {
    let scope = format!("Scope `{}`.", route.scope.name());
    let mut told = operation(route.words, route.summary, &scope);
    let (parameters, data, rules, kinds) = match route.work {
        Work::List(resource) | Work::Within(resource, ..) => {
            let rows = json!({ "type": "array", "items": resource.schema() });
            (resource.of_lists(), rows, told_rules(resource), kinds_of(&Format::ALL))
        }
        Work::One(resource, _named) => of_one(resource),
        Work::Payment => of_one(&payments::PAYMENTS),
        Work::Own(own) => ((own.parameters)(), (own.data)(), (own.rules)(), own.content.to_vec()),
    };
    let parameters: Vec<Value> = path_parameters(route.path).chain(parameters.iter().map(Parameter::told)).collect();
    let mut responses = problems(rules::ALL.iter().copied().chain(rules));
    responses.insert("200".to_owned(), success(&data, &kinds));
    told.insert("parameters".to_owned(), parameters.into());
    told.insert("responses".to_owned(), responses.into());
    told
}

type Told = (Vec<Parameter>, Value, Vec<&'static domain::refusal::Rule>, Vec<&'static str>);

fn kinds_of(formats: &[Format]) -> Vec<&'static str> {
    formats.iter().map(|format| format.kind()).collect()
}

fn of_one(resource: &Resource) -> Told {
    (resource.of_rows(), resource.schema(), told_rules(resource), kinds_of(&[Format::Json]))
}

fn success(data: &Value, kinds: &[&str]) -> Value {
    let text = |words: &str| json!({ "schema": { "type": "string" }, "description": words });
    let content = kinds.iter().map(|kind| {
        let schema = if *kind == Format::Json.kind() { answer(data) } else { json!({}) };
        ((*kind).to_owned(), json!({ "schema": schema }))
    });
    json!({
        "description": "Found.",
        "headers": {
            "Daybook-Position": text("The position in the log the answer is true at."),
            "Daybook-Lag": text("How far the log is ahead of it: events and seconds."),
            "ETag": text("Of a single row: its version, for If-Match."),
        },
        "content": content.collect::<Map<String, Value>>(),
    })
}

fn answer(data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["code", "message", "data", "meta"],
        "properties": {
            "code": { "const": 0 },
            "message": { "type": "string" },
            "data": data,
            "meta": { "type": "object", "required": ["as_of_position", "lag"], "properties": {
                "as_of_position": { "type": "integer" },
                "lag": { "type": "object", "required": ["events", "seconds"], "properties": {
                    "events": { "type": "integer" }, "seconds": { "type": "number" } } },
                "next_cursor": { "type": ["string", "null"] },
                "has_more": { "type": "boolean" },
                "changed_since": { "type": "object", "required": ["names", "has_more"],
                    "description": "In an auditor's session: what has changed since it began, and is not in the list.",
                    "properties": { "names": { "type": "array", "items": { "type": "string" } },
                                    "has_more": { "type": "boolean" } } },
            } },
        },
    })
}
