//! What a channel took or holds and nobody expects goes back, and the books say so.

use system_tests::branch::fresh;

use super::holding::all_holds;
use super::looking::{pay, reacting, until, until_told};

/// How much more often money came than it went back.
const IN_SUSPENSE: &str = "select coalesce(sum(case event_type when 'money_suspended' then 1 else -1 end), 0)::bigint \
    from log.events where aggregate_id = $1 and event_type in ('money_suspended', 'suspense_returned')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_success_is_refunded_and_a_late_authorisation_let_go() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let taken = pay(&branch, &merchant.test, &fresh("late"), "pm_sandbox_late_success", "automatic").await;
    let held = pay(&branch, &merchant.test, &fresh("late"), "pm_sandbox_late_success", "manual").await;
    until_told(&mut log, &taken, "money_suspended", 1).await;
    until_told(&mut log, &taken, "suspense_returned", 1).await;
    until_told(&mut log, &held, "authorised_late", 1).await;
    until_told(&mut log, &held, "late_authorisation_released", 1).await;
    until(&mut log, IN_SUSPENSE, &taken, 0).await;
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_what_was_to_be_captured_is_refunded() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let payment = pay(&branch, &merchant.test, &fresh("part"), "pm_sandbox_partial_capture", "automatic").await;
    until_told(&mut log, &payment, "money_suspended", 1).await;
    until_told(&mut log, &payment, "suspense_returned", 1).await;
    until_told(&mut log, &payment, "captured", 0).await;
    all_holds(&branch, None).await;
}
