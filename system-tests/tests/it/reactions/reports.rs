//! What channels tell us unasked: true, forged, doubled, wrong, and for the other mode.

use std::time::Duration;

use channels::Secret;
use channels::sandbox::{FaultPlan, SIGNATURE_HEADER, sign};
use chrono::Utc;
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::client::{Answer, Client, Request};
use system_tests::traffic::vault;

use super::holding::all_holds;
use super::{Outside, REACTING, merchant, pay, status, until_all, until_sql};

const SOON: Duration = Duration::from_secs(30);

async fn deliver(client: &mut Client, body: &str, secret: &Secret) -> Answer {
    let signature = sign(body.as_bytes(), secret, Utc::now());
    let mut request = Request::post("/api/v1/webhooks/stripe", &json!({})).with(SIGNATURE_HEADER, &signature);
    request.body = body.as_bytes().to_vec();
    client.send(&request).await.unwrap()
}

// covers D8, D19, G7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_counts_only_when_it_is_signed_and_once_however_often_it_comes() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let payment = pay(&mut client, &merchant.test, "pm_sandbox_duplicate_report", json!({})).await;
    until_all(&mut client, &merchant.test, &[(payment.clone(), "success")], SOON).await;
    let events = "select count(*) from log.events where aggregate_type = 'payment' and event_type = 'captured'";
    until_sql(&branch, events, 1, SOON).await;

    let forged = deliver(&mut client, r#"{"id":"r","type":"captured"}"#, &Secret::new("a stranger")).await;
    assert_eq!(forged.verdict(), "401 report_unverified");
    let mut unsigned = Request::post("/api/v1/webhooks/stripe", &json!({}));
    unsigned.body = b"{}".to_vec();
    assert_eq!(client.send(&unsigned).await.unwrap().verdict(), "401 report_unverified");
    // Well signed, and nothing we understand.
    let secret = Secret::new(vault().unwrap().sandbox_secret().as_str());
    assert_eq!(deliver(&mut client, r#"{"what":1}"#, &secret).await.verdict(), "401 report_unverified");
    let nowhere = Request::post("/api/v1/webhooks/nowhere", &json!({}));
    assert_eq!(client.send(&nowhere).await.unwrap().verdict(), "404 route_unknown");
    let large = "x".repeat(65 * 1_024);
    assert_eq!(deliver(&mut client, &large, &secret).await.verdict(), "413 body_too_large");
    assert_eq!(status(&mut client, &merchant.test, &payment).await, "success");
    until_sql(&branch, events, 1, SOON).await;
    all_holds(&branch, None).await;
}

/// A sandbox that reports nothing: what it did is found by asking.
// covers D20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_report_everything_is_found_out_by_asking() {
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut wanted = Vec::new();
    for (token, ends) in [("visa", "success"), ("timeout_then_approved", "success"), ("declined", "failed")] {
        wanted.push((pay(&mut client, &merchant.test, &format!("pm_sandbox_{token}"), json!({})).await, ends));
    }
    until_all(&mut client, &merchant.test, &wanted, SOON).await;
    all_holds(&branch, Some(&outside)).await;
}
