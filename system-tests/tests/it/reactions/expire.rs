//! Authorisations wait for their capture by a timer, if they are not captured at once.

use serde_json::json;
use system_tests::branch::fresh;

use super::holding::all_holds;
use super::looking::{ask, pay, reacting, until, until_ended, until_told};

const WAITING_A_WEEK: &str = "select count(*) from work.due where process = 'expire_authorisation' and business = $1 \
    and due_at between now() + interval '6 days' and now() + interval '8 days'";
const AT_WORK: &str = "select count(*) from work.due where process = 'expire_authorisation' and business = $1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authorisation_waits_a_week_and_its_capture_ends_the_waiting() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let at_once = pay(&branch, &merchant.test, &fresh("at-once"), "pm_sandbox_visa", "automatic").await;
    let held = pay(&branch, &merchant.test, &fresh("held"), "pm_sandbox_visa", "manual").await;
    until(&mut log, WAITING_A_WEEK, &held, 1).await;
    ask(&branch, &merchant.test, &format!("/api/v1/payments/{held}/capture"), &json!({ "amount": 4_000 })).await;
    until_told(&mut log, &held, "captured", 1).await;
    // The rest may still be captured.
    until(&mut log, WAITING_A_WEEK, &held, 1).await;
    ask(&branch, &merchant.test, &format!("/api/v1/payments/{held}/capture"), &json!({ "amount": 6_000 })).await;
    until_ended(&mut log, "expire_authorisation", &held, "completed", 1).await;
    until(&mut log, AT_WORK, &held, 0).await;
    until_told(&mut log, &at_once, "captured", 1).await;
    until(&mut log, AT_WORK, &at_once, 0).await;
    until_ended(&mut log, "expire_authorisation", &at_once, "started", 0).await;
    all_holds(&branch, None).await;
}
