//! Whoever asks too often is told to wait, and for how long; nobody else notices.

use std::time::{Duration, Instant};

use serde_json::json;
use system_tests::branch::{Branch, caller};
use system_tests::client::{Answer, Request};
use system_tests::server::Server;

use super::{PAYMENTS, payment};

/// Two a second and four at once for a key; three a second and six at once for a merchant.
const SLOW: [(&str, &str); 2] = [("DAYBOOK_RATE_PER_KEY", "2"), ("DAYBOOK_RATE_PER_MERCHANT", "3")];

fn tried() -> Request {
    Request::post(format!("{PAYMENTS}?dry_run=true"), &payment("O-1"))
}

fn told_to_wait(answer: &Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    assert_eq!(answer.verdict(), "429 rate_limited", "{answer:?}");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=4).contains(&seconds), "{answer:?}");
    assert_eq!(answer.json()["retryable"], true);
    true
}

// covers G15
#[tokio::test]
async fn a_burst_beyond_the_rate_waits_and_others_do_not() {
    let branch = Branch::of_all().await.unwrap();
    let (greedy, calm) = (branch.merchant().await.unwrap(), branch.merchant().await.unwrap());
    let server = Server::start(branch.ledger.superuser_url(), &SLOW).await.unwrap();
    let mut client = server.client();
    let begin = Instant::now();
    let (mut served, mut waiting) = (0, 0);
    for _request in 0..12 {
        let answer = client.send(&tried().by(&greedy.test)).await.unwrap();
        assert_eq!(answer.header("ratelimit-policy"), Some("\"key\";q=4;w=2"), "{answer:?}");
        assert!(answer.header("ratelimit").is_some_and(|left| left.starts_with("\"key\";r=")), "{answer:?}");
        if told_to_wait(&answer) { waiting += 1 } else { served += 1 }
    }
    let refilled = 2 * begin.elapsed().as_secs() + 2;
    assert!((4..=4 + refilled).contains(&served), "{served} were served");
    assert!(waiting > 0);
    // Another key of the same mode has a bucket of its own, the merchant as a whole is as good as out of breath there.
    let rotated = branch.operate(&format!("/api/v1/merchants/{}/keys", greedy.id), &json!({ "livemode": false })).await;
    let second = caller(&rotated.unwrap().json()["shown_once"]["keys"][0]).unwrap();
    // This server hears of a key that was issued at another one within moments.
    let known = async { while client.send(&tried().by(&second)).await.unwrap().status == 401 {} };
    tokio::time::timeout(Duration::from_secs(20), known).await.unwrap();
    let mut waiting = false;
    for _request in 0..4 {
        waiting |= told_to_wait(&client.send(&tried().by(&second)).await.unwrap());
    }
    assert!(waiting, "a merchant with many keys is still one merchant");
    assert_eq!(client.send(&tried().by(&greedy.live)).await.unwrap().status, 200, "trials use up nothing of live's");
    for _request in 0..3 {
        let answer = client.send(&tried().by(&calm.test)).await.unwrap();
        assert_eq!(answer.status, 200, "somebody else's haste is not theirs: {answer:?}");
    }
}

// covers G15
#[tokio::test]
async fn nobody_uses_up_anothers_rate_with_a_key_alone() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let server = Server::start(branch.ledger.superuser_url(), &SLOW).await.unwrap();
    let mut client = server.client();
    let stolen = tried().by(&merchant.test).without("x-signature").with("x-signature", "t=1,v1=00");
    for _request in 0..12 {
        assert_eq!(client.send(&stolen).await.unwrap().verdict(), "401 signature_expired");
    }
    assert_eq!(client.send(&tried().by(&merchant.test)).await.unwrap().status, 200);
}

// covers G15
#[tokio::test]
async fn a_bulk_counts_as_many_as_it_carries_and_the_largest_comes_in_after_a_rest() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let server = Server::start(branch.ledger.superuser_url(), &SLOW).await.unwrap();
    let bulk = |count: usize| {
        let items: Vec<serde_json::Value> = (0..count).map(|n| json!({ "n": n })).collect();
        Request::post("/api/v1/payments/bulk", &json!({ "payments": items }))
    };
    let mut client = server.client();
    // Half of a burst is used up: what is larger than the rest waits, and is told for how long.
    for _request in 0..2 {
        assert_eq!(client.send(&tried().by(&merchant.test)).await.unwrap().status, 200);
    }
    assert!(told_to_wait(&client.send(&bulk(1_000).by(&merchant.test)).await.unwrap()));
    // However slow the rate, a thousand come in where nothing else was asked: here, with the production key.
    let answer = client.send(&bulk(1_000).by(&merchant.live)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers_named("ratelimit").len(), 2, "each told once, as it is after the items: {answer:?}");
    assert!(answer.header("ratelimit").is_some_and(|left| left.starts_with("\"key\";r=0;t=500")), "{answer:?}");
    // They are made up for before the next.
    let next = client.send(&tried().by(&merchant.live)).await.unwrap();
    assert_eq!(next.verdict(), "429 rate_limited");
    let seconds: u64 = next.header("retry-after").unwrap().parse().unwrap();
    assert!((480..=500).contains(&seconds), "{next:?}");
}

// covers G5 at the level of one second: a wrong key costs no look into the log
#[tokio::test]
async fn wrong_keys_do_not_hold_up_the_right_one() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let wrong = Request::post(PAYMENTS, &payment("O-1"))
        .keyed("k")
        .with("x-api-key", "dbk_test_00_11")
        .with("x-signature", "x");
    let begin = Instant::now();
    for _guess in 0..1_000 {
        assert_eq!(client.send(&wrong).await.unwrap().status, 401);
    }
    let right = client.send(&tried().by(&merchant.test)).await.unwrap();
    assert_eq!(right.status, 200);
    assert!(begin.elapsed().as_secs() < 10, "a thousand guesses took {:?}", begin.elapsed());
}
