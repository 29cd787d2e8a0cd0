//! What was begun on the platform before is refunded, captured and answered here.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use channels::{Authorise, Limits, Outcome, Partners, Refund, SandboxAddress};
use domain::channel::Channel;
use domain::currency::Currency;
use domain::id::{CaptureId, MerchantId, PaymentId, RefundId};
use domain::money::Money;
use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Answer, Caller, Client, Request};

use super::{Old, balance, take_over, with_key};
use crate::operations::until;
use crate::reactions::Outside;
use crate::reactions::holding::all_holds;

const PAYMENTS: &str = "/api/v1/payments";
const REFUNDS: &str = "/api/v1/refunds";
const SOON: Duration = Duration::from_secs(30);

/// Pays there what the files say was paid there: the partner has it all in its books.
async fn play(outside: &Outside, old: &Old) {
    let partners = Partners::new(&SandboxAddress::at(outside.url()), &Limits::default());
    let line = partners.line(Channel::Stripe, false);
    for (row, merchant, order_no, minor, currency, captured, refunded) in [
        (17, "m-1", "ORDER-17", 10_000, "USD", true, 0),
        (18, "m-1", "ORDER-18", 5_000, "JPY", true, 2_000),
        (19, "m-1", "ORDER-19", 7_000, "USD", true, 0),
        (20, "m-1", "ORDER-20", 4_000, "USD", false, 0),
        (21, "m-2", "A-1", 2_500, "USD", true, 0),
    ] {
        let payment_id = PaymentId::derive(MerchantId::taken_over("old", merchant), false, order_no);
        let currency: Currency = currency.parse().unwrap();
        let asked = Authorise {
            key: format!("old-{row}"),
            payment_id,
            attempt: 1,
            amount: Money::new(minor, currency),
            capture: captured.then(|| CaptureId::derive(payment_id, 1)),
            method: Some("pm_sandbox_visa".to_owned()),
            traceparent: None,
        };
        let Ok(Outcome::Settled(authorised)) = line.authorise(&asked).await else { panic!("{order_no} was not paid") };
        let channel_trade_no = authorised.channel_trade_no;
        old.change("payments", &format!(",ch_{row},"), &format!(",{channel_trade_no},"));
        if refunded > 0 {
            let asked = Refund {
                key: format!("old-{row}-refund"),
                payment_id,
                attempt: 1,
                refund_id: RefundId::derive_of_before(payment_id),
                channel_trade_no: Some(channel_trade_no),
                amount: Money::new(refunded, currency),
                traceparent: None,
            };
            assert!(matches!(line.refund(&asked).await, Ok(Outcome::Settled(_))));
        }
    }
}

async fn post(client: &mut Client, who: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    client.send(&Request::post(path, body).keyed(key).by(who)).await.unwrap()
}

async fn shown(client: &mut Client, who: &Caller, number: &str) -> Answer {
    client.send(&Request::get(format!("{PAYMENTS}/{number}")).by(who)).await.unwrap()
}

/// Until the payment of this number stands so.
async fn becomes(client: &mut Client, who: &Caller, number: &str, status: &str) {
    until(&format!("{number} is {status}"), SOON, async || {
        (shown(client, who, number).await.data("status") == status).then_some(())
    })
    .await;
}

fn refund_of(number: &str, amount: i64) -> Value {
    json!({ "payment_no": number, "amount": amount, "reason": "returned" })
}

async fn entered(log: &mut PgConnection, account: &str, currency: &str, wanted: i64) {
    let what = format!("{account} {currency} comes to {wanted}");
    until(&what, SOON, async || (balance(log, account, currency, false).await == wanted).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_payment_is_refunded_by_its_old_number_with_the_old_key_and_secret() {
    let (outside, old) = (Outside::new(FaultPlan::default()).await, Old::new());
    play(&outside, &old).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let said = take_over(&branch, &old, &[]);
    assert_eq!(said.status, Some(0), "{}", said.text);
    assert!(said.text.contains("suspense:migration test USD is 0: all of it is where it belongs"), "{}", said.text);
    let corner = with_key("pk_test_corner_51HxY2", "sk_test_corner_9f2c7a1e4b8d4f60");
    let (mut client, mut log) = (branch.client(), branch.ledger.superuser().await.unwrap());

    becomes(&mut client, &corner, "P2026-000017", "success").await;
    let too_much = post(&mut client, &corner, REFUNDS, "r-1", &refund_of("P2026-000017", 10_001)).await;
    assert_eq!(too_much.verdict(), "422 refund_amount_exceeded");
    let refunded = post(&mut client, &corner, REFUNDS, "r-2", &refund_of("P2026-000017", 4_000)).await;
    assert_eq!(refunded.status, 200, "{refunded:?}");
    becomes(&mut client, &corner, "P2026-000017", "partially_refunded").await;
    assert_eq!(refunded.data("payment_no"), shown(&mut client, &corner, "P2026-000017").await.data("payment_no"));

    // What was refunded there counts: of 5000 are 3000 left.
    let beyond = post(&mut client, &corner, REFUNDS, "r-3", &refund_of("P2026-000018", 3_001)).await;
    assert_eq!(beyond.verdict(), "422 refund_amount_exceeded");
    assert_eq!(post(&mut client, &corner, REFUNDS, "r-4", &refund_of("P2026-000018", 3_000)).await.status, 200);
    becomes(&mut client, &corner, "P2026-000018", "refunded").await;

    // Settled there: it is taken from what is available, which came as a balance.
    let m_1 = MerchantId::taken_over("old", "m-1");
    entered(&mut log, &format!("merchant:{m_1}:available"), "USD", -6_797).await;
    assert_eq!(post(&mut client, &corner, REFUNDS, "r-5", &refund_of("P2026-000019", 1_000)).await.status, 200);
    becomes(&mut client, &corner, "P2026-000019", "partially_refunded").await;
    entered(&mut log, &format!("merchant:{m_1}:available"), "USD", -5_797).await;

    // Open there: it has an owner here, and is captured.
    let owned = "select count(*) from read.saga_instances i join work.due d on d.business = i.business_id \
                 where i.business_type = 'expire_authorisation' and d.process = i.business_type";
    until("an open payment is looked after", SOON, async || {
        (sqlx::query_scalar::<_, i64>(owned).fetch_one(&mut log).await.unwrap() == 1).then_some(())
    })
    .await;
    let captured = post(&mut client, &corner, &format!("{PAYMENTS}/P2026-000020/capture"), "c-1", &json!({})).await;
    assert_eq!(captured.status, 200, "{captured:?}");
    becomes(&mut client, &corner, "P2026-000020", "success").await;

    // Whoever asks for an order again finds its payment; and the old key takes new ones.
    let same = json!({ "order_no": "ORDER-17", "amount": 10_000, "currency": "USD", "channel": "stripe" });
    let found = post(&mut client, &corner, PAYMENTS, "new-key", &same).await;
    assert_eq!((found.status, found.data("payment_no")), (200, refunded.data("payment_no")), "{found:?}");
    let other = json!({ "order_no": "ORDER-900", "amount": 900, "currency": "USD", "channel": "stripe" });
    let begun = post(&mut client, &corner, PAYMENTS, "new-payment", &other).await;
    becomes(&mut client, &corner, &begun.data("payment_no"), "success").await;

    // Everything that is owed there, less what was done here since.
    entered(&mut log, "channel:stripe:receivable", "JPY", 0).await;
    entered(&mut log, "suspense:migration", "USD", 0).await;
    let trial: Vec<i64> =
        sqlx::query_scalar("select sum(balance_minor)::bigint from read.accounts group by currency, livemode")
            .fetch_all(&mut log)
            .await
            .unwrap();
    assert!(trial.len() >= 3 && trial.iter().all(|sum| *sum == 0), "{trial:?}");
    all_holds(&branch, Some(&outside)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_number_is_its_merchants_own_in_its_mode() {
    let (branch, old) = (Branch::own(&[]).await.unwrap(), Old::new());
    assert_eq!(take_over(&branch, &old, &[]).status, Some(0));
    let corner = with_key("pk_test_corner_51HxY2", "sk_test_corner_9f2c7a1e4b8d4f60");
    let corner_live = with_key("pk_live_corner_51HxY2", "sk_live_corner_7d1e9b3a5c2f4860");
    let harbour = with_key("pk_test_harbour_8Qm4", "sk_test_harbour_1a6f3e9d7b5c2048");
    let mut client = branch.client();
    becomes(&mut client, &corner, "P2026-000017", "success").await;
    becomes(&mut client, &corner_live, "P2026-000022", "success").await;
    // Both have one of that number.
    let amount = |answer: &Answer| answer.json()["data"]["amount"].as_i64();
    assert_eq!(amount(&shown(&mut client, &corner, "P2026-000017").await), Some(10_000));
    assert_eq!(amount(&shown(&mut client, &harbour, "P2026-000017").await), Some(2_500));
    let paid = shown(&mut client, &corner, "P2026-000018").await.data("payment_no");
    for (who, number) in [
        (&harbour, "P2026-000018"),
        (&corner_live, "P2026-000018"),
        (&corner, "P2026-000022"),
        (&harbour, paid.as_str()),
        (&corner, "P2026-000999"),
    ] {
        assert_eq!(shown(&mut client, who, number).await.verdict(), "404 payment_absent", "{number}");
        let refused = post(&mut client, who, REFUNDS, &fresh("refund"), &refund_of(number, 10)).await;
        assert_eq!(refused.verdict(), "404 payment_absent", "{number}");
        for what in ["capture", "cancel"] {
            let path = format!("{PAYMENTS}/{number}/{what}");
            let refused = post(&mut client, who, &path, &fresh(what), &json!({})).await;
            assert_eq!(refused.verdict(), "404 payment_absent", "{path}");
        }
    }
    // A member of the house says whose it is.
    let named = format!("P2026-000017?merchant_id={}&livemode=false", MerchantId::taken_over("old", "m-2"));
    assert_eq!(amount(&shown(&mut client, &branch.operator, &named).await), Some(2_500));
    assert_eq!(shown(&mut client, &branch.operator, "P2026-000017").await.verdict(), "404 payment_absent");
    // A key without its own secret opens nothing.
    for stranger in [
        with_key("pk_test_corner_51HxY2", "sk_test_harbour_1a6f3e9d7b5c2048"),
        with_key("pk_test_corner_51HxY3", "sk_test_corner_9f2c7a1e4b8d4f60"),
    ] {
        let refused = shown(&mut client, &stranger, "P2026-000017").await;
        assert_eq!(refused.status, 401, "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_lived_there_is_answered_as_it_was_and_nothing_is_done_again() {
    let (branch, old) = (Branch::own(&[]).await.unwrap(), Old::new());
    let said = take_over(&branch, &old, &[]);
    assert_eq!(said.of("idempotency"), "3 read: 2 taken over, 0 here before, 1 expired");
    let corner = with_key("pk_test_corner_51HxY2", "sk_test_corner_9f2c7a1e4b8d4f60");
    let (mut client, mut log) = (branch.client(), branch.ledger.superuser().await.unwrap());
    let before = super::head(&mut log).await;
    let asked = r#"{"order_no":"ORDER-17","amount":10000,"currency":"USD","channel":"stripe"}"#;
    let paying = |body: &str| Request::post_bytes(PAYMENTS, body).keyed("pay-17").by(&corner);
    for _ in 0..2 {
        let answer = client.send(&paying(asked)).await.unwrap();
        let told = r#"{"code":0,"message":"success","data":{"payment_no":"P2026-000017","status":"success"}}"#;
        assert_eq!((answer.status, answer.body.as_str()), (200, told));
        assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    }
    let otherwise = client.send(&paying(&asked.replace("10000", "10001"))).await.unwrap();
    assert_eq!(otherwise.verdict(), "422 idempotency_key_reused");
    // Of this one the body was not kept: it is known by its key, method and path.
    let refunding = |path: &str| {
        Request::post(path, &refund_of("R-1999-of-a-payment-not-here", 2_000)).keyed("refund-18").by(&corner)
    };
    let answer = client.send(&refunding(REFUNDS)).await.unwrap();
    let told = r#"{"code":0, "message":"success", "data":{"refund_no":"R2026-000004","status":"success"}}"#;
    assert_eq!((answer.status, answer.body.as_str()), (200, told));
    let elsewhere =
        Request::post(PAYMENTS, &json!({ "order_no": "X", "amount": 1, "currency": "USD", "channel": "stripe" }));
    let elsewhere = client.send(&elsewhere.keyed("refund-18").by(&corner)).await.unwrap();
    assert_eq!(elsewhere.verdict(), "422 idempotency_key_reused");
    // Another merchant's key of that name is its own.
    let harbour = with_key("pk_test_harbour_8Qm4", "sk_test_harbour_1a6f3e9d7b5c2048");
    let own = client.send(&Request::post_bytes(PAYMENTS, asked).keyed("pay-17").by(&harbour)).await.unwrap();
    assert_ne!(own.header("idempotency-replayed"), Some("true"), "{own:?}");
    assert_eq!(super::head(&mut log).await, before, "nothing was done");
    let broken = system_tests::invariants::broken(&mut log).await.unwrap();
    assert_eq!(broken, Vec::<&str>::new());
}
