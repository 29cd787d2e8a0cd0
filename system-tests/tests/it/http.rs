//! The command API from outside: the real program, real requests, a real Postgres.

mod bulk;
pub(crate) mod captured;
mod corpus;
mod deaths;
mod disconnects;
mod doors;
mod dry_run;
mod endings;
mod faults;
mod idempotency;
mod isolation;
mod matrix;
mod numbers;
mod races;
mod rates;
pub(crate) mod secrets;
mod slow;
mod texts;
mod trades;
mod transport;
mod versions;

use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant};
use system_tests::client::{Answer, Caller, Client, Request};
use system_tests::invariants::broken;

const PAYMENTS: &str = "/api/v1/payments";
const REFUNDS: &str = "/api/v1/refunds";

/// A merchant of the branch all share, with a connection to it.
async fn guest() -> (&'static Branch, Merchant, Client) {
    let branch = Branch::of_all().await.unwrap();
    (branch, branch.merchant().await.unwrap(), branch.client())
}

/// What a merchant sends to be paid 10.00 USD.
fn payment(order_no: &str) -> Value {
    json!({ "order_no": order_no, "amount": 1_000, "currency": "USD", "channel": "stripe" })
}

async fn ask(client: &mut Client, caller: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    client.send(&Request::post(path, body).keyed(key).by(caller)).await.unwrap()
}

/// How many events a merchant has in the log.
async fn events_of(log: &mut PgConnection, merchant: &Merchant) -> i64 {
    let id: domain::id::MerchantId = merchant.id.parse().unwrap();
    let count = sqlx::query_scalar("select count(*) from log.events where merchant_id = $1").bind(id.uuid());
    count.fetch_one(log).await.unwrap()
}

/// The invariants of every log.
async fn assert_sound(log: &mut PgConnection) {
    assert_eq!(broken(log).await.unwrap(), Vec::<&str>::new());
}

/// A problem document as every failure is told, with the words that say nothing was done.
fn assert_not_applied(answer: &Answer, what: &str) {
    let told = answer.json();
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {answer:?}");
    assert_eq!(told["outcome"], "not_applied", "{what}: {answer:?}");
    assert_eq!(told["status"], answer.status, "{what}: {answer:?}");
    for name in ["code", "type", "title", "detail", "error", "request_id", "trace_id"] {
        assert!(told[name].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {name} in {answer:?}");
    }
    assert_eq!(told["request_id"].as_str(), answer.header("x-request-id"), "{what}");
}
