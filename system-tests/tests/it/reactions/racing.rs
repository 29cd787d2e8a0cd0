//! Cancelling races with succeeding; two servers run the same processes.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use serde_json::json;
use system_tests::branch::{Branch, fresh};
use system_tests::client::Request;
use system_tests::say::say;
use system_tests::server::Server;
use system_tests::times::times;

use super::holding::all_holds;
use super::{DUE, Outside, PAYMENTS, merchant, pay, status, until_all, until_sql};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_that_races_with_success_ends_as_one_of_the_two() {
    let count = times("DAYBOOK_CANCEL_RACES", 60);
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut payments = Vec::new();
    for n in 0..count {
        let more = if n % 2 == 0 { json!({}) } else { json!({ "capture": "manual" }) };
        let payment = pay(&mut client, &merchant.test, "pm_sandbox_visa", more).await;
        // Sooner or later than the process takes it up.
        tokio::time::sleep(Duration::from_millis(u64::try_from(n % 30).unwrap())).await;
        let cancel = Request::post(format!("{PAYMENTS}/{payment}/cancel"), &json!({}));
        let answer = client.send(&cancel.keyed(fresh("cancel")).by(&merchant.test)).await.unwrap();
        assert!([200, 409].contains(&answer.status), "{answer:?}");
        payments.push((payment, answer.status));
    }
    until_sql(&branch, DUE, 0, SOON).await;
    let mut ends = [0, 0];
    for (payment, told) in &payments {
        let is = status(&mut client, &merchant.test, payment).await;
        match (is.as_str(), told) {
            ("cancelled", 200) => ends[0] += 1,
            // The channel had the money before it could be stopped.
            ("success", 200 | 409) => ends[1] += 1,
            other => panic!("{payment}: {other:?}"),
        }
    }
    all_holds(&branch, Some(&outside)).await;
    say(&format!("{count} cancellations raced: {} were cancelled, {} had succeeded", ends[0], ends[1]));
}

// covers C3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_share_the_work_and_one_that_is_killed_leaves_nothing_undone() {
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let other = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut paid = Vec::new();
    for n in 0..40 {
        let mut by = if n % 2 == 0 { branch.client() } else { other.client() };
        paid.push((pay(&mut by, &merchant.test, "pm_sandbox_visa", json!({})).await, "success"));
    }
    // One of them is killed in the middle: the other has what it had.
    drop(other);
    until_all(&mut client, &merchant.test, &paid, SOON).await;
    until_sql(&branch, DUE, 0, SOON).await;
    all_holds(&branch, Some(&outside)).await;
}
