//! An order that was cancelled and then paid: the money goes back by itself, once.

use serde_json::json;
use system_tests::branch::fresh;

use super::holding::all_holds;
use super::looking::{ask, pay, reacting, until_ended, until_told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_for_a_cancelled_order_is_refunded() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let order_no = fresh("cancelled");
    let payment = pay(&branch, &merchant.test, &order_no, "pm_sandbox_visa", "manual").await;
    until_told(&mut log, &payment, "authorised", 1).await;
    ask(&branch, &merchant.test, &format!("/api/v1/orders/{order_no}/cancel"), &json!({})).await;
    ask(&branch, &merchant.test, &format!("/api/v1/payments/{payment}/capture"), &json!({})).await;
    until_told(&mut log, &payment, "captured", 1).await;
    until_told(&mut log, &payment, "refund_reserved", 1).await;
    until_told(&mut log, &payment, "refund_confirmed", 1).await;
    until_ended(&mut log, "give_back", "REF", "completed", 1).await;
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_other_refund_is_none_of_its_business() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let payment = pay(&branch, &merchant.test, &fresh("kept"), "pm_sandbox_visa", "automatic").await;
    until_told(&mut log, &payment, "captured", 1).await;
    let body = json!({ "payment_no": payment, "amount": 1_000, "reason": "returned" });
    ask(&branch, &merchant.test, "/api/v1/refunds", &body).await;
    until_told(&mut log, &payment, "refund_confirmed", 1).await;
    until_told(&mut log, &payment, "refund_reserved", 1).await;
    until_ended(&mut log, "give_back", "REF", "started", 0).await;
    all_holds(&branch, None).await;
}
