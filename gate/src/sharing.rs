//! An OpenAPI document in which what several operations have alike is said once.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The same document: parameters and responses that come more than once stand under `components`, and are referred to.
#[must_use]
pub fn shared(mut document: Value) -> Value {
    for kind in [Kind::Parameter, Kind::Response] {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        visit(&mut document, kind, |_status, _tag, told| {
            let count = counts.entry(told.to_string()).or_default();
            *count = count.saturating_add(1);
        });
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut components = Map::new();
        visit(&mut document, kind, |status, tag, told| {
            let text = told.to_string();
            if counts.get(&text).is_none_or(|count| *count < 2) {
                return;
            }
            let name = names.entry(text).or_insert_with(|| {
                let name = free_name(&components, kind.wish(status, told), tag);
                components.insert(name.clone(), told.clone());
                name
            });
            *told = json!({ "$ref": format!("#/components/{}/{name}", kind.plural()) });
        });
        if let Some(all) = document.get_mut("components").and_then(Value::as_object_mut) {
            all.insert(kind.plural().to_owned(), components.into());
        }
    }
    document
}

#[derive(Clone, Copy)]
enum Kind {
    Parameter,
    Response,
}

impl Kind {
    const fn plural(self) -> &'static str {
        match self {
            Self::Parameter => "parameters",
            Self::Response => "responses",
        }
    }

    /// What it would like to be called.
    fn wish(self, status: &str, told: &Value) -> String {
        match self {
            Self::Parameter => told.get("name").and_then(Value::as_str).unwrap_or("parameter").to_owned(),
            Self::Response => format!("status-{status}"),
        }
    }
}

/// The first to wish for a name has it; others add the noun they were first needed for, then a number.
fn free_name(taken: &Map<String, Value>, wish: String, tag: &str) -> String {
    let with_noun = format!("{wish}-{tag}");
    let numbered = (2_u32..).map(|n| format!("{wish}-{tag}-{n}"));
    let mut wishes = [wish.clone(), with_noun].into_iter().chain(numbered);
    wishes.find(|name| !taken.contains_key(name)).unwrap_or(wish)
}

/// Shows every parameter, or every response with its status, of every operation; with the operation's noun.
fn visit(document: &mut Value, kind: Kind, mut show: impl FnMut(&str, &str, &mut Value)) {
    let methods = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut);
    for operation in methods.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let tag = operation.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default().to_owned();
        match (kind, operation.get_mut(kind.plural())) {
            (Kind::Parameter, Some(Value::Array(parameters))) => {
                parameters.iter_mut().for_each(|parameter| show("", &tag, parameter));
            }
            (Kind::Response, Some(Value::Object(responses))) => {
                responses.iter_mut().for_each(|(status, response)| show(status, &tag, response));
            }
            (Kind::Parameter | Kind::Response, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(tag: &str, refused: &str) -> Value {
        json!({ "post": {
            "tags": [tag],
            "parameters": [{ "name": "key", "in": "header" }, { "name": format!("{tag}_no"), "in": "path" }],
            "responses": { "200": { "description": "Done." }, "422": { "description": refused } },
        } })
    }

    #[test]
    fn what_is_alike_is_said_once_and_what_is_not_stays_where_it_was() {
        let paths = json!({
            "/a": operation("a", "one"), "/b": operation("b", "two"), "/c": operation("c", "one"),
            "/d": operation("d", "two"), "/e": operation("e", "three"),
        });
        let told = shared(json!({ "paths": paths, "components": { "schemas": {} } }));
        let at = |pointer: &str| told.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/paths/~1a/post/parameters/0"), json!({ "$ref": "#/components/parameters/key" }));
        assert_eq!(at("/paths/~1a/post/parameters/1/name"), "a_no", "nobody else has it");
        assert_eq!(at("/components/parameters"), json!({ "key": { "name": "key", "in": "header" } }));
        assert_eq!(at("/paths/~1c/post/responses/422/$ref"), "#/components/responses/status-422");
        assert_eq!(at("/paths/~1d/post/responses/422/$ref"), "#/components/responses/status-422-b");
        assert_eq!(at("/paths/~1e/post/responses/422/description"), "three");
        assert_eq!(at("/components/responses/status-422-b/description"), "two");
        assert_eq!(at("/components/schemas"), json!({}), "what was there stays there");
    }
}
