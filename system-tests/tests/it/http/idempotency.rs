//! A request repeated is the same request; the same key on another is refused.

use serde_json::json;
use system_tests::branch::fresh;
use system_tests::client::Request;
use system_tests::server::Server;

use super::{PAYMENTS, REFUNDS, ask, assert_not_applied, events_of, guest, payment};
use crate::http::captured::captured;

// covers A1, A2, A11
#[tokio::test]
async fn a_request_that_moves_money_must_name_itself_once_and_plainly() {
    let (_branch, merchant, mut client) = guest().await;
    let asked = Request::post(PAYMENTS, &payment("O-1"));
    let missing = client.send(&asked.clone().by(&merchant.test)).await.unwrap();
    assert_eq!(missing.verdict(), "400 idempotency_key_missing");
    assert_not_applied(&missing, "no key");
    for keys in [&[""][..], &["x".repeat(256).as_str()], &["a\tb"], &["na\u{ef}ve"], &["a", "a"], &["a", "b"]] {
        let named = keys.iter().fold(asked.clone(), |asked, key| asked.keyed(*key));
        let answer = client.send(&named.by(&merchant.test)).await.unwrap();
        assert_eq!(answer.verdict(), "400 idempotency_key_malformed", "{keys:?}");
        assert_not_applied(&answer, "a malformed key");
    }
    let mut wrong = payment("O-1");
    wrong["amount"] = "10.00".into();
    let refused = ask(&mut client, &merchant.test, PAYMENTS, "k", &wrong).await;
    assert_eq!(refused.verdict(), "400 amount_malformed");
    assert_eq!(refused.json()["key_checked"], false, "nothing was begun, so the key is free");
    assert_eq!(ask(&mut client, &merchant.test, PAYMENTS, "k", &payment("O-1")).await.status, 200);
}

// covers A3, A7, I8
#[tokio::test]
async fn a_repeat_gets_the_first_answer_byte_for_byte_however_it_is_written() {
    let (branch, merchant, mut client) = guest().await;
    let body = r#"{"order_no":"O-1","amount":1000,"currency":"USD","channel":"stripe","metadata":{"a":"1","b":"2"}}"#;
    let otherwise = "{ \"metadata\" : {\"b\":\"2\",\n\"a\":\"\\u0031\"}, \"channel\":\"stripe\",\t\"currency\":\"USD\", \
                     \"amount\":1000,\"order_no\":\"O-1\"}";
    let send = |body: &str| Request::post_bytes(PAYMENTS, body).keyed("k").by(&merchant.test);
    let first = client.send(&send(body)).await.unwrap();
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None));
    assert!(first.data("payment_no").starts_with("PAY"));
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    for again in [body, otherwise] {
        let replayed = client.send(&send(again)).await.unwrap();
        assert_eq!((replayed.status, &replayed.body), (200, &first.body));
        assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
        assert_eq!(replayed.header("daybook-position"), first.header("daybook-position"));
        assert_eq!(replayed.header("etag"), first.header("etag"));
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
    // A refusal by a rule is an answer too, and stays the answer.
    let zero = json!({ "order_no": "O-2", "amount": 0, "currency": "USD", "channel": "stripe" });
    let refused = ask(&mut client, &merchant.test, PAYMENTS, "k0", &zero).await;
    assert_eq!(refused.verdict(), "422 amount_not_positive");
    let again = ask(&mut client, &merchant.test, PAYMENTS, "k0", &zero).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&refused.body, Some("true")));
    assert_eq!(again.header("content-type"), Some("application/problem+json"));
}

// covers A4, A7
#[tokio::test]
async fn a_key_used_for_another_request_is_refused_and_nothing_follows() {
    let (branch, merchant, mut client) = guest().await;
    let paid = ask(&mut client, &merchant.test, PAYMENTS, "k", &payment("O-1")).await;
    let refund = json!({ "payment_no": paid.data("payment_no"), "amount": 1_000, "reason": "returned" });
    let mut more = payment("O-1");
    more["amount"] = 1_001.into();
    let mut longer = payment("O-1");
    longer["subject"] = "Two tickets".into();
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    let order = json!({ "order_no": "O-1", "currency": "USD", "total": 5, "items": [{ "name": "x", "quantity": 1, "unit_price": 5 }] });
    for (path, body) in [
        (PAYMENTS, &more),
        (PAYMENTS, &longer),
        (PAYMENTS, &payment("O-2")),
        ("/api/v1/payments?dry_run=false", &payment("O-1")),
        ("/api/v1/orders", &order),
        (REFUNDS, &refund),
    ] {
        let answer = ask(&mut client, &merchant.test, path, "k", body).await;
        assert_eq!(answer.verdict(), "422 idempotency_key_reused", "{path} {body}");
        assert_not_applied(&answer, path);
        assert_eq!(answer.json()["key_checked"], true);
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
}

// covers A6
#[tokio::test]
async fn the_same_key_is_another_one_in_another_world() {
    let (branch, one, mut client) = guest().await;
    let two = branch.merchant().await.unwrap();
    let callers = [&one.test, &one.live, &two.test, &two.live];
    let mut seen = Vec::new();
    for caller in callers {
        let answer = ask(&mut client, caller, PAYMENTS, "the same", &payment("the same")).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, None));
        seen.push(answer.data("payment_no"));
    }
    // By an operator: a world of keys of its own, but the merchant's payment.
    let mut named = payment("the same");
    named["merchant_id"] = one.id.as_str().into();
    named["livemode"] = false.into();
    let answer = ask(&mut client, &branch.operator, PAYMENTS, &fresh("k"), &named).await;
    assert_eq!(answer.data("payment_no"), seen[0], "{answer:?}");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

// covers A9
#[tokio::test]
async fn an_answer_that_is_gone_is_rebuilt_and_has_no_second_effect() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, "O-1").await;
    let refund = json!({ "payment_no": payment_no, "amount": 400, "reason": "returned" });
    let paid = ask(&mut client, &merchant.test, PAYMENTS, "pay", &payment("O-1")).await;
    let refunded = ask(&mut client, &merchant.test, REFUNDS, "refund", &refund).await;
    assert_eq!((paid.status, refunded.status), (200, 200), "{paid:?} {refunded:?}");
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    let gone = sqlx::query("delete from log.answers where scope = $1 || ' test'").bind(&merchant.id);
    assert!(gone.execute(&mut log).await.unwrap().rows_affected() >= 2);
    // Another process: this one remembers what it answered lately.
    let other = Server::start(branch.ledger.superuser_url(), &[]).await.unwrap();
    let mut client = other.client();
    let again = ask(&mut client, &merchant.test, PAYMENTS, "pay", &payment("O-1")).await;
    assert_eq!((again.status, again.data("payment_no")), (200, payment_no), "{again:?}");
    assert_eq!(again.header("idempotency-replayed"), None);
    let again = ask(&mut client, &merchant.test, REFUNDS, "refund", &refund).await;
    assert_eq!((again.status, again.data("refund_no")), (200, refunded.data("refund_no")), "{again:?}");
    assert_eq!(events_of(&mut log, &merchant).await, before);
    // Under a new key the same words are another refund; beyond what was captured it is refused.
    let more = ask(&mut client, &merchant.test, REFUNDS, "refund 2", &refund).await;
    assert_ne!(more.data("refund_no"), refunded.data("refund_no"));
    let over = ask(&mut client, &merchant.test, REFUNDS, "refund 3", &refund).await;
    assert_eq!(over.verdict(), "422 refund_amount_exceeded");
}

// covers A3
#[tokio::test]
async fn an_order_has_one_payment_under_whatever_key() {
    let (_branch, merchant, mut client) = guest().await;
    let first = ask(&mut client, &merchant.test, PAYMENTS, "one", &payment("O-1")).await;
    let second = ask(&mut client, &merchant.test, PAYMENTS, "two", &payment("O-1")).await;
    assert_eq!((second.status, second.data("payment_no")), (200, first.data("payment_no")));
    let mut dearer = payment("O-1");
    dearer["amount"] = 2_000.into();
    assert_eq!(ask(&mut client, &merchant.test, PAYMENTS, "three", &dearer).await.verdict(), "409 payment_differs");
    // Whoever reads Chinese is told in Chinese.
    let asked = Request::post(PAYMENTS, &payment("O-1")).keyed("four").with("accept-language", "zh-CN,zh;q=0.9");
    let told = client.send(&asked.by(&merchant.test)).await.unwrap();
    assert_eq!(told.json()["message"], "该订单已有支付");
}
