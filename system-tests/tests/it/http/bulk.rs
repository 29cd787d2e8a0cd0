//! A thousand payments in one request: each its own answer, in at most two appends.

use serde_json::{Value, json};
use system_tests::client::Request;

use super::{PAYMENTS, ask, assert_not_applied, events_of, guest, payment};

const BULK: &str = "/api/v1/payments/bulk";

fn item(n: usize) -> Value {
    let mut item = payment(&format!("B-{n}"));
    item["idempotency_key"] = format!("item-{n}").into();
    item
}

/// A thousand, of which a few are bad: each in its own way.
fn items() -> Vec<Value> {
    let mut items: Vec<Value> = (0..1_000).map(item).collect();
    items[3]["amount"] = "12.50".into();
    items[500] = 7.into();
    items[501].as_object_mut().unwrap().remove("idempotency_key");
    items[502]["idempotency_key"] = "item-2".into();
    items[503]["amount"] = 0.into();
    items[504]["currency"] = "EUR".into();
    items[505]["idempotency_key"] = "item-4".into();
    items[505]["order_no"] = "B-4".into();
    items
}

// covers I8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_payments_come_in_one_request_and_a_bad_one_costs_only_itself() {
    let (branch, merchant, mut client) = guest().await;
    ask(&mut client, &merchant.test, PAYMENTS, "warm", &payment("warm")).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    let request = Request::post(BULK, &json!({ "payments": items() })).by(&merchant.test);
    let answer = client.send(&request).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    let told = told["data"]["items"].as_array().unwrap();
    assert_eq!(told.len(), 1_000);
    for (n, item) in told.iter().enumerate() {
        let verdict = (item["status"].as_u64().unwrap(), item["answer"]["code"].as_str().unwrap_or_default());
        let wanted = match n {
            3 => (400, "amount_malformed"),
            500 => (400, "field_malformed"),
            501 => (400, "idempotency_key_missing"),
            502 => (422, "idempotency_key_reused"),
            503 => (422, "amount_not_positive"),
            504 => (422, "currency_not_allowed"),
            _ => (200, ""),
        };
        assert_eq!(verdict, wanted, "{n}: {item}");
        if wanted.0 == 200 {
            let order_no = if n == 505 { "B-4".to_owned() } else { format!("B-{n}") };
            assert_eq!(item["answer"]["data"]["order_no"], order_no.as_str(), "the order is kept");
        }
    }
    assert_eq!(told[505]["answer"], told[4]["answer"], "the same request within one bulk");
    assert_eq!(events_of(&mut log, &merchant).await - before, 993);
    let id: domain::id::MerchantId = merchant.id.parse().unwrap();
    let appends: i64 = sqlx::query_scalar(
        "select count(distinct recorded_at) from log.events where merchant_id = $1 and payload::text like '%\"B-%'",
    )
    .bind(id.uuid())
    .fetch_one(&mut log)
    .await
    .unwrap();
    assert!((1..=2).contains(&appends), "{appends} appends");

    let again = client.send(&request).await.unwrap().json();
    for (n, item) in again["data"]["items"].as_array().unwrap().iter().enumerate() {
        assert_eq!(item["status"], told[n]["status"], "{n}");
        if item["status"] == 200 || n == 503 || n == 504 {
            assert_eq!((&item["answer"], &item["replayed"]), (&told[n]["answer"], &true.into()), "{n}");
        }
    }
    assert_eq!(events_of(&mut log, &merchant).await - before, 993);
}

#[tokio::test]
async fn a_bulk_has_one_to_a_thousand_items_in_a_mebibyte() {
    let (_branch, merchant, mut client) = guest().await;
    let small = |count: usize| json!({ "payments": (0..count).map(|n| json!({ "n": n })).collect::<Vec<Value>>() });
    for (body, verdict) in [
        (small(0), "400 field_malformed"),
        (small(1_001), "400 field_malformed"),
        (small(1_000), "200 "),
        (json!({ "payments": {} }), "400 field_malformed"),
        (json!({}), "400 field_missing"),
        (json!({ "payments": [], "more": 1 }), "400 field_unknown"),
        (json!({ "payments": ["x".repeat(1024 * 1024)] }), "413 body_too_large"),
    ] {
        let answer = client.send(&Request::post(BULK, &body).by(&merchant.test)).await.unwrap();
        assert_eq!(answer.verdict(), verdict.trim(), "{}", answer.body.chars().take(300).collect::<String>());
        if answer.status != 200 {
            assert_not_applied(&answer, verdict);
        }
    }
    let tried = Request::post("/api/v1/payments/bulk?dry_run=true", &json!({ "payments": [item(1), item(2)] }));
    let answer = client.send(&tried.by(&merchant.test)).await.unwrap().json();
    assert_eq!((&answer["data"]["dry_run"], &answer["data"]["items"][1]["status"]), (&true.into(), &200.into()));
    let real = client.send(&Request::post(BULK, &json!({ "payments": [item(1)] })).by(&merchant.test)).await.unwrap();
    assert_eq!(real.json()["data"]["items"][0]["replayed"], false);
}
