//! Analytics: attempts counted where they began, money when it moved, spans compared.

use chrono::{TimeDelta, Utc};
use domain::payment::Report;
use domain::payment::attempt::Decline;
use serde_json::{Value, json};
use system_tests::branch::fresh;
use system_tests::client::{Caller, Client};

use super::formats::{as_format, of_csv, of_parquet};
use super::{get, guest, pay, post};
use crate::http::captured::{approve_and_report, captured};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_attempts_and_money_is_counted() {
    let (branch, merchant, mut client) = guest().await;
    let paid = captured(branch, &merchant, &fresh("count")).await;
    captured(branch, &merchant, &fresh("count")).await;
    let (declined, _at) =
        pay(&mut client, &merchant.test, &fresh("count"), json!({ "customer_email": "ann@example.com" })).await;
    approve_and_report(branch, &declined, Report::Declined { decline: Decline::InsufficientFunds }).await;
    for email in ["ann@example.com", "bob@example.com"] {
        let more = json!({ "customer_email": email, "currency": "JPY", "pay_method": "wallet" });
        pay(&mut client, &merchant.test, &fresh("count"), more).await;
    }
    let refund = json!({ "payment_no": paid, "amount": 10, "reason": "returned" });
    post(&mut client, &merchant.test, "/api/v1/refunds", &refund).await;
    let position = super::head(branch).await;
    let path = |query: &str| format!("/api/v1/analytics?min_position={position}&{query}");

    let answer = get(&mut client, &merchant.test, &path("group_by=channel,method")).await;
    let told = answer.json();
    let groups = told["data"]["groups"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let group = |currency: &str| groups.iter().find(|group| group["currency"] == currency).unwrap();
    let usd = group("USD");
    for (name, value) in [
        ("payments_count", json!(3)),
        ("attempts_count", json!(3)),
        ("succeeded_count", json!(2)),
        ("failed_count", json!(1)),
        ("asked", json!(3_000)),
        ("captures_count", json!(2)),
        ("captured", json!(2_000)),
        ("fee", json!(20)),
        // Reserved is not yet given back.
        ("refunded", json!(0)),
        ("success_rate", json!(0.6666)),
        ("unique_customers", json!(1)),
        ("declines", json!({ "insufficient_funds": 1 })),
        ("livemode", json!(false)),
        ("channel", json!("stripe")),
    ] {
        assert_eq!(usd[name], value, "{name}: {usd}");
    }
    assert!(usd["latency_ms"]["p99"].is_i64(), "{usd}");
    let jpy = group("JPY");
    assert_eq!(
        (&jpy["unique_customers"], &jpy["method"], &jpy["success_rate"]),
        (&json!(2), &json!("wallet"), &Value::Null)
    );

    as_tables(&mut client, &merchant.test, &path("group_by=channel,method&currency=USD"), usd).await;

    let only = get(&mut client, &merchant.test, &path("currency=JPY&method=wallet&channel=stripe")).await.json();
    assert_eq!(only["data"]["groups"].as_array().map(Vec::len), Some(1), "{only}");
    let by_day = get(&mut client, &merchant.test, &path("bucket=day&tz=Asia/Kolkata&currency=USD")).await.json();
    let start = by_day["data"]["groups"][0]["bucket_start"].as_str().unwrap();
    assert!(start.ends_with("T00:00:00+05:30"), "{start}");
    for query in ["tz=Mars/Phobos", "bucket=year", "group_by=email", "compare=last_year"] {
        assert_eq!(
            get(&mut client, &merchant.test, &path(query)).await.verdict(),
            "400 parameter_malformed",
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_stands_beside_the_one_before() {
    let (branch, merchant, mut client) = guest().await;
    captured(branch, &merchant, &fresh("before")).await;
    let position = super::head(branch).await;
    // The span begins when all of it has happened, an hour long: what happened is in the hour before.
    let from = Utc::now() + TimeDelta::minutes(20);
    let text = |at: chrono::DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let path = format!(
        "/api/v1/analytics?min_position={position}&compare=previous_period&created[gte]={}&created[lt]={}",
        text(from),
        text(from + TimeDelta::hours(1))
    );
    let told = get(&mut client, &merchant.test, &path).await.json();
    let group = &told["data"]["groups"][0];
    assert_eq!((&group["captured"], &group["previous"]["captured"]), (&json!(0), &json!(1_000)), "{told}");
}

/// The same group as the one row of a table, in every format.
async fn as_tables(client: &mut Client, caller: &Caller, path: &str, group: &Value) {
    let csv = as_format(client, caller, path, "text/csv").await;
    let row = &of_csv(&csv.body)[0];
    for (name, value) in [
        ("captured", "2000"),
        ("success_rate_bp", "6666"),
        ("unique_customers", "1"),
        ("channel", "stripe"),
        ("merchant_id", ""),
        ("declines", "{\"insufficient_funds\":1}"),
        ("previous", ""),
    ] {
        assert_eq!(row[name], value, "{name}: {row}");
    }
    let ndjson = as_format(client, caller, path, "application/x-ndjson").await;
    let line: Value = serde_json::from_str(&ndjson.body).unwrap();
    assert_eq!((&line["captured"], &line["latency_p99_ms"]), (&json!(2_000), &group["latency_ms"]["p99"]), "{line}");
    let parquet = as_format(client, caller, path, "application/vnd.apache.parquet").await;
    assert_eq!(parquet.header("daybook-position"), csv.header("daybook-position"));
    let file = of_parquet(parquet.bytes);
    assert_eq!((file.len(), &file[0]["unique_customers"], &file[0]["channel"]), (1, &json!(1), &json!("stripe")));
}
