//! Each filter, with something it lets through and something it keeps back.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use system_tests::branch::fresh;

use super::{get, guest, pay, post, rows, texts};
use crate::http::captured::captured;

const PAYMENTS: &str = "/api/v1/payments";

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_filter_of_payments_lets_through_what_it_names() {
    let (branch, merchant, mut client) = guest().await;
    let [a, b, c] = ["a", "b", "c"].map(fresh);
    let books = json!({ "metadata": { "shelf": "7", "kind": "book" }, "customer_email": "Ann@Example.com" });
    pay(&mut client, &merchant.test, &a, books).await;
    let yen = json!({ "amount": 5_000, "currency": "JPY", "metadata": { "shelf": "8" }, "customer_email": "bob@example.com" });
    pay(&mut client, &merchant.test, &b, yen).await;
    captured(branch, &merchant, &c).await;
    let position = super::head(branch).await;
    let all = get(&mut client, &merchant.test, &format!("{PAYMENTS}?min_position={position}")).await;
    assert_eq!(sorted(texts(&all, "order_no")), sorted(vec![a.clone(), b.clone(), c.clone()]));
    let created = |no: &str| {
        let row = rows(&all).into_iter().find(|row| row["order_no"] == no).unwrap();
        let at: DateTime<Utc> = row["created_at"].as_str().unwrap().parse().unwrap();
        at.to_rfc3339_opts(SecondsFormat::Micros, true)
    };
    let (at_a, at_b, at_c) = (created(&a), created(&b), created(&c));
    for (query, expected) in [
        ("status=success".to_owned(), vec![&c]),
        ("status=pending".to_owned(), vec![&a, &b]),
        ("status=pending,success".to_owned(), vec![&a, &b, &c]),
        ("channel=stripe".to_owned(), vec![&a, &b, &c]),
        ("channel=paypal".to_owned(), vec![]),
        ("currency=JPY".to_owned(), vec![&b]),
        (format!("order_no={a}"), vec![&a]),
        ("order_no=none".to_owned(), vec![]),
        ("channel_trade_no=ch_1".to_owned(), vec![&c]),
        ("settlement_no=SET00000000000000000000000000000001".to_owned(), vec![]),
        ("amount=1000".to_owned(), vec![&a, &c]),
        ("amount[gt]=1000".to_owned(), vec![&b]),
        ("amount[gte]=1000".to_owned(), vec![&a, &b, &c]),
        ("amount[lt]=5000".to_owned(), vec![&a, &c]),
        ("amount[gte]=1001&amount[lte]=5000".to_owned(), vec![&b]),
        (format!("created[gte]={at_b}"), vec![&b, &c]),
        (format!("created[gt]={at_b}"), vec![&c]),
        (format!("created[lte]={at_b}"), vec![&a, &b]),
        (format!("created[lt]={at_b}"), vec![&a]),
        (format!("created[gte]={at_a}&created[lt]={at_c}"), vec![&a, &b]),
        ("created[gte]=2999-01-01T00:00:00Z".to_owned(), vec![]),
        ("customer_email=ann@example.com".to_owned(), vec![&a]),
        ("customer_email=ANN@example.com".to_owned(), vec![&a]),
        ("customer_email=carol@example.com".to_owned(), vec![]),
        ("metadata[shelf]=7".to_owned(), vec![&a]),
        ("metadata[shelf]=7&metadata[kind]=book".to_owned(), vec![&a]),
        ("metadata[shelf]=7&metadata[kind]=disc".to_owned(), vec![]),
        ("metadata[none]=7".to_owned(), vec![]),
        ("livemode=false".to_owned(), vec![&a, &b, &c]),
        (format!("merchant_id={}&currency=USD&status=success", merchant.id), vec![&c]),
    ] {
        let answer = get(&mut client, &merchant.test, &format!("{PAYMENTS}?{query}")).await;
        let expected = expected.into_iter().cloned().collect();
        assert_eq!(sorted(texts(&answer, "order_no")), sorted(expected), "{query}");
    }
    let of_house = format!("{PAYMENTS}?merchant_id={}&livemode=false&customer_email=bob@example.com", merchant.id);
    assert_eq!(texts(&get(&mut client, &branch.operator, &of_house).await, "order_no"), [b]);
    let of_nobody = get(&mut client, &branch.operator, &format!("{PAYMENTS}?customer_email=bob@example.com")).await;
    assert_eq!(of_nobody.verdict(), "400 parameter_malformed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_filter_of_refunds_and_orders_lets_through_what_it_names() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, &fresh("refunded")).await;
    for amount in [100, 300] {
        let refund = json!({ "payment_no": payment_no, "amount": amount, "reason": "returned" });
        post(&mut client, &merchant.test, "/api/v1/refunds", &refund).await;
    }
    let [big, small] = ["big", "small"].map(fresh);
    for (order_no, price) in [(&big, 900), (&small, 5)] {
        let items = json!([{ "name": "x", "quantity": 1, "unit_price": price }]);
        let order = json!({ "order_no": order_no, "currency": "USD", "total": price, "items": items });
        post(&mut client, &merchant.test, "/api/v1/orders", &order).await;
    }
    post(&mut client, &merchant.test, &format!("/api/v1/orders/{small}/cancel"), &json!({})).await;
    super::caught_up(branch, &mut client, &["/api/v1/refunds", "/api/v1/orders"]).await;
    for (query, amounts) in [
        ("status=pending", vec![300, 100]),
        ("status=success,failed", vec![]),
        ("amount[gt]=100", vec![300]),
        ("currency=USD&order=oldest", vec![100, 300]),
        ("channel=stripe", vec![]),
        (&*format!("payment_no={payment_no}"), vec![300, 100]),
        ("payment_no=PAY00000000000000000000000000000001", vec![]),
        ("created[lt]=2000-01-01T00:00:00Z", vec![]),
    ] {
        let answer = get(&mut client, &merchant.test, &format!("/api/v1/refunds?{query}")).await;
        let found: Vec<i64> = rows(&answer).iter().map(|row| row["amount"].as_i64().unwrap()).collect();
        assert_eq!(found, amounts, "{query}");
    }
    for (query, expected) in [
        ("status=open".to_owned(), vec![&big]),
        ("status=cancelled".to_owned(), vec![&small]),
        ("currency=JPY".to_owned(), vec![]),
        (format!("order_no={small}"), vec![&small]),
        ("amount[gte]=900".to_owned(), vec![&big]),
        ("fulfilled=false".to_owned(), vec![&small, &big]),
        ("fulfilled=true".to_owned(), vec![]),
        ("payment_no=PAY00000000000000000000000000000001".to_owned(), vec![]),
        ("created[gte]=2000-01-01T00:00:00Z".to_owned(), vec![&small, &big]),
    ] {
        let answer = get(&mut client, &merchant.test, &format!("/api/v1/orders?{query}")).await;
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(texts(&answer, "order_no"), expected, "{query}");
    }
    let shown = get(&mut client, &merchant.test, &format!("/api/v1/orders/{big}?expand=items")).await;
    assert_eq!(shown.json()["data"]["items"][0]["unit_price"], 900, "{shown:?}");
    let shown = format!("/api/v1/payments/{payment_no}?expand[]=attempts&expand[]=refunds");
    let shown = get(&mut client, &merchant.test, &shown).await.json();
    assert_eq!(shown["data"]["attempts"][0]["phase"], "captured", "{shown}");
    assert_eq!(shown["data"]["refunds"].as_array().map(Vec::len), Some(2), "{shown}");
}

#[tokio::test]
async fn each_filter_of_merchants_lets_through_what_it_names() {
    let (branch, merchant, mut client) = guest().await;
    let newcomer = branch.newcomer().await.unwrap();
    super::caught_up(branch, &mut client, &["/api/v1/merchants"]).await;
    let registered = get(&mut client, &branch.operator, "/api/v1/merchants?status=registered&limit=500").await;
    let ids = texts(&registered, "merchant_id");
    assert!(ids.contains(&newcomer.id) && !ids.contains(&merchant.id));
    let own = get(&mut client, &branch.operator, &format!("/api/v1/merchants/{}", merchant.id)).await;
    let email = own.data("email");
    let found = get(&mut client, &branch.operator, &format!("/api/v1/merchants?email={email}")).await;
    assert_eq!(texts(&found, "merchant_id"), std::slice::from_ref(&merchant.id));
    let none = get(&mut client, &branch.operator, "/api/v1/merchants?created[lt]=2000-01-01T00:00:00Z").await;
    assert_eq!(texts(&none, "merchant_id"), Vec::<String>::new());
    let keys = get(&mut client, &merchant.test, &format!("/api/v1/merchants/{}/keys", merchant.id)).await;
    assert_eq!(rows(&keys).len(), 2);
    assert!(!keys.body.contains("hash") && !keys.body.contains("dbk_"), "{keys:?}");
}
