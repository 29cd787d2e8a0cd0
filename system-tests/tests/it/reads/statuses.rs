//! Rows of payments, refunds and settlements say what the aggregates say.

use std::sync::Arc;

use chrono::Utc;
use domain::free_text::FreeText;
use domain::id::{CaptureId, DisputeId, PaymentId, RefundId};
use domain::money::Money;
use domain::payment::attempt::Decline;
use domain::payment::dispute::DisputeOutcome;
use domain::payment::{Payment, PaymentCommand, Report};
use domain::risk::{Assessment, RiskDecision, Score};
use event_store::{Act, Store};
use serde_json::json;
use system_tests::branch::fresh;
use uuid::Uuid;

use super::{get, guest, pay};

/// The same numbers for the same seed, and good enough to choose with.
struct Choice(u64);

impl Choice {
    fn of(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn command(choice: &mut Choice, id: PaymentId) -> PaymentCommand {
    let usd = |minor: u64| Money::new(i64::try_from(minor).unwrap(), "USD".parse().unwrap());
    let attempt = u32::try_from(1 + choice.of(2)).unwrap();
    let refund_id = RefundId::new(Uuid::new_v5(&id.uuid(), &choice.of(3).to_be_bytes()));
    let dispute_id = DisputeId::new(Uuid::new_v5(&id.uuid(), b"dispute"));
    let by = domain::actor::Actor::Process;
    let trade = || "ch_7".to_owned();
    let report = |report| PaymentCommand::Report { attempt, report };
    let decision = [RiskDecision::Approve, RiskDecision::Approve, RiskDecision::Review, RiskDecision::Reject];
    match choice.of(14) {
        0 | 1 => PaymentCommand::RecordRisk {
            attempt,
            assessment: Assessment {
                score: Score::new(7).unwrap(),
                decision: decision[usize::try_from(choice.of(4)).unwrap()],
                reasons: Vec::new(),
                rules_version: 1,
            },
        },
        2 | 3 => PaymentCommand::Submit { attempt },
        4 => report(Report::Authorised { amount: usd(1_000), channel_trade_no: trade(), effective_at: Utc::now() }),
        5 | 6 => report(Report::Captured {
            capture_id: CaptureId::derive(id, attempt),
            amount: usd(1_000),
            channel_trade_no: trade(),
            effective_at: Utc::now(),
        }),
        7 => report(Report::Declined { decline: Decline::InsufficientFunds }),
        8 => report(Report::Unknown),
        9 => PaymentCommand::Cancel { by, reason: None },
        10 => PaymentCommand::ReserveRefund {
            refund_id,
            amount: usd(100 + choice.of(900)),
            by,
            reason: FreeText::parse("r").unwrap(),
        },
        11 => PaymentCommand::ConfirmRefund { refund_id, effective_at: Utc::now() },
        12 => match choice.of(2) {
            0 => PaymentCommand::ReleaseRefund { refund_id, reason: FreeText::parse("r").unwrap() },
            _ => PaymentCommand::BounceRefund { refund_id, effective_at: Utc::now() },
        },
        _ => match choice.of(2) {
            0 => PaymentCommand::OpenDispute { attempt, dispute_id, amount: usd(300), effective_at: Utc::now() },
            _ => PaymentCommand::CloseDispute { dispute_id, outcome: DisputeOutcome::Won, effective_at: Utc::now() },
        },
    }
}

async fn told(store: &Store, id: &str, merchant: &str, command: PaymentCommand) {
    let merchant_id: domain::id::MerchantId = merchant.parse().unwrap();
    let tenant = event_store::Tenant { merchant_id: Some(merchant_id.uuid()), livemode: Some(false) };
    store.execute(Act { tenant, ..Act::tell::<Payment>(id, command) }).await.unwrap();
}

// covers I16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_told_as_its_aggregate_is() {
    let (branch, merchant, mut client) = guest().await;
    let store = branch.ledger.store().unwrap();
    let mut choice = Choice(40_003);
    let mut payments = Vec::new();
    for _n in 0..40 {
        let order_no = fresh("walk");
        let (payment_no, _position) = pay(&mut client, &merchant.test, &order_no, json!({})).await;
        let id: PaymentId = payment_no.parse().unwrap();
        for _step in 0..choice.of(40) {
            let next = command(&mut choice, id);
            told(&store, &payment_no, &merchant.id, next).await;
        }
        if choice.of(3) == 0 {
            // Another try, where the first one failed; the same one again where it did not.
            pay(&mut client, &merchant.test, &order_no, json!({})).await;
        }
        payments.push(payment_no);
    }
    let position = super::head(branch).await;
    let mut seen = std::collections::BTreeSet::new();
    for payment_no in payments {
        let (payment, version) = store.read::<Payment>(&Arc::from(payment_no.as_str())).await.unwrap();
        let path = format!("/api/v1/payments/{payment_no}?expand=attempts,refunds&min_position={position}");
        let row = get(&mut client, &merchant.test, &path).await;
        let data = &row.json()["data"];
        let minor = |money: Option<Money>| json!(money.map_or(0, |money| money.amount_minor));
        assert_eq!(data["status"], payment.status().name(), "{row:?} {payment:?}");
        assert_eq!(data["captured"], minor(payment.captured()), "{payment_no}");
        assert_eq!(data["refunded"], minor(payment.refunded()), "{payment_no}");
        assert_eq!(row.header("etag"), Some(format!("\"{version}\"").as_str()), "{payment_no}");
        let (attempt, phase) = payment.last_attempt().unwrap();
        let last = data["attempts"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["attempt"], &last["phase"]), (&json!(attempt), &json!(phase)), "{payment_no}");
        let refunds = data["refunds"].as_array().unwrap().iter();
        let gone: i64 = refunds.filter(|it| it["status"] == "success").map(|it| it["amount"].as_i64().unwrap()).sum();
        assert_eq!(json!(gone), minor(payment.refunded()), "{payment_no}: {data}");
        seen.insert(payment.status());
    }
    assert!(seen.len() >= 6, "the walks come to too little: {seen:?}");
    store.close().await;
}
