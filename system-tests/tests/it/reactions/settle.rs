//! From captured to paid out by the schedule: each payment once, with what was refunded.

use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};

use super::holding::all_holds;
use super::looking::{ask, pay, reacting, until, until_ended, until_told};

const OPENED: &str = "select count(*) from log.events where aggregate_type = 'settlement' and event_type = $1";
const FUNDS: &str = "select count(*) from log.events where aggregate_type = 'settled_funds' and event_type = $1";

async fn agree(branch: &Branch, merchant: &Merchant, two_people: bool) {
    let path = format!("/api/v1/merchants/{}/schedule", merchant.id);
    let schedule = json!({ "delay_business_days": 1, "time_zone": "UTC", "two_people": two_people });
    branch.operate(&path, &schedule).await.unwrap();
}

/// As if all that waits to be settled had come last week.
async fn a_week_passes(log: &mut PgConnection) {
    sqlx::query("update work.unsettled set since = since - interval '7 days'").execute(&mut *log).await.unwrap();
    let look = "update work.due set due_at = now(), heard = heard + 1 where process = 'open_settlement'";
    sqlx::query(look).execute(log).await.unwrap();
}

async fn paid(branch: &Branch, merchant: &Merchant, log: &mut PgConnection, count: i64) -> Vec<String> {
    let mut payments = Vec::new();
    for _payment in 0..count {
        payments.push(pay(branch, &merchant.test, &fresh("settled"), "pm_sandbox_visa", "automatic").await);
    }
    let waiting = "select count(*) from work.unsettled where starts_with(stream, $1)";
    until(log, waiting, "PAY", count).await;
    payments
}

/// The one event of this type, as it was stored.
async fn one(log: &mut PgConnection, aggregate_type: &str, event_type: &str) -> (String, Value) {
    let question = "select aggregate_id, payload::text from log.events where aggregate_type = $1 and event_type = $2";
    let (id, payload): (String, String) =
        sqlx::query_as(question).bind(aggregate_type).bind(event_type).fetch_one(log).await.unwrap();
    let payload: Value = serde_json::from_str(&payload).unwrap();
    (id, payload[event_type].clone())
}

async fn refund(branch: &Branch, merchant: &Merchant, payment: &str) {
    let body = json!({ "payment_no": payment, "amount": 5_000, "reason": "returned" });
    ask(branch, &merchant.test, "/api/v1/refunds", &body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_captured_is_settled_once_and_paid_out() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    agree(&branch, &merchant, false).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let payments = paid(&branch, &merchant, &mut log, 3).await;
    refund(&branch, &merchant, &payments[0]).await;
    until_told(&mut log, &payments[0], "refund_confirmed", 1).await;
    a_week_passes(&mut log).await;
    until(&mut log, OPENED, "paid_out", 1).await;
    let (settlement, paid_out) = one(&mut log, "settlement", "paid_out").await;
    let (_, closed) = one(&mut log, "settlement", "closed").await;
    // Three of 100.00 less a fee of one percent; one of them refunded in half, its fee in proportion or not.
    assert_eq!((&closed["payments_count"], &closed["gross"]["amount_minor"]), (&json!(3), &json!(30_000)));
    assert_eq!(paid_out["amount"], closed["net"]);
    for payment in &payments {
        until_told(&mut log, payment, "settled", 1).await;
    }
    until(&mut log, FUNDS, "payout_confirmed", 1).await;
    until_ended(&mut log, "settle", &settlement, "completed", 1).await;
    until_ended(&mut log, "pay_out", &settlement, "completed", 1).await;
    until(&mut log, "select count(*) from work.unsettled where starts_with(stream, $1)", "", 0).await;
    // What is refunded now is taken off what is available.
    refund(&branch, &merchant, &payments[1]).await;
    until(&mut log, FUNDS, "debited", 1).await;
    until(&mut log, OPENED, "opened", 1).await;
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_after_a_settlement_is_a_line_of_the_next() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    agree(&branch, &merchant, false).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let payments = paid(&branch, &merchant, &mut log, 1).await;
    a_week_passes(&mut log).await;
    until(&mut log, OPENED, "paid_out", 1).await;
    until(&mut log, "select count(*) from work.unsettled where starts_with(stream, $1)", "", 0).await;
    refund(&branch, &merchant, &payments[0]).await;
    until(&mut log, FUNDS, "debited", 1).await;
    paid(&branch, &merchant, &mut log, 1).await;
    // Another day than before: the period of the first has been settled.
    sqlx::query("update work.unsettled set since = since + interval '1 day'").execute(&mut log).await.unwrap();
    a_week_passes(&mut log).await;
    until(&mut log, OPENED, "paid_out", 2).await;
    until(&mut log, OPENED, "entry_included", 1).await;
    until(&mut log, FUNDS, "entry_assigned", 1).await;
    all_holds(&branch, None).await;
}
