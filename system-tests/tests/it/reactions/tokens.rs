//! Every behaviour a merchant can ask the sandbox for, from the payment to where it ends.

use std::time::Duration;

use serde_json::json;
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Caller, Request};
use system_tests::server::daybook;

use super::holding::all_holds;
use super::{DUE, PAYMENTS, REACTING, merchant, pay, post, refund, status, until_all, until_sql};

/// Of what the merchant asked for.
const ENDED_WELL: &str = "select count(*) from read.saga_instances where status = 'completed' \
     and business_type in ('take_payment', 'capture_payment', 'cancel_payment')";
const SOON: Duration = Duration::from_secs(40);

// covers D1, D7, D8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_ends_as_its_token_says() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut wanted = Vec::new();
    for (token, ends) in [
        ("visa", "success"),
        ("declined", "failed"),
        ("insufficient_funds", "failed"),
        ("lost_card", "failed"),
        ("stolen_card", "failed"),
        ("expired_card", "failed"),
        ("incorrect_cvc", "failed"),
        ("processing_error", "failed"),
        ("velocity", "failed"),
        ("disputed", "success"),
        ("not_received", "success"),
        ("inquiry", "success"),
        ("early_fraud_warning", "success"),
        ("duplicate_report", "success"),
        ("report_before_answer", "success"),
        ("flaky", "success"),
        ("late_success", "failed"),
        ("blocked_by_risk", "failed"),
        ("elevated_risk", "requires_review"),
        ("three_d_secure_required", "processing"),
        ("timeout_then_approved", "success"),
    ] {
        wanted.push((pay(&mut client, &merchant.test, &format!("pm_sandbox_{token}"), json!({})).await, ends));
    }
    until_all(&mut client, &merchant.test, &wanted, SOON).await;

    // What a person reviewed goes on, or ends.
    let reviewed = wanted.iter().find(|(_no, ends)| *ends == "requires_review").unwrap().0.clone();
    let approve = format!("/api/v1/reviews/{reviewed}/approve");
    branch.operate(&approve, &json!({ "reason": "known to us" })).await.unwrap();
    until_all(&mut client, &merchant.test, &[(reviewed, "success")], SOON).await;
    // Every saga that has ended has its end: nothing was left half way.
    let open = "select count(*) from read.saga_instances where status not in ('completed', 'compensated')";
    until_sql(&branch, open, 1, SOON).await;
    // And nothing is due but what waits for the customer.
    until_sql(&branch, DUE, 1, SOON).await;
    all_holds(&branch, None).await;
}

// covers A16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_ends_as_its_token_says_and_the_order_knows() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut paid = Vec::new();
    for token in ["visa", "refund_pending_then_succeeds", "refund_fails_after_success"] {
        paid.push((pay(&mut client, &merchant.test, &format!("pm_sandbox_{token}"), json!({})).await, "success"));
    }
    until_all(&mut client, &merchant.test, &paid, SOON).await;
    let [plain, pending, bounced] = [0, 1, 2].map(|n| paid[n].0.clone());
    for payment in [&plain, &pending, &bounced] {
        refund(&mut client, &merchant.test, payment, 4_000).await;
    }
    until_all(&mut client, &merchant.test, &[(plain.clone(), "partially_refunded")], SOON).await;
    refund(&mut client, &merchant.test, &plain, 6_000).await;
    until_all(&mut client, &merchant.test, &[(plain, "refunded"), (pending, "partially_refunded")], SOON).await;
    // It succeeded, and then the money came back.
    until_sql(&branch, "select count(*) from read.refunds where status = 'bounced'", 1, SOON).await;
    until_all(&mut client, &merchant.test, &[(bounced, "success")], SOON).await;
    until_sql(&branch, DUE, 0, SOON).await;
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_merchant_captures_by_itself_is_captured_in_parts_and_let_go_when_it_cancels() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let manual = json!({ "capture": "manual" });
    let kept = pay(&mut client, &merchant.test, "pm_sandbox_visa", manual.clone()).await;
    let dropped = pay(&mut client, &merchant.test, "pm_sandbox_visa", manual).await;
    let authorised = "select count(*) from read.payment_attempts where phase = 'authorised'";
    until_sql(&branch, authorised, 2, SOON).await;
    let at = |payment: &str, what: &str| format!("{PAYMENTS}/{payment}/{what}");
    for amount in [3_000, 7_000] {
        let captured = format!("select count(*) from read.payments where captured_minor >= {amount}");
        post(&mut client, &merchant.test, &at(&kept, "capture"), &fresh("capture"), &json!({ "amount": amount })).await;
        until_sql(&branch, &captured, 1, SOON).await;
    }
    post(&mut client, &merchant.test, &at(&dropped, "cancel"), &fresh("cancel"), &json!({})).await;
    until_all(&mut client, &merchant.test, &[(dropped, "cancelled"), (kept.clone(), "success")], SOON).await;
    assert_eq!(status(&mut client, &merchant.test, &kept).await, "success");
    let order = "select count(*) from read.orders where status = 'paid'";
    until_sql(&branch, order, 1, SOON).await;
    until_sql(&branch, ENDED_WELL, 5, SOON).await;
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_payment_without_a_partner_fails_at_once_and_says_so() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let body = json!({ "order_no": fresh("live"), "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let payment = post(&mut client, &merchant.live, PAYMENTS, &fresh("live"), &body).await.data("payment_no");
    until_all(&mut client, &merchant.live, &[(payment, "failed")], SOON).await;
    let asked = Request::get("/api/v1/sagas?expand=steps").by(&branch.operator);
    let sagas = client.send(&asked).await.unwrap().body;
    assert!(sagas.contains("no partner is configured for stripe"), "{sagas}");
    let balances = Request::get("/api/v1/ledger/balances").by(&branch.operator);
    let balances = client.send(&balances).await.unwrap().json();
    for total in balances["data"]["totals"].as_array().unwrap() {
        assert_eq!(total["sum_minor"], 0, "{balances}");
    }
    all_holds(&branch, None).await;
}

/// What a person lets go on is looked at again, and where nothing has changed it waits for a person again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_person_is_looked_at_again_when_one_lets_it_go_on() {
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    pay(&mut client, &merchant.test, "pm_sandbox_partial_capture", json!({})).await;
    let asked = "select count(*) from log.events where aggregate_type = 'saga' and event_type = 'attention_needed'";
    until_sql(&branch, asked, 1, SOON).await;
    until_sql(&branch, "select count(*) from read.saga_instances where status = 'failed'", 1, SOON).await;
    let mut books = branch.ledger.superuser().await.unwrap();
    let saga: String = sqlx::query_scalar(
        "select 'SAG' || replace(id::text, '-', '') from read.saga_instances where status = 'failed'",
    )
    .fetch_one(&mut books)
    .await
    .unwrap();
    let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
    let mut command = daybook().unwrap();
    command.args(["saga", "retry", &saga, "--reason", "asked the partner"]);
    let output =
        command.env("DATABASE_URL", branch.ledger.superuser_url()).env("DAYBOOK_TOKEN", token).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("the processes look at it now"), "{said} {:?}", output.stderr);
    until_sql(&branch, asked, 2, SOON).await;
    until_sql(&branch, "select count(*) from work.due where failures > 0", 0, SOON).await;
    all_holds(&branch, None).await;
}
