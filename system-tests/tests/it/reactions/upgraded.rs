//! What came before its table was there, and what comes late: it is settled all the same.

use std::sync::Arc;

use domain::actor::Actor;
use domain::aggregate::Aggregate;
use domain::currency::Currency;
use domain::free_text::FreeText;
use domain::id::{MerchantId, PaymentId, PayoutId, SettlementId};
use domain::money::Money;
use domain::refusal::Refusal as _;
use domain::settlement::event::{Opened, PaymentLine, Period};
use domain::settlement::{Settlement, SettlementCommand};
use event_store::{Act, Answer, Outcome, Tenant, Verdict};
use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::server::daybook;
use uuid::Uuid;

use super::holding::all_holds;
use super::looking::{ask, pay, reacting, until, until_told};

const WAITING: &str = "select count(*) from work.unsettled where starts_with(stream, $1)";
const OF_SETTLEMENTS: &str = "select count(*) from log.events where aggregate_type = 'settlement' and event_type = $1";
const OF_FUNDS: &str = "select count(*) from log.events where aggregate_type = 'settled_funds' and event_type = $1";

async fn agree(branch: &Branch, merchant: &str) {
    let schedule = json!({ "delay_business_days": 1, "time_zone": "UTC", "two_people": false });
    branch.operate(&format!("/api/v1/merchants/{merchant}/schedule"), &schedule).await.unwrap();
}

async fn a_week_passes(log: &mut PgConnection) {
    for change in [
        "update work.unsettled set since = since - interval '7 days'",
        "update work.due set due_at = now(), heard = heard + 1 where process = 'open_settlement'",
    ] {
        sqlx::query(change).execute(&mut *log).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_captured_before_the_table_was_there_is_settled_after_the_upgrade() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    agree(&branch, &merchant.id).await;
    let settled = pay(&branch, &merchant.test, &fresh("settled"), "pm_sandbox_visa", "automatic").await;
    until(&mut log, WAITING, "PAY", 1).await;
    a_week_passes(&mut log).await;
    until(&mut log, OF_SETTLEMENTS, "paid_out", 1).await;
    let captured = pay(&branch, &merchant.test, &fresh("captured"), "pm_sandbox_visa", "automatic").await;
    pay(&branch, &merchant.test, &fresh("held"), "pm_sandbox_visa", "manual").await;
    until(&mut log, WAITING, "PAY", 1).await;
    until_told(&mut log, &settled, "settled", 1).await;
    // As a ledger is that was begun before: it has captures, and nothing of them in the table.
    for before in [
        "delete from work.unsettled",
        "delete from work.due where process = 'open_settlement'",
        "delete from _sqlx_migrations where version = 9",
        "drop view work.after_the_end",
    ] {
        sqlx::query(before).execute(&mut log).await.unwrap();
    }
    let mut migrate = daybook().unwrap();
    let output = migrate.arg("migrate").env("DATABASE_URL", branch.ledger.superuser_url()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let waiting: Vec<String> =
        sqlx::query_scalar("select stream from work.unsettled").fetch_all(&mut log).await.unwrap();
    assert_eq!(waiting, [captured.as_str()]);
    // Another day than before: the period of the first has been settled.
    sqlx::query("update work.unsettled set since = since + interval '1 day'").execute(&mut log).await.unwrap();
    a_week_passes(&mut log).await;
    until(&mut log, OF_SETTLEMENTS, "paid_out", 2).await;
    until_told(&mut log, &captured, "settled", 1).await;
    all_holds(&branch, None).await;
}

/// A settlement whose first payout failed and was paid after all, when a second one had been paid in its place.
fn paid_twice(merchant_id: MerchantId) -> (SettlementId, Vec<SettlementCommand>) {
    let usd = |minor| Money::new(minor, Currency::USD);
    let settlement_id = SettlementId::new(Uuid::now_v7());
    let day = chrono::NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let payouts = [PayoutId::derive(settlement_id, 1), PayoutId::derive(settlement_id, 2)];
    let opened = Opened {
        settlement_id,
        merchant_id,
        livemode: false,
        currency: Currency::USD,
        period: Period { from: day, until: day },
        opened_by: Actor::Merchant(merchant_id),
        two_people: false,
        threshold_minor: 0,
    };
    let line = PaymentLine {
        settlement_id,
        payment_id: PaymentId::new(Uuid::now_v7()),
        merchant_id,
        livemode: Some(false),
        captured: usd(700),
        fees: usd(0),
        refunds: usd(0),
        disputes: usd(0),
        net: usd(700),
    };
    let reason = FreeText::parse("the bank says so").unwrap();
    let told = vec![
        SettlementCommand::Open(Box::new(opened)),
        SettlementCommand::IncludePayment(Box::new(line)),
        SettlementCommand::Close { by: Actor::Merchant(merchant_id) },
        SettlementCommand::Approve { by: Actor::Merchant(merchant_id) },
        SettlementCommand::StartPayout { payout_id: payouts[0] },
        SettlementCommand::ReportPayoutFailed { payout_id: payouts[0], reason },
        SettlementCommand::StartPayout { payout_id: payouts[1] },
        SettlementCommand::ReportPaidOut { payout_id: payouts[1] },
        SettlementCommand::ReportPaidOut { payout_id: payouts[0] },
    ];
    (settlement_id, told)
}

/// All of them in one append.
async fn tell<A: Aggregate>(branch: &Branch, tenant: Tenant, id: String, commands: Vec<A::Command>)
where
    A::Command: Send + 'static,
{
    let store = branch.ledger.store().unwrap();
    let id: Arc<str> = id.into();
    let act = Act::deciding(move |books| {
        for command in &commands {
            if let Err(refusal) = books.tell::<A>(&id, command)? {
                return Ok(Verdict::Refused(Answer { status: 422, body: refusal.code().to_owned() }));
            }
        }
        Ok(Verdict::Accepted(Answer::default()))
    });
    let outcome = store.execute(Act { tenant, ..act }).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_that_was_paid_twice_is_reckoned_with_by_the_next() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    agree(&branch, &merchant.id).await;
    let merchant_id: MerchantId = merchant.id.parse().unwrap();
    let (settlement, told) = paid_twice(merchant_id);
    let tenant = Tenant { merchant_id: Some(merchant_id.uuid()), livemode: Some(false) };
    tell::<Settlement>(&branch, tenant, settlement.to_string(), told).await;
    until(&mut log, WAITING, &settlement.to_string(), 1).await;
    pay(&branch, &merchant.test, &fresh("next"), "pm_sandbox_visa", "automatic").await;
    until(&mut log, WAITING, "PAY", 1).await;
    a_week_passes(&mut log).await;
    until(&mut log, OF_SETTLEMENTS, "carry_over_included", 1).await;
    until_told(&mut log, &settlement.to_string(), "carried_over", 1).await;
    until(&mut log, WAITING, &settlement.to_string(), 0).await;
    let net: i64 = sqlx::query_scalar(
        "select (payload -> 'closed' -> 'net' ->> 'amount_minor')::bigint from log.events \
         where aggregate_type = 'settlement' and event_type = 'closed' order by position desc limit 1",
    )
    .fetch_one(&mut log)
    .await
    .unwrap();
    // 100.00 less a fee of one percent, less the 7.00 that were paid twice.
    assert_eq!(net, 9_900 - 700);
    all_holds(&branch, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_adjust_is_on_the_funds_of_each_merchant_it_touches() {
    let branch = reacting().await;
    let (one, other) = (branch.merchant().await.unwrap(), branch.merchant().await.unwrap());
    let mut log = branch.ledger.superuser().await.unwrap();
    let adjustment = json!({
        "debit": format!("merchant:{}:available", one.id), "credit": format!("merchant:{}:available", other.id),
        "amount": 700, "currency": "USD", "livemode": false, "reason": "booked to the wrong merchant",
    });
    let adjustment = branch.operate("/api/v1/adjustments", &adjustment).await.unwrap().data("adjustment_no");
    let second = branch.staff("operator").unwrap();
    ask(&branch, &second, &format!("/api/v1/adjustments/{adjustment}/approve"), &json!({})).await;
    until(&mut log, OF_FUNDS, "credited", 1).await;
    until(&mut log, OF_FUNDS, "debited", 1).await;
    let whose = "select count(*) from log.events where aggregate_type = 'settled_funds' and event_type = 'debited' \
                 and merchant_id = $1::uuid and not livemode";
    until(&mut log, whose, one.id.trim_start_matches("MER"), 1).await;
    branch
        .operate(&format!("/api/v1/adjustments/{adjustment}/reverse"), &json!({ "reason": "it was right" }))
        .await
        .unwrap();
    ask(&branch, &second, &format!("/api/v1/adjustments/{adjustment}/reverse/approve"), &json!({})).await;
    until(&mut log, OF_FUNDS, "credited", 2).await;
    until(&mut log, OF_FUNDS, "debited", 2).await;
    all_holds(&branch, None).await;
}
