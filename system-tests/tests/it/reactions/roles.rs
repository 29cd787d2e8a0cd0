//! One ledger by several servers, each with a part of its own.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::server::Server;

use super::holding::all_holds;
use super::{DUE, Outside, merchant, pay, refund, until_all, until_sql};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_does_its_part_and_no_other() {
    let outside = Outside::new(FaultPlan::default()).await;
    let role = |role: &'static str| -> Vec<(&str, &str)> {
        outside.environment().into_iter().chain([("DAYBOOK_ROLE", role)]).collect()
    };
    let branch = Branch::own(&role("api")).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let payment = pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await;
    let url = branch.ledger.superuser_url();
    // Whoever answers shows nothing by itself, and takes no money.
    let made = "select count(*) from log.followers where name in ('processes', 'payments')";
    until_sql(&branch, made, 0, SOON).await;
    let projections = Server::start(url, &role("projections")).await.unwrap();
    until_all(&mut client, &merchant.test, &[(payment.clone(), "pending")], SOON).await;
    until_sql(&branch, "select count(*) from log.events where event_type = 'submitted'", 0, SOON).await;
    let processes = Server::start(url, &role("processes")).await.unwrap();
    until_all(&mut client, &merchant.test, &[(payment.clone(), "success")], SOON).await;
    refund(&mut client, &merchant.test, &payment, 1_000).await;
    until_sql(&branch, "select count(*) from log.events where event_type = 'refund_confirmed'", 1, SOON).await;
    until_sql(&branch, DUE, 0, SOON).await;
    for server in [&projections, &processes] {
        let path = system_tests::client::Request::get("/api/v1/payments").by(&merchant.test);
        assert_eq!(server.client().send(&path).await.unwrap().status, 404, "it answers what is another's part");
    }
    all_holds(&branch, Some(&outside)).await;
}
