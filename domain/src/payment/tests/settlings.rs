//! Settling: once, and with all that is pending.

use super::*;

fn net(told: &Told) -> i64 {
    let [PaymentEvent::Settled(settled)] = told.events() else { unreachable!() };
    assert_eq!(settled.as_of_sequence, u64::try_from(told.history.len()).unwrap() - 1);
    settled.net.amount_minor
}

#[test]
fn the_net_is_what_is_left_of_the_capture() {
    assert_eq!(net(&paid().when(&settle(1)).then(&["settled"])), 9_680);
    assert_eq!(net(&paid().given(&reserve(1, usd(5_000))).given(&confirm(1)).when(&settle(1))), 4_840);
    assert_eq!(net(&paid().given(&dispute(1, usd(1_000))).when(&settle(1))), 8_680);
    let won = paid().given(&dispute(1, usd(1_000))).given(&close_dispute(1, DisputeOutcome::Won));
    assert_eq!(net(&won.when(&settle(1))), 9_680);
}

#[test]
fn a_refund_under_way_is_not_yet_taken() {
    assert_eq!(net(&paid().given(&reserve(1, usd(5_000))).when(&settle(1))), 9_680);
}

#[test]
fn a_payment_settles_once() {
    let settled = paid().given(&settle(1));
    settled.clone().when(&settle(1)).then_nothing();
    settled.when(&settle(2)).then_refused(PaymentRefusal::PaymentAlreadySettled);
}

#[test]
fn nothing_settles_while_more_may_come() {
    held().when(&settle(1)).then_refused(PaymentRefusal::PaymentNotCaptured);
    let part = held().given(&capture(1, usd(4_000))).given(&captured(1, 1, usd(4_000)));
    part.when(&settle(1)).then_refused(PaymentRefusal::CaptureStillOpen);
}

#[test]
fn a_net_beyond_the_ledger_is_refused() {
    let huge = untold()
        .given(&PaymentCommand::Initiate(Box::new(Initiate {
            terms: Terms { fee_plan: Some(FeePlan { on_refund: FeeOnRefund::Kept, ..plan() }), ..start(usd(1)).terms },
            ..start(usd(i64::MAX))
        })))
        .given(&assessed(1, RiskDecision::Approve))
        .given(&submit(1))
        .given(&captured(1, 1, usd(i64::MAX)))
        .given(&reserve(1, usd(i64::MAX)))
        .given(&confirm(1))
        .given(&dispute(1, usd(i64::MAX)));
    huge.when(&settle(1)).then_refused(PaymentRefusal::AmountOverflow);
}
