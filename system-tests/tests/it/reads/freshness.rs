//! How fresh an answer is: said by each, demanded by whoever needs it, and never taken back.

use projections::Projections;
use serde_json::json;
use system_tests::branch::{Branch, fresh};
use vault::{MasterKey, Vault};

use super::{get, guest, pay};

/// That of the servers of the tests.
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

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
async fn a_read_model_that_stands_still_says_how_far_it_is() {
    let branch = Branch::own(&[("DAYBOOK_WITHOUT_PROJECTIONS", "true")]).await.unwrap();
    // Somebody has made the tables, and nobody fills them.
    let store = branch.ledger.store().unwrap();
    let vault = Vault::new(&MasterKey::parse(MASTER_KEY).unwrap());
    let projections = Projections::new(store.clone(), branch.ledger.database().unwrap(), vault);
    projections.follow(projections::named("payments").unwrap()).await.unwrap();
    let head = super::head(&branch).await;
    let path = format!("/api/v1/payments?min_position={head}");
    let late = get(&mut branch.client(), &branch.operator, &path).await;
    assert_eq!(late.verdict(), "503 position_not_reached", "{late:?}");
    assert!(late.header("retry-after").is_some(), "{late:?}");
    let told = late.json();
    assert_eq!((&told["retryable"], &told["outcome"]), (&json!(true), &json!("not_applied")));
    assert!(told["detail"].as_str().unwrap().contains("events before it"), "{told}");
    store.close().await;
}

#[tokio::test]
async fn a_position_the_log_does_not_have_is_none() {
    let (branch, merchant, mut client) = guest().await;
    let far = super::head(branch).await + 1_000_000;
    let never = get(&mut client, &merchant.test, &format!("/api/v1/payments?min_position={far}")).await;
    assert_eq!(never.verdict(), "400 parameter_malformed", "{never:?}");
    assert!(never.json()["detail"].as_str().unwrap().contains("The log ends at"), "{never:?}");
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
