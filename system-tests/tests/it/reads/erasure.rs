//! A person is forgotten: by the hand that orders it, or by whoever follows the log.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use domain::id::OperatorId;
use domain::operator::event::Erasure;
use domain::operator::{Operator, OperatorCommand};
use event_store::{Act, Outcome};
use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::client::Caller;
use system_tests::server::daybook;
use system_tests::traffic::vault;
use uuid::Uuid;

use super::{caught_up, get, pay};

const SOON: Duration = Duration::from_secs(20);

/// What the command line says and with which exit code, given a line to read.
fn say(branch: &Branch, arguments: &[&str], line: &str) -> (String, Option<i32>) {
    let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
    let mut command = daybook().unwrap();
    command.args(arguments).env("DATABASE_URL", branch.ledger.superuser_url()).env("DAYBOOK_TOKEN", token);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (said, output.status.code())
}

async fn keys_count(books: &mut PgConnection, person: &str) -> i64 {
    let count = "select count(*) from vault.data_keys where person = $1";
    sqlx::query_scalar(count).bind(person).fetch_one(books).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_contact_is_erased_in_the_live_tables_and_in_those_built_anew() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    caught_up(&branch, &mut client, &["/api/v1/merchants"]).await;
    let path = format!("/api/v1/merchants/{}", merchant.id);
    let email = get(&mut client, &branch.operator, &path).await.data("email");
    assert!(email.ends_with("@example.com"), "{email}");

    let (said, code) = say(&branch, &["erase", "contact"], "nobody-at-all@example.com\n");
    assert_eq!((code, said.contains("nothing is sealed for this person")), (Some(1), true), "{said}");
    let (said, code) = say(&branch, &["erase", "contact", "--reason", "left the business"], &format!("{email}\n"));
    assert_eq!((code, said.contains("forgotten: 1 keys")), (Some(0), true), "{said}");

    caught_up(&branch, &mut client, &["/api/v1/merchants"]).await;
    assert_eq!(get(&mut client, &branch.operator, &path).await.data("email"), "[erased]");
    let mut books = branch.ledger.superuser().await.unwrap();
    let leaks = "select count(*) from read.merchants where email = $1";
    let leaks: i64 = sqlx::query_scalar(leaks).bind(&email).fetch_one(&mut books).await.unwrap();
    assert_eq!(leaks, 0);
    // Built anew from the log, the table is the same: otherwise it would not be swapped in.
    let (said, code) = say(&branch, &["projection", "rebuild", "merchants"], "");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(get(&mut client, &branch.operator, &path).await.data("email"), "[erased]");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_forget_is_carried_out_by_whoever_follows_the_log() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let told = json!({ "customer_email": "ann@example.com", "description": "Rings twice" });
    let (payment_no, position) = pay(&mut client, &merchant.test, &fresh("forgotten"), told).await;
    let vault = vault().unwrap();
    let person = vault.customer_index(merchant.id.parse().unwrap(), "ann@example.com");
    let mut books = branch.ledger.superuser().await.unwrap();
    assert_eq!(keys_count(&mut books, &person).await, 1);

    // Whoever gave the order died right after it.
    let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
    let operator: OperatorId = vault.token_name(token).unwrap().operator_id;
    let reason = domain::free_text::FreeText::parse("asked to be forgotten").unwrap();
    let erasure = Erasure { erasure_id: Uuid::now_v7(), person: person.parse().unwrap(), reason };
    let command = OperatorCommand::ErasePerson(Box::new(erasure));
    let store = branch.ledger.store().unwrap();
    let id: Arc<str> = operator.to_string().into();
    let told = store.execute(Act::tell::<Operator>(id, command)).await.unwrap();
    assert!(matches!(told, Outcome::Accepted { .. }), "{told:?}");
    assert!(store.is_caught_up("erasures", SOON).await.unwrap());
    assert_eq!(keys_count(&mut books, &person).await, 0);
    let one = get(&mut client, &merchant.test, &format!("/api/v1/payments/{payment_no}?min_position={position}")).await;
    assert_eq!((&*one.data("customer_email"), &*one.data("description")), ("[erased]", "[erased]"), "{one:?}");
    store.close().await;
}
