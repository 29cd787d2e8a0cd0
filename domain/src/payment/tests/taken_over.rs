//! Payments that began elsewhere: open or paid there, captured, refunded, settled here.

use super::*;
use crate::{
    account::Account,
    payment::{
        event::{Funds, Route},
        taken_over::TakenOver,
    },
};

fn stood() -> TakenOver {
    let Initiate { agreed, channel, purpose, .. } = start(usd(10_000));
    TakenOver {
        payment_id: agreed.payment_id,
        merchant_id: agreed.merchant_id,
        livemode: agreed.livemode,
        order_no: agreed.order_no,
        amount: agreed.amount,
        route: Route { channel, capture_mode: CaptureMode::Automatic, fee_plan: plan(), method: None },
        purpose,
        old_no: "P-17".to_owned(),
        source: "old/payments/17".to_owned(),
        channel_trade_no: "ch_17".to_owned(),
        captured: usd(10_000),
        fees: usd(320),
        refunded: usd(2_500),
        fees_returned: usd(80),
        is_settled: false,
        occurred_at: at(),
        effective_at: at(),
    }
}

fn authorised_there() -> TakenOver {
    let route = Route { capture_mode: CaptureMode::Manual, ..stood().route };
    TakenOver { route, captured: usd(0), fees: usd(0), refunded: usd(0), fees_returned: usd(0), ..stood() }
}

fn take_over(taken: TakenOver) -> PaymentCommand {
    PaymentCommand::TakeOver(Box::new(taken))
}

fn taken() -> Told {
    untold().given(&take_over(stood()))
}

#[test]
fn it_stands_as_it_stood() {
    let told = untold().when(&take_over(stood())).then(&["taken_over"]);
    assert_eq!(told.state.status(), Status::PartiallyRefunded);
    assert_eq!((told.state.captured(), told.state.refunded()), (Some(usd(10_000)), Some(usd(2_500))));
    assert_eq!(told.state.tried().unwrap().authorised_as.as_deref(), Some("ch_17"));
    assert_eq!(told.state.last_attempt(), Some((1, Phase::Captured)));
    let open = untold().given(&take_over(authorised_there()));
    assert_eq!((open.state.status(), open.state.last_attempt()), (Status::Processing, Some((1, Phase::Authorised))));
    let whole = TakenOver { refunded: usd(10_000), fees_returned: usd(320), ..stood() };
    assert_eq!(untold().given(&take_over(whole)).state.status(), Status::Refunded);
}

#[test]
fn its_books_owe_the_merchant_what_it_was_owed() {
    let lines = |taken: TakenOver| {
        let posting = untold().given(&take_over(taken)).history.last().unwrap().posting();
        posting.lines().iter().map(|line| (line.account, line.money.amount_minor)).collect::<Vec<_>>()
    };
    let (migration, pending) = (Account::SuspenseMigration, Account::MerchantPending(merchant()));
    assert_eq!(lines(stood()), [(migration, 7_260), (pending, 7_260)]);
    let owing = TakenOver { refunded: usd(10_000), fees_returned: usd(0), ..stood() };
    assert_eq!(lines(owing), [(pending, 320), (migration, 320)]);
    assert_eq!(lines(TakenOver { is_settled: true, ..stood() }), []);
    assert_eq!(lines(authorised_there()), []);
}

#[test]
fn it_is_refunded_up_to_what_is_left() {
    taken().when(&reserve(1, usd(7_501))).then_refused(PaymentRefusal::RefundAmountExceeded);
    let refunded = taken().given(&reserve(1, usd(7_500))).when(&confirm(1)).then(&["refund_confirmed"]);
    let [PaymentEvent::RefundConfirmed(moved)] = refunded.events() else { unreachable!() };
    // All of the fee comes back in the end, some of it there and the rest here.
    assert_eq!((moved.fee_returned, moved.funds), (usd(240), Funds::Pending));
    assert_eq!(refunded.state.status(), Status::Refunded);
    let settled = untold().given(&take_over(TakenOver { is_settled: true, ..stood() }));
    let refunded = settled.given(&reserve(1, usd(100))).when(&confirm(1));
    let [PaymentEvent::RefundConfirmed(moved)] = refunded.events() else { unreachable!() };
    assert_eq!(moved.funds, Funds::Available);
}

#[test]
fn it_settles_here_unless_it_did_there() {
    let settled = taken().when(&settle(1)).then(&["settled"]);
    let [PaymentEvent::Settled(line)] = settled.events() else { unreachable!() };
    assert_eq!((line.captured, line.fees, line.refunds, line.net), (usd(10_000), usd(320), usd(2_420), usd(7_260)));
    let before = untold().given(&take_over(TakenOver { is_settled: true, ..stood() }));
    assert!(!before.state.is_to_settle());
    before.when(&settle(1)).then_refused(PaymentRefusal::PaymentAlreadySettled);
}

#[test]
fn it_is_captured_cancelled_and_disputed_like_any_other() {
    let open = untold().given(&take_over(authorised_there()));
    let asked = open.clone().when(&capture(1, usd(10_000))).then(&["capture_requested"]);
    asked.when(&captured(1, 1, usd(10_000))).then(&["captured"]);
    open.clone()
        .when(&cancel())
        .then(&["cancellation_requested"])
        .when(&told(1, VOIDED))
        .then(&["voided", "cancelled"]);
    open.when(&told(1, VOIDED)).then(&["voided"]).when(&initiate()).then(&["attempt_opened"]);
    taken().when(&cancel()).then_refused(PaymentRefusal::PaymentCaptured);
    taken().when(&dispute(1, usd(1_000))).then(&["disputed"]);
}

#[test]
fn what_the_channel_tells_again_of_the_capture_is_known() {
    let again = Report::Captured {
        capture_id: stood().capture_id(),
        amount: usd(10_000),
        channel_trade_no: "ch_17".into(),
        effective_at: at(),
    };
    taken().when(&told(1, again)).then_nothing();
}

#[test]
fn it_is_taken_over_once_and_its_order_has_no_other() {
    let otherwise = TakenOver { source: "old/payments/18".to_owned(), ..stood() };
    taken().when(&take_over(otherwise)).then_refused(PaymentRefusal::PaymentDiffers);
    paid().when(&take_over(stood())).then_refused(PaymentRefusal::PaymentDiffers);
    // Whoever asks for the order again finds it.
    taken().when(&initiate()).then_nothing();
}

#[test]
fn what_does_not_add_up_is_refused() {
    for (changed, refusal) in [
        (TakenOver { fees: euro(320), ..stood() }, PaymentRefusal::CurrencyMismatch),
        (TakenOver { amount: usd(0), ..authorised_there() }, PaymentRefusal::AmountNotPositive),
        (TakenOver { captured: usd(10_001), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { captured: usd(-1), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { refunded: usd(10_001), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { refunded: usd(-1), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { fees: usd(10_001), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { fees_returned: usd(321), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { refunded: usd(79), ..stood() }, PaymentRefusal::TakenOverDoesNotAddUp),
        (TakenOver { is_settled: true, ..authorised_there() }, PaymentRefusal::TakenOverDoesNotAddUp),
    ] {
        untold().when(&take_over(changed)).then_refused(refusal);
    }
    let route = Route { channel: Channel::Sandbox, ..stood().route };
    untold().when(&take_over(TakenOver { route, ..stood() })).then_refused(PaymentRefusal::ChannelNotReal);
}
