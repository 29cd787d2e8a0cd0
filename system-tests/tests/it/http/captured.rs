//! A payment brought to its capture, as the processes would bring it.

use std::sync::Arc;

use chrono::Utc;
use domain::id::{CaptureId, PaymentId};
use domain::money::Money;
use domain::payment::{Payment, PaymentCommand, Report};
use domain::risk::{Assessment, RiskDecision, Score};
use event_store::{Act, Outcome, Store, Tenant};
use system_tests::branch::{Branch, Merchant};

use super::{PAYMENTS, ask, payment};

/// Starts a test payment of 10.00 USD over HTTP, then reports it captured. Returns its number.
pub(crate) async fn captured(branch: &Branch, merchant: &Merchant, order_no: &str) -> String {
    let key = format!("start {order_no}");
    let started = ask(&mut branch.client(), &merchant.test, PAYMENTS, &key, &payment(order_no)).await;
    assert_eq!(started.status, 200, "{started:?}");
    let payment_no = started.data("payment_no");
    let id: PaymentId = payment_no.parse().unwrap();
    let report = Report::Captured {
        capture_id: CaptureId::derive(id, 1),
        amount: Money::new(1_000, "USD".parse().unwrap()),
        channel_trade_no: "ch_1".to_owned(),
        effective_at: Utc::now(),
    };
    approve_and_report(branch, &payment_no, report).await;
    payment_no
}

/// The risk check approves, the channel is asked, and this is what it says.
pub(crate) async fn approve_and_report(branch: &Branch, payment_no: &str, report: Report) {
    let store = branch.ledger.store().unwrap();
    let assessment = Assessment {
        score: Score::new(1).unwrap(),
        decision: RiskDecision::Approve,
        reasons: Vec::new(),
        rules_version: 1,
    };
    for command in [
        PaymentCommand::RecordRisk { attempt: 1, assessment },
        PaymentCommand::Submit { attempt: 1 },
        PaymentCommand::Report { attempt: 1, report },
    ] {
        tell(&store, payment_no, command).await;
    }
    store.close().await;
}

pub(crate) async fn tell(store: &Store, payment_no: &str, command: PaymentCommand) {
    let id: Arc<str> = payment_no.into();
    let (payment, _version) = store.read::<Payment>(&id).await.unwrap();
    let agreed = payment.agreement().unwrap();
    let tenant = Tenant { merchant_id: Some(agreed.merchant_id.uuid()), livemode: Some(agreed.livemode) };
    let told = store.execute(Act { tenant, ..Act::tell::<Payment>(id, command) }).await.unwrap();
    assert!(matches!(told, Outcome::Accepted { .. }), "{told:?}");
}
