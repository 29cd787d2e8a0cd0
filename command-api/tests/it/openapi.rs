//! What the document tells of the writes is whole.

use std::collections::BTreeSet;

use command_api::{ROUTES, operations};
use serde_json::Value;

#[test]
fn every_operation_has_a_name_of_its_own_an_example_and_its_codes() {
    let mut names = BTreeSet::new();
    // And where channels report, which is no write of a caller's.
    assert_eq!(operations().len(), ROUTES.len() + 1);
    for (route, operation) in ROUTES.iter().zip(operations()) {
        let operation = operation.told;
        assert!(names.insert(operation["operationId"].to_string()), "{}: its name is taken", route.path);
        let content = &operation["requestBody"]["content"]["application/json"];
        assert!(content["example"].is_object(), "{}: no example", route.path);
        for needed in content["schema"]["required"].as_array().unwrap() {
            assert!(!content["example"][needed.as_str().unwrap()].is_null(), "{}: {needed} has no example", route.path);
        }
        for rule in (route.rules)().into_iter().chain(gate::rules::ALL.iter().copied()) {
            let listed =
                operation["responses"][rule.http_status.to_string()]["description"].as_str().unwrap_or_default();
            assert!(listed.contains(&format!("`{}`", rule.code)), "{}: {} is not listed", route.path, rule.code);
        }
    }
}

#[test]
fn every_example_is_taken() {
    for route in ROUTES {
        let example = (route.body.1)();
        let Value::Object(object) = &example else { panic!("{}: {example}", route.path) };
        let taken = (route.read)(object);
        assert!(taken.is_ok(), "{}: {taken:?}", route.path);
    }
}

#[test]
fn no_two_routes_have_one_word() {
    let words: BTreeSet<(&str, &str)> = ROUTES.iter().map(|route| route.words).collect();
    assert_eq!(words.len(), ROUTES.len());
}
