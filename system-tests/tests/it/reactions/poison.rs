//! A piece of work that cannot be done is put aside with an alarm; all others go on.

use channels::sandbox::FaultPlan;
use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::server::Server;

use super::Outside;
use super::holding::all_holds;
use super::looking::{ask, pay, until, until_told};

const PARKED: &str = "select count(*) from work.due where process = 'capture_payment' and payment = $1 \
    and failures >= 5 and due_at > now() + interval '50 minutes' and reason = 'refused: order_absent'";
const FAILURES: &str = "select coalesce(max(failures), 0)::bigint from work.due \
    where process = 'capture_payment' and payment = $1";

/// Its order is gone from the log, or there again, as no server of ours would do it.
async fn tamper(outside: &Outside, branch: &mut Branch, log: &mut PgConnection, from: &str, to: &str) {
    branch.server.signal("TERM").unwrap();
    tokio::task::block_in_place(|| branch.server.wait().unwrap());
    sqlx::query("update log.events set aggregate_id = $2 where aggregate_type = 'order' and aggregate_id = $1")
        .bind(from)
        .bind(to)
        .execute(log)
        .await
        .unwrap();
    branch.server = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
}

// covers D14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_cannot_be_done_is_parked_and_others_go_on() {
    // It is told of nothing but by whoever asks.
    let outside = Outside::new(FaultPlan::default()).await;
    let mut branch = Branch::own(&outside.environment()).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let bad = pay(&branch, &merchant.test, &fresh("bad"), "pm_sandbox_visa", "manual").await;
    until_told(&mut log, &bad, "authorised", 1).await;
    let order: String = sqlx::query_scalar("select aggregate_id from log.events where aggregate_type = 'order'")
        .fetch_one(&mut log)
        .await
        .unwrap();
    tamper(&outside, &mut branch, &mut log, &order, "ORDnowhere").await;
    ask(&branch, &merchant.test, &format!("/api/v1/payments/{bad}/capture"), &json!({})).await;
    for failures in 1..=5 {
        until(&mut log, FAILURES, &bad, failures).await;
        if failures < 5 {
            // Its time comes sooner than it would.
            sqlx::query("update work.due set due_at = now() where payment = $1 and failures = $2")
                .bind(&bad)
                .bind(i32::try_from(failures).unwrap())
                .execute(&mut log)
                .await
                .unwrap();
        }
    }
    until(&mut log, PARKED, &bad, 1).await;
    assert!(branch.server.log().unwrap().contains("a process could not go on"), "nobody was alarmed");
    // Others go on; of this one nothing was written, and nothing was done twice at the channel.
    for _other in 0..5 {
        let good = pay(&branch, &merchant.test, &fresh("good"), "pm_sandbox_visa", "automatic").await;
        until_told(&mut log, &good, "captured", 1).await;
    }
    until_told(&mut log, &bad, "captured", 0).await;
    until(&mut log, PARKED, &bad, 1).await;

    tamper(&outside, &mut branch, &mut log, "ORDnowhere", &order).await;
    sqlx::query("update work.due set due_at = now() where payment = $1").bind(&bad).execute(&mut log).await.unwrap();
    until_told(&mut log, &bad, "captured", 1).await;
    let told: Vec<String> = sqlx::query_scalar(
        "select event_type from log.events where aggregate_id = $1 or aggregate_id = $2 or aggregate_id in \
         (select aggregate_id from log.events where event_type = 'started' \
          and payload -> 'started' ->> 'process' = 'capture_payment') order by position",
    )
    .bind(&bad)
    .bind(&order)
    .fetch_all(&mut log)
    .await
    .unwrap();
    let capturing = told.iter().skip_while(|name| *name != "capture_requested");
    let capturing: Vec<&str> = capturing.map(String::as_str).collect();
    let in_order = ["capture_requested", "started", "step_started", "captured", "step_succeeded", "paid", "completed"];
    assert_eq!(capturing, in_order);
    all_holds(&branch, Some(&outside)).await;
}
