//! Auditors' sessions: two deeds each, and nothing newer than their beginning is shown.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Request};

use super::Directory;
use super::served::{branch, get};

const WITHIN: Duration = Duration::from_secs(60);
const DEEDS: &str = "select payload -> 'acted' ->> 'deed', payload -> 'acted' ->> 'reason' from log.events \
     where event_type = 'acted' and payload -> 'acted' ->> 'deed' like '%session%' order by position";

type Deeds = Vec<(String, Option<String>)>;

async fn deeds(behind: &mut PgConnection) -> Deeds {
    sqlx::query_as(DEEDS).fetch_all(behind).await.unwrap()
}

async fn until_closed(behind: &mut PgConnection, count: usize) -> Deeds {
    let begun = Instant::now();
    loop {
        let deeds = deeds(behind).await;
        if deeds.iter().filter(|(deed, _reason)| deed.starts_with("closed")).count() >= count {
            return deeds;
        }
        assert!(begun.elapsed() < WITHIN, "{deeds:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn pay(branch: &Branch, merchant: &Merchant) -> Answer {
    let body = json!({ "order_no": fresh("seen"), "amount": 1_000, "currency": "USD", "channel": "stripe",
                       "customer_email": "ann@example.com" });
    let request = Request::post("/api/v1/payments", &body).keyed(fresh("seen")).by(&merchant.test);
    let paid = branch.client().send(&request).await.unwrap();
    assert_eq!(paid.status, 200, "{paid:?}");
    paid
}

fn rows(answer: &Answer) -> usize {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].as_array().unwrap().len()
}

// covers I30, I29
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_two_deeds_and_shows_the_log_as_it_ended_when_it_began() {
    let mut branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let (auditor, analyst) = (branch.staff("auditor").unwrap(), branch.staff("analyst").unwrap());
    let mut behind = branch.ledger.superuser().await.unwrap();
    pay(&branch, &merchant).await;
    let head: i64 = sqlx::query_scalar("select max(position) from log.events").fetch_one(&mut behind).await.unwrap();
    // Many at once open one session.
    let asking: Vec<_> = (0..8).map(|_n| get(&branch, &auditor, "/api/v1/events?stream=payment&limit=1000")).collect();
    let seen: Vec<usize> = futures_util::future::join_all(asking).await.iter().map(rows).collect();
    assert_eq!(seen, [1; 8]);
    let opened = deeds(&mut behind).await;
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(opened[0].0.ends_with(&format!(": the log up to {head}")), "{opened:?}");

    // What comes later is not shown, in whichever way it is asked for.
    let later = pay(&branch, &merchant).await;
    let (payment_no, position) = (later.data("payment_no"), later.header("daybook-position").unwrap().to_owned());
    assert_eq!(rows(&get(&branch, &auditor, "/api/v1/events?stream=payment&limit=1000").await), 1);
    for path in [
        format!("/api/v1/streams/payment/{payment_no}"),
        format!("/api/v1/audit/events/{position}/proof"),
        format!("/api/v1/explain/payment/{payment_no}"),
    ] {
        assert_eq!(get(&branch, &auditor, &path).await.status, 404, "{path}");
        assert_ne!(get(&branch, &branch.operator, &path).await.status, 404, "{path}");
    }
    for path in ["/api/v1/ledger/balances", "/api/v1/diff"] {
        let answer = get(&branch, &auditor, &format!("{path}?min_position={position}")).await.json();
        assert_eq!(answer["meta"]["as_of_position"], json!(head), "{path}: {answer}");
    }
    // The rest of the house is not counted, nor is who is turned away.
    assert_eq!(get(&branch, &analyst, "/api/v1/ledger/balances").await.status, 200);
    assert_eq!(get(&branch, &analyst, "/api/v1/events").await.status, 403);
    let by_email = get(&branch, &auditor, "/api/v1/merchants?email=ann%40example.com").await;
    let csv = Request::get("/api/v1/payments").with("accept", "text/csv").by(&auditor);
    let csv = branch.client().send(&csv).await.unwrap();
    let lines = csv.body.lines().count() - 1;
    assert_eq!(deeds(&mut behind).await.len(), 1);

    branch.server.signal("TERM").unwrap();
    let ending = tokio::task::spawn_blocking(move || branch.server.wait().unwrap().success());
    assert!(ending.await.unwrap());
    let closed = deeds(&mut behind).await;
    assert_eq!(closed.len(), 2, "{closed:?}");
    let session = opened[0].0.trim_start_matches("opened session ").split(':').next().unwrap().to_owned();
    assert_eq!(closed[1].0, format!("closed session {session}"));
    let said = closed[1].1.clone().unwrap();
    assert!(said.contains(&format!("of the log up to {head}; the server ends")), "{said}");
    assert!(said.contains("/api/v1/events limit=1000 stream=payment: 9 times, 9 rows"), "{said}");
    assert!(said.contains(&format!("/api/v1/payments: 1 times, {lines} rows")) && lines == 1, "{said}");
    assert!(!said.contains("ann"), "{by_email:?}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_in_which_nothing_is_asked_ends_and_the_next_sees_more() {
    let branch = Branch::own(&[("DAYBOOK_AUDIT_IDLE_MS", "50")]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let auditor = branch.staff("auditor").unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    assert_eq!(rows(&get(&branch, &auditor, "/api/v1/events?stream=payment").await), 0);
    let closed = until_closed(&mut behind, 1).await;
    assert!(closed[1].1.as_deref().unwrap().starts_with("1 questions, 0 rows, "), "{closed:?}");
    pay(&branch, &merchant).await;
    assert_eq!(rows(&get(&branch, &auditor, "/api/v1/events?stream=payment").await), 1);
    let deeds = until_closed(&mut behind, 2).await;
    let kinds: Vec<&str> = deeds.iter().map(|(deed, _reason)| deed.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["opened", "closed", "opened", "closed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_in_a_session_has_the_events_up_to_its_beginning() {
    let place = Directory::fresh();
    let (branch, _public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    let auditor = branch.staff("auditor").unwrap();
    let payment_no = pay(&branch, &merchant).await.data("payment_no");
    let receipt = format!("/api/v1/payments/{payment_no}/receipt");
    let events = |answer: &Answer| answer.json()["data"]["events"].as_array().map(Vec::len);
    assert_eq!(events(&get(&branch, &auditor, &receipt).await), Some(1));
    let cancel = Request::post(format!("/api/v1/payments/{payment_no}/cancel"), &json!({}));
    let cancelled = branch.client().send(&cancel.keyed(fresh("seen")).by(&merchant.test)).await.unwrap();
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(events(&get(&branch, &branch.operator, &receipt).await), Some(2));
    assert_eq!(events(&get(&branch, &auditor, &receipt).await), Some(1));
}
