//! What the OpenAPI document tells of the questions about proofs.

use domain::payment::PaymentRefusal;
use domain::refusal::Listed as _;
use gate::{
    Parameter,
    openapi::{Operation, operation, path_parameters, problems},
    rules,
};
use serde_json::{Map, Value, json};

use crate::events::MEDIA;
use crate::routes::{EVENTS, ROUTES, Route};

/// Every question.
pub fn operations() -> Vec<Operation> {
    ROUTES.iter().map(|route| Operation { path: route.path, method: "get", told: told(route).into() }).collect()
}

fn told(route: &Route) -> Map<String, Value> {
    let scope = format!("Scope `{}`.", route.scope.name());
    let mut told = operation(route.words, route.summary, &scope);
    let parameters = path_parameters(route.path).chain(route.parameters.iter().map(Parameter::told));
    told.insert("parameters".to_owned(), parameters.collect::<Vec<Value>>().into());
    let absent = route.path.contains("{payment_no}").then(|| PaymentRefusal::PaymentAbsent.rule());
    let reading = [rules::PARAMETER_REPEATED];
    let mut responses =
        problems(rules::ALL.iter().copied().chain(reading).chain(absent).chain(route.told.iter().copied()));
    responses.insert("200".to_owned(), success(&(route.data)(), route.path == EVENTS));
    told.insert("responses".to_owned(), responses.into());
    told
}

fn success(data: &Value, is_followed: bool) -> Value {
    let mut content = json!({ "application/json": { "schema": {
        "type": "object",
        "required": ["code", "message", "data"],
        "properties": { "code": { "const": 0 }, "message": { "type": "string" }, "data": data },
    } } });
    if let (Some(content), true) = (content.as_object_mut(), is_followed) {
        content.insert(MEDIA.to_owned(), json!({ "schema": { "type": "string" } }));
    }
    json!({ "description": "Found.", "content": content })
}
