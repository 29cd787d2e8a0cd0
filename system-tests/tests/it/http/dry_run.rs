//! A dry run tells what would follow, with its postings, and writes nothing.

use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::client::Request;

use super::captured::captured;
use super::{PAYMENTS, REFUNDS, ask, events_of, guest, payment};

/// Answers and data keys there are, of whomever.
async fn kept(log: &mut PgConnection, scope: &str) -> i64 {
    let count = sqlx::query_scalar("select count(*) from log.answers where scope = $1");
    count.bind(scope).fetch_one(log).await.unwrap()
}

#[tokio::test]
async fn a_dry_run_tells_events_and_postings_and_writes_nothing() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let scope = format!("{} test", merchant.id);
    let before = (events_of(&mut log, &merchant).await, kept(&mut log, &scope).await);

    let body = json!({ "payment_no": payment_no, "amount": 400, "reason": "returned" });
    let dry = Request::post(format!("{REFUNDS}?dry_run=true"), &body);
    for tried in [dry.clone().by(&merchant.test), dry.keyed("k").by(&merchant.test)] {
        let told = client.send(&tried).await.unwrap();
        assert_eq!(told.status, 200, "{told:?}");
        let told = told.json();
        assert_eq!((&told["data"]["dry_run"], &told["data"]["answer"]["data"]["amount"]), (&true.into(), &400.into()));
        let events = told["data"]["events"].as_array().unwrap();
        assert_eq!((events.len(), &events[0]["event_type"]), (1, &"refund_reserved".into()));
        // What is only reserved moves no money yet: its postings are told, and there are none.
        assert_eq!((&events[0]["postings"], &events[0]["sequence"]), (&json!([]), &5.into()), "{events:?}");
        assert_eq!(events[0]["payload"]["refund_reserved"]["amount"]["amount_minor"], 400);
    }
    let new = Request::post(format!("{PAYMENTS}?dry_run=true"), &payment("O-2")).by(&merchant.test);
    let told = client.send(&new).await.unwrap().json();
    assert_eq!(told["data"]["events"][0]["event_type"], "initiated", "{told}");
    let refused = json!({ "payment_no": payment_no, "amount": 1_001, "reason": "returned" });
    let refused = Request::post(format!("{REFUNDS}?dry_run=true"), &refused).by(&merchant.test);
    let refused = client.send(&refused).await.unwrap();
    assert_eq!(refused.verdict(), "422 refund_amount_exceeded");
    let profile = json!({ "name": "Nobody", "email": "nobody@example.com" });
    let merchants = Request::post("/api/v1/merchants?dry_run=true", &profile).by(&branch.operator);
    let told = client.send(&merchants).await.unwrap();
    assert_eq!((told.status, told.json().get("shown_once")), (200, None::<&Value>), "no key is drawn for nothing");

    assert_eq!((events_of(&mut log, &merchant).await, kept(&mut log, &scope).await), before);
    // Its key is free.
    let done = ask(&mut client, &merchant.test, REFUNDS, "k", &body).await;
    assert_eq!((done.status, done.header("idempotency-replayed")), (200, None));
}

#[tokio::test]
async fn what_a_write_may_be_asked_in_its_query_is_that_alone() {
    let (_branch, merchant, mut client) = guest().await;
    for (query, verdict) in [
        ("dry_run=maybe", "400 parameter_malformed"),
        ("dry_run=", "400 parameter_malformed"),
        ("dry_run", "400 parameter_malformed"),
        ("dry_run=TRUE", "400 parameter_malformed"),
        ("limit=1000000000", "400 parameter_unknown"),
        ("dry_run=true&offset=1", "400 parameter_unknown"),
        ("merchant_id=MER00000000000000000000000000000001", "400 parameter_unknown"),
    ] {
        let asked = Request::post(format!("{PAYMENTS}?{query}"), &payment("O-1")).keyed("k").by(&merchant.test);
        assert_eq!(client.send(&asked).await.unwrap().verdict(), verdict, "{query}");
    }
}
