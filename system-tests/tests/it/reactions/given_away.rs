//! Money that went out by a released refund: somebody owns it until it is back.

use std::time::Duration;

use channels::Secret;
use channels::sandbox::FaultPlan;
use chrono::{DateTime, TimeDelta, Utc};
use processes::check;
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::traffic::vault;

use super::holding::all_holds;
use super::looking::until_told;
use super::reports::deliver;
use super::{DUE, Outside, merchant, pay, refund, until_all, until_sql};

const SOON: Duration = Duration::from_secs(30);

fn succeeded(report_id: &str, refund: &str, at: DateTime<Utc>) -> String {
    json!({ "id": report_id, "channel": "stripe", "what": "refund.succeeded", "refund_id": refund, "no": "re_1",
            "amount_minor": 10_000, "currency": "USD", "at": at })
    .to_string()
}

fn failed(report_id: &str, refund: &str, at: DateTime<Utc>) -> String {
    json!({ "id": report_id, "channel": "stripe", "what": "refund.failed", "refund_id": refund, "decline": "other", "at": at })
        .to_string()
}

/// Two refunds of the whole were declined; then the channel says that both went out, and in the end that neither did.
// covers D10, I24, I26
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_out_by_a_released_refund_has_an_owner_until_it_is_back() {
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let secret = Secret::new(vault().unwrap().sandbox_secret().as_str());
    let payment = pay(&mut client, &merchant.test, "pm_sandbox_refund_refused", json!({})).await;
    until_all(&mut client, &merchant.test, &[(payment.clone(), "success")], SOON).await;
    let first = refund(&mut client, &merchant.test, &payment, 10_000).await;
    until_told(&mut log, &payment, "refund_released", 1).await;
    let second = refund(&mut client, &merchant.test, &payment, 10_000).await;
    until_told(&mut log, &payment, "refund_released", 2).await;

    let later = Utc::now() + TimeDelta::seconds(1);
    assert_eq!(deliver(&mut client, &succeeded("r1", &second, later), &secret).await.status, 200);
    until_told(&mut log, &payment, "refund_confirmed", 1).await;
    assert_eq!(deliver(&mut client, &succeeded("r2", &first, later), &secret).await.status, 200);
    until_told(&mut log, &payment, "money_suspended", 1).await;
    let owned = "select count(*) from read.saga_instances where business_type = 'return_suspense' and status = 'failed' \
                 and metadata::json ->> 'owner' = 'finance'";
    until_sql(&branch, owned, 1, SOON).await;
    let suspense = "select sum(balance_minor)::bigint from read.accounts where account = 'suspense'";
    until_sql(&branch, suspense, 10_000, SOON).await;
    assert_eq!(check::broken(&mut log, None).await.unwrap(), []);

    let back = later + TimeDelta::seconds(1);
    assert_eq!(deliver(&mut client, &failed("r3", &first, back), &secret).await.status, 200);
    assert_eq!(deliver(&mut client, &failed("r4", &second, back), &secret).await.status, 200);
    until_told(&mut log, &payment, "suspense_returned", 1).await;
    until_told(&mut log, &payment, "refund_bounced", 1).await;
    until_sql(&branch, DUE, 0, SOON).await;
    all_holds(&branch, Some(&outside)).await;
}
