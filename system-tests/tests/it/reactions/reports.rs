//! What channels tell us unasked: true, forged, doubled, wrong, and for the other mode.

use std::time::Duration;

use channels::Secret;
use channels::sandbox::{FaultPlan, SIGNATURE_HEADER, sign};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::client::{Answer, Client, Request};
use system_tests::traffic::vault;

use super::holding::all_holds;
use super::{Outside, REACTING, merchant, metric, pay, status, until_all, until_sql};

const SOON: Duration = Duration::from_secs(30);

pub(super) async fn deliver(client: &mut Client, body: &str, secret: &Secret) -> Answer {
    deliver_at(client, body, secret, Utc::now()).await
}

async fn deliver_at(client: &mut Client, body: &str, secret: &Secret, at: DateTime<Utc>) -> Answer {
    let signature = sign(body.as_bytes(), secret, at);
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

fn captured(report_id: &str, payment: &str, amount_minor: i64) -> String {
    json!({ "id": report_id, "channel": "stripe", "what": "payment.captured", "payment_id": payment, "attempt": 1,
            "capture_id": "CAP00000000000000000000000000000001", "no": "txn_forged", "amount_minor": amount_minor,
            "currency": "USD", "at": "2026-01-31T00:00:00Z" })
    .to_string()
}

/// The channel declined it, and took the money afterwards: nobody reports that, and nobody asks any more. A stranger's word
/// changes nothing, but it has the channel asked.
// covers D19, G7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_nobody_signed_changes_nothing_and_has_the_channel_asked() {
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let late = pay(&mut client, &merchant.test, "pm_sandbox_late_success", json!({})).await;
    let refused = pay(&mut client, &merchant.test, "pm_sandbox_declined", json!({})).await;
    let wanted = [(late.clone(), "failed"), (refused.clone(), "failed")];
    until_all(&mut client, &merchant.test, &wanted, SOON).await;
    let begun = tokio::time::Instant::now();
    while outside.books.listing().totals.iter().all(|totals| totals.captured_minor == 0) {
        assert!(begun.elapsed() < SOON, "it never succeeded");
        tokio::task::yield_now().await;
    }
    let calls_before = metric(&branch, "payment_gateway_channel_calls_total").await;

    let (stranger, secret) = (Secret::new("a stranger"), Secret::new(vault().unwrap().sandbox_secret().as_str()));
    let forged = deliver(&mut client, &captured("r1", &refused, 1), &stranger).await;
    assert_eq!(forged.verdict(), "401 report_unverified");
    let old = Utc::now() - TimeDelta::seconds(302);
    let replayed = deliver_at(&mut client, &captured("r2", &late, 10_000), &secret, old).await;
    assert_eq!(replayed.verdict(), "401 report_unverified");

    // What the channel says itself is evidence: what it took late goes back.
    let events = |of: &str| format!("select count(*) from log.events where aggregate_id = '{of}'");
    let returned = "select count(*) from log.events where event_type = 'suspense_returned'";
    until_sql(&branch, returned, 1, SOON).await;
    until_sql(&branch, super::DUE, 0, SOON).await;
    let known: i64 = {
        let mut log = branch.ledger.superuser().await.unwrap();
        sqlx::query_scalar(&events(&refused)).fetch_one(&mut log).await.unwrap()
    };
    all_holds(&branch, Some(&outside)).await;

    // Of a flood, a trickle; and of what is none of ours nothing.
    for number in 0..200_u32 {
        let of = if number.is_multiple_of(2) { refused.clone() } else { format!("PAY{number:032x}") };
        let told = deliver(&mut client, &captured(&format!("f{number}"), &of, 1), &stranger).await;
        assert_eq!(told.verdict(), "401 report_unverified");
    }
    until_sql(&branch, super::DUE, 0, SOON).await;
    let asked = metric(&branch, "payment_gateway_channel_calls_total").await - calls_before;
    assert!((3..=4).contains(&asked), "each was asked after once, and one was refunded: {asked} calls");
    until_sql(&branch, &events(&refused), known, SOON).await;
    assert_eq!(status(&mut client, &merchant.test, &refused).await, "failed");
}
