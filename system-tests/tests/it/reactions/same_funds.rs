//! Two who want the same money: one has it, the other is told that it is gone.

use futures_util::future::join_all;
use serde_json::json;
use system_tests::branch::fresh;
use system_tests::client::Request;

use super::holding::all_holds;
use super::looking::{ask, pay, reacting, until, until_ended, until_told};

// covers D15, I6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_want_the_same_funds_the_second_is_refused() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    for n in 0..6 {
        // A cancelled order is given its money back by itself; the merchant asks for it too, at about the same time.
        let order_no = fresh("twice-wanted");
        let payment = pay(&branch, &merchant.test, &order_no, "pm_sandbox_visa", "manual").await;
        until_told(&mut log, &payment, "authorised", 1).await;
        ask(&branch, &merchant.test, &format!("/api/v1/orders/{order_no}/cancel"), &json!({})).await;
        ask(&branch, &merchant.test, &format!("/api/v1/payments/{payment}/capture"), &json!({})).await;
        if n % 2 == 0 {
            until_told(&mut log, &payment, "captured", 1).await;
        }
        let all = json!({ "payment_no": payment, "amount": 10_000, "reason": "returned" });
        let wanted = (0..4).map(|_| async {
            let refund = Request::post("/api/v1/refunds", &all).keyed(fresh("refund")).by(&merchant.test);
            branch.client().send(&refund).await.unwrap().verdict()
        });
        let verdicts = join_all(wanted).await;
        let accepted = verdicts.iter().filter(|verdict| *verdict == "200").count();
        assert!(accepted <= 1, "{verdicts:?}");
        for verdict in &verdicts {
            let refused = ["422 refund_amount_exceeded", "409 payment_not_captured", "422 payment_not_captured"];
            assert!(verdict == "200" || refused.contains(&verdict.as_str()), "{verdicts:?}");
        }
        until_told(&mut log, &payment, "captured", 1).await;
        until_told(&mut log, &payment, "refund_confirmed", 1).await;
        until_told(&mut log, &payment, "refund_reserved", 1).await;
    }
    until_ended(&mut log, "give_back", "REF", "completed", 6).await;
    until(
        &mut log,
        "select sum(refunded_minor)::bigint from read.payments where merchant_id = $1::uuid",
        merchant.id.trim_start_matches("MER"),
        60_000,
    )
    .await;
    all_holds(&branch, None).await;
}
