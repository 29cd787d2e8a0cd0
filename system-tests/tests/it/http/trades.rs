//! A payment cancelled by the number its channel gave it.

use chrono::Utc;
use domain::money::Money;
use domain::payment::Report;
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::Caller;

use super::captured::approve_and_report;
use super::{PAYMENTS, ask, guest, payment};

fn at(channel: &str, number: &str) -> String {
    format!("/api/v1/channels/{channel}/payments/{number}/cancel")
}

/// A payment held at its channel under this number; its own.
async fn held(branch: &Branch, caller: &Caller, trade_no: &str) -> String {
    let mut wanted = payment(&fresh("order"));
    wanted["capture"] = "manual".into();
    let started = ask(&mut branch.client(), caller, PAYMENTS, &fresh("start"), &wanted).await;
    let payment_no = started.data("payment_no");
    let report = Report::Authorised {
        amount: Money::new(1_000, "USD".parse().unwrap()),
        channel_trade_no: trade_no.to_owned(),
        effective_at: Utc::now(),
    };
    approve_and_report(branch, &payment_no, report).await;
    payment_no
}

async fn cancel(branch: &Branch, caller: &Caller, path: &str, body: Value) -> String {
    let answer = ask(&mut branch.client(), caller, path, &fresh("cancel"), &body).await;
    let payment_no = answer.data("payment_no");
    if payment_no.is_empty() { answer.verdict() } else { payment_no }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_cancels_what_a_channel_knows_by_its_own_number_and_nobody_else_does() {
    let (branch, merchant, _client) = guest().await;
    let (trade_no, of_test) = (fresh("ch"), json!({ "livemode": false, "reason": "asked for by the channel" }));
    let payment_no = held(branch, &merchant.test, &trade_no).await;
    assert_eq!(cancel(branch, &merchant.test, &at("stripe", &trade_no), json!({})).await, "403 scope_missing");
    for (channel, number) in [("paypal", trade_no.as_str()), ("nobody", &trade_no), ("stripe", "ch_unheard_of")] {
        let absent = cancel(branch, &branch.operator, &at(channel, number), of_test.clone()).await;
        assert_eq!(absent, "404 payment_absent", "{channel} {number}");
    }
    // Where nothing is said, real money is meant: a test payment is not found by accident.
    assert_eq!(cancel(branch, &branch.operator, &at("stripe", &trade_no), json!({})).await, "404 payment_absent");
    let found = cancel(branch, &branch.operator, &at("stripe", &trade_no), of_test).await;
    assert_eq!(found, payment_no);
    let mut log = branch.ledger.superuser().await.unwrap();
    let reason: String = sqlx::query_scalar(
        "select payload -> 'cancellation_requested' ->> 'reason' from log.events where aggregate_id = $1 and event_type = 'cancellation_requested'",
    )
    .bind(&payment_no)
    .fetch_one(&mut log)
    .await
    .unwrap();
    assert_eq!(reason, "asked for by the channel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_number_in_both_modes_stands_for_two_payments() {
    let (branch, merchant, _client) = guest().await;
    let trade_no = fresh("ch");
    let Merchant { test, live, .. } = &merchant;
    let [of_test, of_live] = [held(branch, test, &trade_no).await, held(branch, live, &trade_no).await];
    assert_ne!(of_test, of_live);
    // Both are in the log: both are found, however far the look-up had come.
    for (livemode, payment_no) in [(true, of_live), (false, of_test)] {
        let found = cancel(branch, &branch.operator, &at("stripe", &trade_no), json!({ "livemode": livemode })).await;
        assert_eq!(found, payment_no);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_the_look_up_has_not_come_to_is_not_said_to_be_absent() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let known = fresh("ch");
    let first = held(&branch, &merchant.live, &known).await;
    let mut superuser = branch.ledger.superuser().await.unwrap();
    let park = "update log.followers set parked_reason = $1, parked_at = case when $1 is null then null else now() end, \
                epoch = epoch + 1, holder = null, lease_until = null where name = 'channel_trades'";
    // It has come to the first; then it stands still.
    assert_eq!(cancel(&branch, &branch.operator, &at("stripe", &known), json!({})).await, first);
    sqlx::query(park).bind(Some("a test")).execute(&mut superuser).await.unwrap();
    let late = fresh("ch");
    held(&branch, &merchant.live, &late).await;
    let answer = ask(&mut branch.client(), &branch.operator, &at("stripe", &late), "k", &json!({})).await;
    assert_eq!(answer.verdict(), "503 not_caught_up", "{answer:?}");
    assert_eq!((answer.header("retry-after"), &answer.json()["outcome"]), (Some("1"), &"not_applied".into()));
    // What it knows already it still finds.
    assert_eq!(cancel(&branch, &branch.operator, &at("stripe", &known), json!({})).await, first);
}
