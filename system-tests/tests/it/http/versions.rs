//! Whoever names the version they have seen changes nothing that has moved on since.

use serde_json::json;
use system_tests::client::Request;

use super::{PAYMENTS, ask, assert_not_applied, events_of, guest, payment};

// covers A22
#[tokio::test]
async fn a_change_for_a_version_that_is_past_is_refused() {
    let (branch, merchant, mut client) = guest().await;
    let paid = ask(&mut client, &merchant.test, PAYMENTS, "pay", &payment("O-1")).await;
    let version = paid.header("etag").unwrap().to_owned();
    let cancel = |key: &str, version: &str| {
        let path = format!("{PAYMENTS}/{}/cancel", paid.data("payment_no"));
        Request::post(path, &json!({})).keyed(key).with("if-match", version).by(&merchant.test)
    };
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    for stale in ["\"0\"", "\"7\"", "\"-1\""] {
        let answer = client.send(&cancel("a", stale)).await.unwrap();
        assert_eq!(answer.verdict(), "412 version_stale", "{stale}");
        assert_not_applied(&answer, stale);
    }
    for malformed in ["1", "*", "W/\"1\"", "\"x\"", "\"1\", \"2\"", "\"\"", "\"99999999999999999999\""] {
        let answer = client.send(&cancel("a", malformed)).await.unwrap();
        assert_eq!(answer.verdict(), "400 if_match_malformed", "{malformed}");
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
    // Nothing of that was remembered: the key is still free, and the version still the one that was told.
    let done = client.send(&cancel("a", &version)).await.unwrap();
    assert_eq!((done.status, done.data("status").as_str()), (200, "cancelled"), "{done:?}");
    assert_ne!(done.header("etag"), Some(version.as_str()));
    let late = client.send(&cancel("b", &version)).await.unwrap();
    assert_eq!(late.verdict(), "412 version_stale");
    let replayed = client.send(&cancel("a", &version)).await.unwrap();
    assert_eq!((&replayed.body, replayed.header("idempotency-replayed")), (&done.body, Some("true")));
    // New things have no version yet.
    let new = Request::post(PAYMENTS, &payment("O-2")).keyed("new");
    let refused = client.send(&new.clone().with("if-match", "\"3\"").by(&merchant.test)).await.unwrap();
    assert_eq!(refused.verdict(), "412 version_stale");
    assert_eq!(client.send(&new.with("if-match", "\"0\"").by(&merchant.test)).await.unwrap().status, 200);
}

// covers A22
#[tokio::test]
async fn two_headers_of_versions_are_none() {
    let (_branch, merchant, mut client) = guest().await;
    let asked = Request::post(PAYMENTS, &payment("O-1")).keyed("k").with("if-match", "\"0\"").with("if-match", "\"9\"");
    let answer = client.send(&asked.by(&merchant.test)).await.unwrap();
    assert_eq!(answer.verdict(), "400 if_match_malformed");
}
