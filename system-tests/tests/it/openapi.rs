//! `docs/openapi.json`: put together from the routes of every face, and committed.

use std::{collections::BTreeSet, fs};

use gate::openapi::{Operation, document};
use system_tests::tree::root;

fn operations() -> Vec<Operation> {
    command_api::operations().into_iter().chain(projections::operations()).chain(audit::operations()).collect()
}

#[test]
fn the_committed_document_is_what_the_routes_say() {
    let file = root().join("docs/openapi.json");
    let made = format!("{:#}\n", document(operations()));
    if std::env::var_os("DAYBOOK_WRITE_DOCS").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == made, "docs/openapi.json is not what the routes say: run with DAYBOOK_WRITE_DOCS=1");
}

#[test]
fn no_two_operations_have_one_name() {
    let names: BTreeSet<String> = operations().iter().map(|it| it.told["operationId"].to_string()).collect();
    assert_eq!(names.len(), operations().len());
}
