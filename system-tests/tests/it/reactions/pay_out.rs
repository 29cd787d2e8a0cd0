//! A payout waits for the second person where the schedule asks for one.

use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};

use super::holding::all_holds;
use super::looking::{ask, pay, reacting, until, until_ended};

const OF_SETTLEMENTS: &str = "select count(*) from log.events where aggregate_type = 'settlement' and event_type = $1";

async fn closed(branch: &Branch, log: &mut PgConnection) -> String {
    let merchant = branch.merchant().await.unwrap();
    let schedule = json!({ "delay_business_days": 1, "time_zone": "UTC", "two_people": true });
    branch.operate(&format!("/api/v1/merchants/{}/schedule", merchant.id), &schedule).await.unwrap();
    pay(branch, &merchant.test, &fresh("approved"), "pm_sandbox_visa", "automatic").await;
    until(log, "select count(*) from work.unsettled where starts_with(stream, $1)", "PAY", 1).await;
    sqlx::query("update work.unsettled set since = since - interval '7 days'").execute(&mut *log).await.unwrap();
    let look = "update work.due set due_at = now(), heard = heard + 1 where process = 'open_settlement'";
    sqlx::query(look).execute(&mut *log).await.unwrap();
    until(log, OF_SETTLEMENTS, "closed", 1).await;
    let id = "select aggregate_id from log.events where aggregate_type = 'settlement' and event_type = 'closed'";
    sqlx::query_scalar(id).fetch_one(log).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_paid_out_until_a_second_person_approves() {
    let branch = reacting().await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let settlement = closed(&branch, &mut log).await;
    until_ended(&mut log, "settle", &settlement, "attention_needed", 1).await;
    until(&mut log, OF_SETTLEMENTS, "payout_started", 0).await;
    ask(&branch, &branch.operator, &format!("/api/v1/settlements/{settlement}/approve"), &json!({})).await;
    until(&mut log, OF_SETTLEMENTS, "payout_started", 1).await;
    until(&mut log, OF_SETTLEMENTS, "paid_out", 1).await;
    until_ended(&mut log, "pay_out", &settlement, "completed", 1).await;
    until_ended(&mut log, "settle", &settlement, "completed", 1).await;
    // The channel's own report says no more than its answer did.
    until(&mut log, "select count(*) from writes.reports where why <> $1", "", 0).await;
    all_holds(&branch, None).await;
}
