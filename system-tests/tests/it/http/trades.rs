//! A payment cancelled by the number its channel gave it.

use chrono::Utc;
use domain::money::Money;
use domain::payment::Report;
use serde_json::json;
use system_tests::branch::fresh;
use system_tests::client::Request;

use super::captured::approve_and_report;
use super::{PAYMENTS, ask, guest, payment};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_cancels_what_a_channel_knows_by_its_own_number_and_nobody_else_does() {
    let (branch, merchant, mut client) = guest().await;
    let body = json!({ "capture": "manual" });
    let mut wanted = payment(&fresh("order"));
    wanted["capture"] = body["capture"].clone();
    let started = ask(&mut client, &merchant.test, PAYMENTS, &fresh("start"), &wanted).await;
    let payment_no = started.data("payment_no");
    let trade_no = fresh("ch");
    let report = Report::Authorised {
        amount: Money::new(1_000, "USD".parse().unwrap()),
        channel_trade_no: trade_no.clone(),
        effective_at: Utc::now(),
    };
    approve_and_report(branch, &payment_no, report).await;

    let at = |channel: &str, number: &str| format!("/api/v1/channels/{channel}/payments/{number}/cancel");
    let by_merchant = ask(&mut client, &merchant.test, &at("stripe", &trade_no), &fresh("cancel"), &json!({})).await;
    assert_eq!((by_merchant.status, by_merchant.code().as_str()), (403, "scope_missing"));
    for (channel, number) in [("paypal", trade_no.as_str()), ("nobody", &trade_no), ("stripe", "ch_unheard_of")] {
        let absent = ask(&mut client, &branch.operator, &at(channel, number), &fresh("cancel"), &json!({})).await;
        assert_eq!((absent.status, absent.code().as_str()), (404, "payment_absent"), "{channel} {number}");
    }
    // The number is written down by a follower: it comes within moments.
    let cancelled = async {
        loop {
            let request =
                Request::post(at("stripe", &trade_no), &json!({})).keyed(fresh("cancel")).by(&branch.operator);
            let answer = client.send(&request).await.unwrap();
            if answer.status != 404 {
                return answer;
            }
        }
    };
    let cancelled = tokio::time::timeout(std::time::Duration::from_secs(20), cancelled).await.unwrap();
    assert_eq!((cancelled.status, cancelled.data("payment_no")), (200, payment_no), "{cancelled:?}");
}
