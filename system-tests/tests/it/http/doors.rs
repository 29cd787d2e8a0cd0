//! Who is let in by key, signature or token; and how soon a revoked one is refused.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::json;
use system_tests::branch::caller;
use system_tests::client::{Caller, Client, Request};
use system_tests::server::Server;

use super::{PAYMENTS, ask, assert_not_applied, events_of, guest, payment};

const SHUT: &str = "401 credentials_invalid";

/// The merchant with another text for a key.
fn with_key(caller: &Caller, change: impl Fn(&str) -> String) -> Caller {
    let Caller::Merchant { key_id, api_key, signing_secret } = caller else { panic!("{caller:?} has no key") };
    Caller::Merchant { key_id: key_id.clone(), api_key: change(api_key), signing_secret: signing_secret.clone() }
}

/// An answer without what names the request.
fn shape(body: &str) -> String {
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    for name in ["request_id", "trace_id"] {
        body[name] = "".into();
    }
    body.to_string()
}

fn swapped(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

// covers G4
#[tokio::test]
async fn a_key_that_is_not_quite_one_is_none_and_is_told_nothing_more() {
    let (branch, merchant, mut client) = guest().await;
    let other = branch.merchant().await.unwrap();
    let Caller::Merchant { api_key: others, .. } = &other.test else { panic!("a merchant has keys") };
    let keys: Vec<Caller> = vec![
        with_key(&merchant.test, |key| key[..key.len() - 1].to_owned()),
        with_key(&merchant.test, |key| format!("{key}0")),
        with_key(&merchant.test, |key| key[..40].to_owned()),
        with_key(&merchant.test, swapped),
        with_key(&merchant.test, |key| key.replace("dbk_test", "dbk_live")),
        with_key(&merchant.live, |key| key.replace("dbk_live", "dbk_test")),
        with_key(&merchant.test, |key| format!("{}{}", &key[..80], &others[80..])),
        with_key(&merchant.test, |_key| "test-api-key".to_owned()),
        with_key(&merchant.test, |_key| "x".repeat(5_000)),
        with_key(&merchant.test, |_key| String::new()),
    ];
    let mut shapes = Vec::new();
    for key in &keys {
        let answer = ask(&mut client, key, PAYMENTS, "k", &payment("O-1")).await;
        assert_eq!(answer.verdict(), "401 credentials_invalid", "{key:?}");
        assert_not_applied(&answer, "a bad key");
        shapes.push(shape(&answer.body));
    }
    shapes.dedup();
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    for token in ["", "x", "dbt_0", "Bearer dbt_0"] {
        let asked =
            Request::post(PAYMENTS, &payment("O-1")).keyed("k").with("authorization", format!("Bearer {token}"));
        assert_eq!(client.send(&asked).await.unwrap().verdict(), "401 credentials_invalid", "{token}");
    }
    let both = Request::post(PAYMENTS, &payment("O-1")).keyed("k").by(&merchant.test).by(&branch.operator);
    assert_eq!(client.send(&both).await.unwrap().verdict(), "401 credentials_invalid");
    let Caller::Token(token) = &branch.operator else { panic!("an operator has a token") };
    let basic = Request::post(PAYMENTS, &payment("O-1")).keyed("k").with("authorization", format!("Basic {token}"));
    assert_eq!(client.send(&basic).await.unwrap().verdict(), "401 credentials_invalid");
}

// covers G6
#[tokio::test]
async fn a_signature_is_for_one_request_at_one_time() {
    let (branch, merchant, mut client) = guest().await;
    let asked = || Request::post(PAYMENTS, &payment("O-1")).keyed("k");
    let now = Utc::now().timestamp();
    let signed = asked().by(&merchant.test);
    let signature = signed.headers.last().unwrap().1.clone();
    let mut dearer = signed.clone();
    dearer.body = payment("O-2").to_string().into_bytes();
    let mut spaced = signed.clone();
    spaced.body.push(b' ');
    let mut elsewhere = signed.clone();
    elsewhere.path = "/api/v1/orders".to_owned();
    let mut asking = signed.clone();
    asking.path = format!("{PAYMENTS}?dry_run=true");
    let rekeyed = signed.clone().without("idempotency-key").keyed("other");
    let unkeyed = signed.clone().without("idempotency-key");
    let unsigned = signed.clone().without("x-signature");
    let bare = unsigned.clone();
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    for (what, request, code) in [
        ("another body", dearer, "signature_invalid"),
        ("the same value, other bytes", spaced, "signature_invalid"),
        ("another path", elsewhere, "signature_invalid"),
        ("another query", asking, "signature_invalid"),
        ("another key", rekeyed, "signature_invalid"),
        ("no key", unkeyed, "signature_invalid"),
        ("too old", asked().by_at(&merchant.test, now - 302), "signature_expired"),
        ("too new", asked().by_at(&merchant.test, now + 302), "signature_expired"),
        ("none", unsigned, "signature_missing"),
        ("two", signed.clone().with("x-signature", &signature), "credentials_invalid"),
        ("the demo's", bare.clone().with("x-signature", "test-signature"), "signature_malformed"),
        ("empty", bare.with("x-signature", ""), "signature_malformed"),
        ("two keys", signed.clone().with("x-api-key", "x"), "credentials_invalid"),
    ] {
        let answer = client.send(&request).await.unwrap();
        assert_eq!(answer.verdict(), format!("401 {code}"), "{what}");
        assert_not_applied(&answer, what);
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
    let first = client.send(&signed).await.unwrap();
    let replayed = client.send(&signed).await.unwrap();
    assert_eq!((first.status, &replayed.body), (200, &first.body));
    assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    let put = Request { method: "PUT", ..asked() }.by(&merchant.test);
    assert_eq!(client.send(&put).await.unwrap().verdict(), "405 method_not_allowed");
}

/// Asks until the door is open, or shut, to somebody: it must be so within a second.
async fn within_a_second(client: &mut Client, who: &Caller, wanted: &str, what: &str) {
    let begin = Instant::now();
    for n in 0.. {
        let asked = Request::post(format!("{PAYMENTS}?dry_run=true"), &payment(&format!("R-{n}"))).by(who);
        let answer = client.send(&asked).await.unwrap();
        if answer.verdict() == wanted {
            return;
        }
        assert!(["200", SHUT].contains(&answer.verdict().as_str()), "{answer:?}");
        assert!(begin.elapsed() < Duration::from_secs(1), "{what}: still {}", answer.verdict());
    }
}

// covers G4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_is_refused_by_every_server_within_a_second() {
    let (branch, merchant, mut here) = guest().await;
    let other = Server::start(branch.ledger.superuser_url(), &[]).await.unwrap();
    let mut there = other.client();
    for (client, key) in [(&mut here, "a"), (&mut there, "b")] {
        assert_eq!(ask(client, &merchant.live, PAYMENTS, key, &payment(key)).await.status, 200);
    }
    let keys = format!("/api/v1/merchants/{}/keys", merchant.id);
    let overlapping = branch.operate(&keys, &json!({ "livemode": true, "overlap_hours": 1 })).await.unwrap();
    let second = caller(&overlapping.json()["shown_once"]["keys"][0]).unwrap();
    for who in [&second, &merchant.live] {
        within_a_second(&mut there, who, "200", "two keys that overlap").await;
    }
    let Caller::Merchant { key_id, .. } = &merchant.live else { panic!("a merchant has keys") };
    branch.operate(&format!("{keys}/{key_id}/revoke"), &json!({})).await.unwrap();
    within_a_second(&mut there, &merchant.live, SHUT, "a revoked key").await;
    within_a_second(&mut here, &merchant.live, SHUT, "a revoked key").await;
    // One that is followed without overlap has expired at once.
    let third = branch.operate(&keys, &json!({ "livemode": true, "overlap_hours": 0 })).await.unwrap();
    within_a_second(&mut there, &second, SHUT, "an expired key").await;
    let third = caller(&third.json()["shown_once"]["keys"][0]).unwrap();
    within_a_second(&mut there, &third, "200", "a new key").await;
    assert_eq!(ask(&mut there, &merchant.test, PAYMENTS, "c", &payment("c")).await.status, 200, "the test key stays");
}

// covers G18
#[tokio::test]
async fn what_is_open_to_everybody_tells_of_nobody() {
    let (_branch, merchant, mut client) = guest().await;
    ask(&mut client, &merchant.test, PAYMENTS, "k", &payment("canary-order")).await;
    for path in ["/livez", "/readyz", "/readyz?verbose", "/healthz", "/metrics", "/openapi.json", "/docs"] {
        let answer = client.send(&Request::get(path)).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        for told in [merchant.id.as_str(), "canary-order", "dbk_", "dbs_", "postgres://", "postgresql://"] {
            assert!(!answer.body.contains(told), "{path} tells {told}");
        }
    }
    for path in ["/debug/pprof", "/admin", "/.env", "/api/v1/accounts", "/api/v1/", "/%2e%2e/etc/passwd", "//livez"] {
        let answer = client.send(&Request::get(path)).await.unwrap();
        assert!([404, 405].contains(&answer.status), "{path}: {answer:?}");
        assert_not_applied(&answer, path);
    }
    // What is a question is one to those who say who they are.
    for path in ["/api/v1/merchants", "/api/v1/payments", "/api/v1/ledger/balances"] {
        let answer = client.send(&Request::get(path)).await.unwrap();
        assert_eq!(answer.verdict(), "401 credentials_missing", "{path}");
        assert!(!answer.body.contains(merchant.id.as_str()) && !answer.body.contains("canary-order"), "{path}");
    }
}
