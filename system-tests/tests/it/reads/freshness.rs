//! How fresh an answer is: said by each, demanded by whoever needs it, and never taken back.

use serde_json::json;
use system_tests::branch::fresh;

use super::{get, guest, pay};

#[tokio::test]
async fn a_question_that_names_a_position_sees_what_was_written_there() {
    let (_branch, merchant, mut client) = guest().await;
    for _round in 0..20 {
        let order_no = fresh("seen");
        let (payment_no, position) = pay(&mut client, &merchant.test, &order_no, json!({})).await;
        let path = format!("/api/v1/payments/{payment_no}?min_position={position}");
        let seen = get(&mut client, &merchant.test, &path).await;
        assert_eq!((seen.status, seen.data("payment_no")), (200, payment_no), "{seen:?}");
        assert_eq!(seen.data("order_no"), order_no);
        assert_eq!(seen.header("etag"), Some("\"1\""));
        let told = seen.json()["meta"]["as_of_position"].as_i64().unwrap();
        assert!(told >= position.parse().unwrap(), "{seen:?}");
        assert_eq!(seen.header("daybook-position"), Some(told.to_string().as_str()));
    }
}

#[tokio::test]
async fn what_was_just_written_is_not_told_to_be_absent() {
    let (_branch, merchant, mut client) = guest().await;
    for _round in 0..20 {
        let (payment_no, _position) = pay(&mut client, &merchant.test, &fresh("absent"), json!({})).await;
        let seen = get(&mut client, &merchant.test, &format!("/api/v1/payments/{payment_no}")).await;
        assert_eq!(seen.status, 200, "{seen:?}");
    }
}

#[tokio::test]
async fn a_position_that_does_not_come_ends_the_wait_and_says_how_far_it_is() {
    let (branch, merchant, mut client) = guest().await;
    let far = super::head(branch).await + 1_000_000;
    let late = get(&mut client, &merchant.test, &format!("/api/v1/payments?min_position={far}")).await;
    assert_eq!(late.verdict(), "503 position_not_reached", "{late:?}");
    assert!(late.header("retry-after").is_some(), "{late:?}");
    let told = late.json();
    assert_eq!((&told["retryable"], &told["outcome"]), (&json!(true), &json!("not_applied")));
    assert!(told["detail"].as_str().unwrap().contains("events before it"), "{told}");
}

// covers I17
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_sees_a_position_go_back() {
    let (branch, merchant, mut client) = guest().await;
    let mut writer = branch.client();
    let owner = merchant.clone();
    let writing = tokio::spawn(async move {
        for _n in 0..60 {
            pay(&mut writer, &owner.test, &fresh("monotone"), json!({})).await;
        }
    });
    let mut last = 0;
    while !writing.is_finished() {
        let page = get(&mut client, &merchant.test, "/api/v1/payments?limit=1").await;
        let at = page.json()["meta"]["as_of_position"].as_i64().unwrap();
        assert!(at >= last, "from {last} back to {at}");
        last = at;
    }
    writing.await.unwrap();
}
