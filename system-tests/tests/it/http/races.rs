//! Many at once on one key, one payment, one merchant: one effect, and no server error.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::money::Money;
use domain::payment::Report;
use futures_util::future::join_all;
use serde_json::{Value, json};
use system_tests::branch::Branch;
use system_tests::client::{Answer, Caller, Client};
use system_tests::load::closed_loop;
use system_tests::say::say;
use system_tests::times::times;
use tokio::sync::Mutex;

use super::captured::{approve_and_report, captured};
use super::{PAYMENTS, REFUNDS, ask, events_of, guest, payment};

/// Each request on a connection of its own, all at once.
async fn at_once(branch: &Branch, caller: &Caller, requests: Vec<(String, String, Value)>) -> Vec<Answer> {
    let asking = requests.into_iter().map(|(path, key, body)| async move {
        let mut client = branch.client();
        ask(&mut client, caller, &path, &key, &body).await
    });
    join_all(asking).await
}

fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    answers.iter().fold(BTreeMap::new(), |mut tally, answer| {
        *tally.entry(answer.verdict()).or_default() += 1;
        tally
    })
}

fn expected(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(verdict, count)| ((*verdict).to_owned(), *count)).collect()
}

// covers A5, I34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_identical_requests_at_once_are_one_payment() {
    let (branch, merchant, mut client) = guest().await;
    let mut log = branch.ledger.superuser().await.unwrap();
    ask(&mut client, &merchant.test, PAYMENTS, "warm", &payment("warm")).await;
    for round in 0..5 {
        let before = events_of(&mut log, &merchant).await;
        let (order_no, key) = (format!("O-{round}"), format!("k-{round}"));
        let same = vec![(PAYMENTS.to_owned(), key.clone(), payment(&order_no)); 64];
        let answers = at_once(branch, &merchant.test, same).await;
        let first = answers.iter().find(|answer| answer.status == 200).expect("somebody is answered");
        for answer in &answers {
            match answer.verdict().as_str() {
                "200" => assert_eq!(answer.body, first.body),
                "409 request_in_flight" => {
                    assert_eq!(answer.header("retry-after"), Some("1"));
                    assert_eq!(answer.json()["outcome"], "unknown");
                }
                other => panic!("{other}: {answer:?}"),
            }
        }
        let again = ask(&mut client, &merchant.test, PAYMENTS, &key, &payment(&order_no)).await;
        assert_eq!((&again.body, again.header("idempotency-replayed")), (&first.body, Some("true")));
        assert_eq!(events_of(&mut log, &merchant).await, before + 1, "one event: the payment was initiated");
    }
}

// covers A13, A16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_refunds_of_ten_on_a_thousand_are_a_hundred() {
    let (branch, merchant, _client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let tens = |n: i32| {
        let body = json!({ "payment_no": payment_no, "amount": 10, "reason": "returned" });
        (REFUNDS.to_owned(), format!("refund {n}"), body)
    };
    let answers = at_once(branch, &merchant.test, (0..200).map(tens).collect()).await;
    assert_eq!(tally(&answers), expected(&[("200", 100), ("422 refund_amount_exceeded", 100)]));
    let numbers: std::collections::BTreeSet<String> =
        answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.data("refund_no")).collect();
    assert_eq!(numbers.len(), 100);
    let mut log = branch.ledger.superuser().await.unwrap();
    let reserved: i64 = sqlx::query_scalar(
        "select sum((payload -> 'refund_reserved' -> 'amount' ->> 'amount_minor')::bigint)::bigint from log.events \
         where event_type = 'refund_reserved' and aggregate_id = $1",
    )
    .bind(&payment_no)
    .fetch_one(&mut log)
    .await
    .unwrap();
    assert_eq!(reserved, 1_000);
}

// covers A16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_refunds_never_come_to_more_than_was_captured() {
    let (branch, merchant, _client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let amounts = (1..=40).map(|n| n * 7);
    let part = |amount: i64| {
        let body = json!({ "payment_no": payment_no, "amount": amount, "reason": "returned" });
        (REFUNDS.to_owned(), format!("refund {amount}"), body)
    };
    let answers = at_once(branch, &merchant.test, amounts.map(part).collect()).await;
    let refunded: i64 = answers.iter().filter_map(|answer| answer.json()["data"]["amount"].as_i64()).sum();
    assert!((1_000 - 7 * 40..=1_000).contains(&refunded), "{refunded}");
    assert!(answers.iter().all(|answer| ["200", "422 refund_amount_exceeded"].contains(&answer.verdict().as_str())));
}

// covers A15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_refund_capture_or_cancel_the_whole_one_does() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let whole = |n: i32| {
        let body = json!({ "payment_no": payment_no, "amount": 1_000, "reason": "returned" });
        (REFUNDS.to_owned(), format!("refund {n}"), body)
    };
    let answers = at_once(branch, &merchant.test, (0..32).map(whole).collect()).await;
    assert_eq!(tally(&answers), expected(&[("200", 1), ("422 refund_amount_exceeded", 31)]));

    let mut held = payment("O-2");
    held["capture"] = "manual".into();
    let held = ask(&mut client, &merchant.test, PAYMENTS, "hold", &held).await.data("payment_no");
    let amount = Money::new(1_000, "USD".parse().unwrap());
    let report = Report::Authorised { amount, channel_trade_no: "ch_2".to_owned(), effective_at: Utc::now() };
    approve_and_report(branch, &held, report).await;
    let capture = |n: i32| (format!("{PAYMENTS}/{held}/capture"), format!("capture {n}"), json!({}));
    let answers = at_once(branch, &merchant.test, (0..32).map(capture).collect()).await;
    assert_eq!(tally(&answers), expected(&[("200", 1), ("409 capture_in_progress", 31)]));

    let pending = ask(&mut client, &merchant.test, PAYMENTS, "p", &payment("O-3")).await.data("payment_no");
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    let cancel = |n: i32| (format!("{PAYMENTS}/{pending}/cancel"), format!("cancel {n}"), json!({}));
    let answers = at_once(branch, &merchant.test, (0..32).map(cancel).collect()).await;
    // Cancelled is cancelled: whoever asks for what is true already is told so.
    assert_eq!(tally(&answers), expected(&[("200", 32)]));
    assert!(answers.iter().all(|answer| answer.data("status") == "cancelled"));
    assert_eq!(events_of(&mut log, &merchant).await, before + 1);
}

// covers A17, I34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_merchant_with_sixty_four_writers_is_served_without_an_error() {
    let (branch, merchant, _client) = guest().await;
    let clients: Arc<Vec<Mutex<Client>>> = Arc::new((0..64).map(|_| Mutex::new(branch.client())).collect());
    let duration = Duration::from_secs(u64::try_from(times("DAYBOOK_HOT_SECONDS", 20)).unwrap());
    let refused = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&refused);
    let seen = closed_loop(64, duration, move |caller, turn| {
        let (clients, told, merchant) = (Arc::clone(&clients), Arc::clone(&told), merchant.clone());
        async move {
            let name = format!("hot-{caller}-{turn}");
            let answer =
                ask(&mut *clients[caller].lock().await, &merchant.test, PAYMENTS, &name, &payment(&name)).await;
            if answer.status != 200 {
                told.lock().await.push(answer.verdict());
            }
            answer.status == 200
        }
    });
    let seen = seen.await.unwrap();
    say(&format!(
        "one merchant, 64 writers over HTTP: {:.0} a second, p99 {:.1} ms, longest {:.1} ms",
        seen.per_second(),
        seen.millis_at(99.0),
        seen.millis_at(100.0)
    ));
    assert_eq!(*refused.lock().await, Vec::<String>::new());
    assert!(seen.millis_at(100.0) < 5_000.0, "somebody waited {} ms", seen.millis_at(100.0));
    assert!(seen.per_second() > 50.0, "{} a second", seen.per_second());
}
