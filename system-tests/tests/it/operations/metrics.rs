//! The metrics of the contract: their names and labels, and that they tell what is so.

use std::collections::BTreeSet;
use std::time::Duration;

use channels::sandbox::FaultPlan;
use serde_json::json;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Client, Request};
use system_tests::exposition::Exposition;
use system_tests::metered::{CONTRACT, OURS};
use system_tests::server::Server;

use super::{page, until};
use crate::deploy::judged::passes_of;
use crate::reactions::Outside;

/// Started, however it ends; its number.
async fn pay(client: &mut Client, merchant: &Merchant, order_no: &str, key: &str, method: &str) -> String {
    let body =
        json!({ "order_no": order_no, "amount": 12_345, "currency": "USD", "channel": "stripe", "pay_method": method });
    let asked = Request::post("/api/v1/payments", &body).keyed(key).by(&merchant.test);
    let answer = client.send(&asked).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.data("payment_no")
}

async fn refund(client: &mut Client, merchant: &Merchant, payment_no: &str, amount: i64) -> String {
    let body = json!({ "payment_no": payment_no, "amount": amount, "reason": "returned" });
    let asked = Request::post("/api/v1/refunds", &body).keyed(fresh("refund")).by(&merchant.test);
    client.send(&asked).await.unwrap().verdict()
}

async fn until_status(client: &mut Client, merchant: &Merchant, payment_no: &str, wanted: &str) {
    let path = format!("/api/v1/payments/{payment_no}");
    until(&format!("{payment_no} {wanted}"), Duration::from_secs(30), async || {
        let answer = client.send(&Request::get(&path).by(&merchant.test)).await.unwrap();
        (answer.data("status") == wanted).then_some(())
    })
    .await;
}

/// Payments and refunds that end in every way that is counted, through two servers of one ledger.
async fn trade(branch: &Branch, other: &Server, merchant: &Merchant) {
    let (mut here, mut there) = (branch.client(), other.client());
    for (n, client) in [&mut here, &mut there].into_iter().enumerate() {
        let (order, key) = (fresh("told"), fresh("key"));
        let taken = pay(client, merchant, &order, &key, "pm_sandbox_visa").await;
        assert_eq!(pay(client, merchant, &order, &key, "pm_sandbox_visa").await, taken, "a replay");
        assert_eq!(pay(client, merchant, &order, &fresh("key"), "pm_sandbox_visa").await, taken, "a duplicate");
        let declined = pay(client, merchant, &fresh("told"), &fresh("key"), "pm_sandbox_declined").await;
        until_status(client, merchant, &taken, "success").await;
        until_status(client, merchant, &declined, "failed").await;
        assert_eq!(refund(client, merchant, &taken, 20_000).await, "422 refund_amount_exceeded");
        assert_eq!(refund(client, merchant, &declined, 1).await, "409 payment_not_captured");
        assert!(refund(client, merchant, &taken, 0).await.starts_with('4'), "{n}");
        assert_eq!(refund(client, merchant, &taken, 345).await, "200");
        until_status(client, merchant, &taken, "partially_refunded").await;
    }
}

/// What the log says of something, and what all processes together have counted.
async fn counted(branch: &Branch, other: &Server, facts: &str, name: &str, labels: &[(&str, &str)]) -> (f64, f64) {
    let mut log = branch.ledger.superuser().await.unwrap();
    let question = format!("select count(*)::float8 from log.events where {facts}");
    let there: f64 = sqlx::query_scalar(&question).fetch_one(&mut log).await.unwrap();
    let counted = page(&branch.server).await.sum(name, labels) + page(other).await.sum(name, labels);
    (there, counted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_contract_is_there_and_several_processes_count_each_fact_once() {
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let other = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    trade(&branch, &other, &merchant).await;
    for (facts, name, labels) in [
        ("event_type = 'captured'", "payment_gateway_payment_total", &[("status", "success")][..]),
        (
            "event_type = 'failed' and aggregate_type = 'payment'",
            "payment_gateway_payment_total",
            &[("status", "failed")],
        ),
        (
            "event_type = 'captured'",
            "payment_gateway_payment_amount_count",
            &[("channel", "stripe"), ("currency", "USD")],
        ),
        ("event_type = 'refund_confirmed'", "payment_gateway_refund_total", &[("status", "success")]),
        ("event_type = 'started' and aggregate_type = 'saga'", "saga_started_total", &[]),
        ("event_type = 'completed' and aggregate_type = 'saga'", "saga_completed_total", &[]),
        ("event_type = 'compensated' and aggregate_type = 'saga'", "saga_compensated_total", &[]),
        ("event_type in ('completed', 'compensated') and aggregate_type = 'saga'", "saga_duration_seconds_count", &[]),
    ] {
        let what = format!("{name} {labels:?}");
        let seen = until(&what, Duration::from_secs(15), async || {
            let (there, counted) = counted(&branch, &other, facts, name, labels).await;
            (there == counted).then_some(there)
        });
        assert!(seen.await > 0.0, "{what}: nothing of it happened");
    }
    let (here, there) = (page(&branch.server).await, page(&other).await);
    let both = |name: &str, labels: &[(&str, &str)]| here.sum(name, labels) + there.sum(name, labels);
    for (name, labels, count) in [
        ("payment_gateway_payment_total", &[("status", "duplicate")][..], 2.0),
        ("payment_gateway_refund_total", &[("status", "amount_exceeded")], 2.0),
        ("payment_gateway_refund_total", &[("status", "invalid_status")], 2.0),
        ("payment_gateway_refund_total", &[("status", "invalid_amount")], 2.0),
        ("payment_gateway_refund_amount_sum", &[("currency", "USD")], 6.9),
        ("payment_gateway_payment_amount_sum", &[("currency", "USD")], 246.9),
        ("payment_gateway_payment_duration_seconds_count", &[("operation", "create"), ("status", "success")], 8.0),
        ("payment_gateway_payment_duration_seconds_count", &[("operation", "refund"), ("status", "failed")], 6.0),
        ("idempotency_cache_hits_total", &[], 2.0),
    ] {
        assert_eq!(both(name, labels), count, "{name} {labels:?}");
    }
    for (name, labels) in CONTRACT.into_iter().chain(OURS) {
        assert!(here.has(name), "{name} is absent");
        let wanted: BTreeSet<&str> = labels.iter().copied().collect();
        assert_eq!(here.labels(name), wanted, "{name}");
    }
    assert!(there.sum("http_requests_total", &[("path", "/api/v1/payments/{payment_no}")]) > 0.0, "routes, not paths");
    assert!(here.series_count() < 5_000, "{} series", here.series_count());
    passes_of(&["check", "metrics"], &branch.client().send(&Request::get("/metrics")).await.unwrap().body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_do_not_grow_with_what_clients_invent() {
    let branch = Branch::of_all().await.unwrap();
    let mut client = branch.client();
    let before = page(&branch.server).await.sum("http_requests_total", &[("path", "unmatched")]);
    for n in 0..20 {
        let asked = Request::get(format!("/invented/{n}"));
        client.send(&Request { method: if n % 2 == 0 { "BREW" } else { "GET" }, ..asked }).await.unwrap();
    }
    let after: Exposition = page(&branch.server).await;
    assert_eq!(after.sum("http_requests_total", &[("path", "unmatched")]) - before, 20.0);
    assert_eq!(after.sum("http_requests_total", &[("method", "BREW")]), 0.0);
    assert!(after.sum("http_requests_total", &[("method", "OTHER"), ("status", "404")]) >= 10.0);
}
