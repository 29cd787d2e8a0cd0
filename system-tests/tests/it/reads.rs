//! Questions from outside: whose answers they are, what they may ask, how fresh they are.

mod analytics;
mod erasure;
mod filters;
mod formats;
mod freshness;
mod isolation;
mod long;
mod masking;
mod pages;
mod sagas;
mod settlements;
mod sheets;
mod statuses;

use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Client, Request};

/// A merchant of the branch all share, with a connection to it.
async fn guest() -> (&'static Branch, Merchant, Client) {
    let branch = Branch::of_all().await.unwrap();
    (branch, branch.merchant().await.unwrap(), branch.client())
}

async fn get(client: &mut Client, caller: &Caller, path: &str) -> Answer {
    client.send(&Request::get(path).by(caller)).await.unwrap()
}

async fn post(client: &mut Client, caller: &Caller, path: &str, body: &Value) -> Answer {
    let answer = client.send(&Request::post(path, body).keyed(fresh("reads")).by(caller)).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}

/// Starts a payment of 10.00 USD, with whatever else is said; returns its number, and where the log is then.
async fn pay(client: &mut Client, caller: &Caller, order_no: &str, more: Value) -> (String, String) {
    let mut body = json!({ "order_no": order_no, "amount": 1_000, "currency": "USD", "channel": "stripe" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = post(client, caller, "/api/v1/payments", &body).await;
    (answer.data("payment_no"), answer.header("daybook-position").unwrap().to_owned())
}

/// The rows of a list that was found.
fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].as_array().unwrap_or_else(|| panic!("no list: {answer:?}")).clone()
}

/// One text of every row.
fn texts(answer: &Answer, name: &str) -> Vec<String> {
    rows(answer).iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect()
}

/// How far the log is by now, as a member of the house is told.
async fn head(branch: &Branch) -> i64 {
    let mut log = branch.ledger.superuser().await.unwrap();
    sqlx::query_scalar("select max(position) from log.events").fetch_one(&mut log).await.unwrap()
}

/// Lets everything that is in the log be answered.
async fn caught_up(branch: &Branch, client: &mut Client, paths: &[&str]) {
    let position = head(branch).await;
    for path in paths {
        let answer = get(client, &branch.operator, &format!("{path}?min_position={position}")).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}
