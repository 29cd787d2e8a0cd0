//! A compensation its channel refuses again and again has an owner, and its money is seen.

use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Caller, Request};
use system_tests::server::daybook;

use super::Outside;
use super::holding::all_holds;
use super::looking::{pay, until, until_told};

const TIMES: i64 = 20;
const NEEDED: &str = "select count(*) from log.events e join log.events s \
    on s.aggregate_type = 'saga' and s.aggregate_id = e.aggregate_id and s.event_type = 'started' \
    where e.event_type = 'attention_needed' and s.payload -> 'started' ->> 'process' = $1";
/// Looked at again in minutes, not at once.
const HOT: &str = "select count(*) from work.due where process = $1 and due_at < now() + interval '5 minutes'";

async fn retry(branch: &Branch, saga: &str) {
    let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
    let mut command = daybook().unwrap();
    command.args(["saga", "retry", saga, "--reason", "the channel says it is well again"]);
    command.env("DATABASE_URL", branch.ledger.superuser_url()).env("DAYBOOK_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

async fn told(log: &mut PgConnection, question: &str) -> String {
    sqlx::query_scalar(question).fetch_one(log).await.unwrap()
}

// covers D11, I24, I26
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compensation_that_fails_twenty_times_waits_for_its_owner_and_its_money_is_seen() {
    let outside = Outside::reporting().await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    outside.report_to(&branch.server);
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let payment = pay(&branch, &merchant.test, &fresh("kept"), "pm_sandbox_partial_capture_kept", "automatic").await;
    until_told(&mut log, &payment, "money_suspended", 1).await;
    for n in 1..=TIMES {
        until(&mut log, NEEDED, "return_suspense", n).await;
        until(&mut log, HOT, "return_suspense", 0).await;
        let saga = "select 'SAG' || replace(id::text, '-', '') from read.saga_instances \
                    where business_type = 'return_suspense'";
        let failed = "select count(*) from read.saga_instances where business_type = $1 and status = 'failed'";
        until(&mut log, failed, "return_suspense", 1).await;
        let saga = told(&mut log, saga).await;
        if n < TIMES {
            retry(&branch, &saga).await;
        }
    }
    all_holds(&branch, Some(&outside)).await;
    // Whoever owns it reads why, and by when; and the books have the money where nobody's money is.
    let asked = Request::get("/api/v1/sagas?status=failed&business_type=return_suspense").by(&branch.operator);
    let about = branch.client().send(&asked).await.unwrap().body;
    assert!(
        about.contains("operations") && about.contains("due_at") && about.contains("does not give back"),
        "{about}"
    );
    let asked = Request::get("/api/v1/ledger/balances").by(&branch.operator);
    let balances = branch.client().send(&asked).await.unwrap().body;
    assert!(balances.contains("suspense") && balances.contains("5000"), "{balances}");
    // Each of the twenty was asked for once, and none of them moved anything.
    until_told(&mut log, &payment, "suspense_returned", 0).await;
    assert!(outside.books.listing().totals.iter().all(|totals| totals.refunded_minor == 0));

    // Others are not held up by it.
    let other = pay(&branch, &merchant.test, &fresh("other"), "pm_sandbox_visa", "automatic").await;
    until_told(&mut log, &other, "captured", 1).await;
    let body = json!({ "payment_no": other, "amount": 1_000, "reason": "returned" });
    super::looking::ask(&branch, &merchant.test, "/api/v1/refunds", &body).await;
    until_told(&mut log, &other, "refund_confirmed", 1).await;
    all_holds(&branch, Some(&outside)).await;
}
