//! Disputes: held until somebody has won.

use super::*;
use crate::payment::event::DisputeMoved;

/// What the last event moved.
fn moved(told: &Told) -> DisputeMoved {
    let [
        PaymentEvent::Disputed(moved)
        | PaymentEvent::DisputeClosed { moved, .. }
        | PaymentEvent::DisputeWonAfterAll(moved),
    ] = told.events()
    else {
        unreachable!("{:?}", told.events())
    };
    moved.as_ref().clone()
}

#[test]
fn a_dispute_is_opened_and_closed() {
    let open = paid().when(&dispute(1, usd(10_000))).then(&["disputed"]).is(Status::Success);
    for outcome in [DisputeOutcome::Won, DisputeOutcome::Lost] {
        open.clone().when(&close_dispute(1, outcome)).then(&["dispute_closed"]);
    }
}

#[test]
fn what_is_disputed_or_lost_cannot_be_refunded() {
    let open = paid().given(&dispute(1, usd(6_000)));
    open.clone().when(&reserve(1, usd(4_001))).then_refused(PaymentRefusal::RefundAmountExceeded);
    open.clone().when(&reserve(1, usd(4_000))).then(&["refund_reserved"]);
    let lost = open.clone().given(&close_dispute(1, DisputeOutcome::Lost));
    lost.when(&reserve(1, usd(4_001))).then_refused(PaymentRefusal::RefundAmountExceeded);
    let won = open.given(&close_dispute(1, DisputeOutcome::Won));
    won.when(&reserve(1, usd(10_000))).then(&["refund_reserved"]);
}

#[test]
fn the_merchant_bears_disputes_while_captures_cover_them() {
    let open = paid().given(&dispute(1, usd(6_000)));
    let more = open.clone().when(&dispute(2, usd(4_001))).then(&["disputed"]);
    assert_eq!(moved(&more).funds, Funds::Suspense);
    // Which leaves the rest as it was.
    more.clone().when(&reserve(1, usd(4_001))).then_refused(PaymentRefusal::RefundAmountExceeded);
    let rest = more.when(&dispute(3, usd(4_000))).then(&["disputed"]);
    assert_eq!(moved(&rest).funds, Funds::Pending);
    // The channel takes back what was refunded as well: that is booked, and shows.
    let refunded = paid().given(&reserve(1, usd(10_000))).given(&confirm(1));
    assert_eq!(moved(&refunded.when(&dispute(1, usd(10_000)))).funds, Funds::Pending);
}

#[test]
fn what_is_disputed_beyond_the_capture_is_held_and_nobodys() {
    for amount in [usd(10_001), usd(i64::MAX), euro(1)] {
        let open = paid().when(&dispute(1, amount)).then(&["disputed"]).is(Status::Success);
        assert_eq!((moved(&open).funds, moved(&open).amount), (Funds::Suspense, amount));
        open.clone().when(&reserve(1, usd(10_000))).then(&["refund_reserved"]);
        let settled = open.when(&settle(1)).then(&["settled"]);
        let [PaymentEvent::Settled(line)] = settled.events() else { unreachable!() };
        assert_eq!(line.disputes, usd(0));
        for (outcome, after_all) in [(DisputeOutcome::Won, None), (DisputeOutcome::Lost, Some(DisputeOutcome::Won))] {
            let closed = settled.clone().when(&close_dispute(1, outcome)).then(&["dispute_closed"]);
            assert_eq!(moved(&closed).funds, Funds::Suspense);
            let Some(outcome) = after_all else { continue };
            let won = closed.when(&close_dispute(1, outcome)).then(&["dispute_won_after_all"]);
            assert_eq!(moved(&won).funds, Funds::Suspense);
            won.when(&reserve(1, usd(10_000))).then(&["refund_reserved"]);
        }
    }
}

#[test]
fn a_dispute_of_what_is_in_suspense_is_of_that_attempt() {
    let paypal = PaymentCommand::Initiate(Box::new(Initiate { channel: Channel::Paypal, ..start(usd(10_000)) }));
    let late = failed().given(&captured(1, 9, usd(10_000))).given(&paypal).given(&assessed(2, RiskDecision::Approve));
    let both = late.given(&submit(2)).given(&captured(2, 1, usd(10_000)));
    let of_first = both.clone().when(&dispute_of(1, 1, usd(10_000)));
    assert_eq!((moved(&of_first).funds, moved(&of_first).channel), (Funds::Suspense, Channel::Stripe));
    let of_second = of_first.when(&dispute_of(2, 2, usd(10_000)));
    assert_eq!((moved(&of_second).funds, moved(&of_second).channel), (Funds::Pending, Channel::Paypal));
    let closed = of_second.when(&close_dispute(1, DisputeOutcome::Lost));
    assert_eq!((moved(&closed).funds, moved(&closed).channel), (Funds::Suspense, Channel::Stripe));
    both.when(&dispute_of(3, 1, usd(1))).then_refused(PaymentRefusal::AttemptUnknown);
}

#[test]
fn a_dispute_lost_and_won_all_the_same_gives_back_what_was_lost() {
    let lost = paid().given(&dispute(1, usd(6_000))).given(&close_dispute(1, DisputeOutcome::Lost));
    let won = lost.clone().when(&close_dispute(1, DisputeOutcome::Won)).then(&["dispute_won_after_all"]);
    assert_eq!((moved(&won).funds, moved(&won).amount), (Funds::Pending, usd(6_000)));
    for outcome in [DisputeOutcome::Lost, DisputeOutcome::Won] {
        won.clone().when(&close_dispute(1, outcome)).then_nothing();
    }
    won.when(&reserve(1, usd(10_000))).then(&["refund_reserved"]);
    let settled = lost.given(&settle(1)).when(&close_dispute(1, DisputeOutcome::Won));
    assert_eq!(moved(&settled).funds, Funds::Available);
}

#[test]
fn what_was_won_is_lost_again_only_by_another_dispute() {
    let close = |outcome, seconds| {
        let effective_at = at() + chrono::Duration::seconds(seconds);
        PaymentCommand::CloseDispute { dispute_id: dispute_no(1), outcome, effective_at }
    };
    let won = paid().given(&dispute(1, usd(5))).given(&close(DisputeOutcome::Won, 5));
    won.clone().when(&close(DisputeOutcome::Won, 9)).then_nothing();
    // Lost before it was won, and told of late.
    for seconds in [4, 5] {
        won.clone().when(&close(DisputeOutcome::Lost, seconds)).then_nothing();
    }
    won.clone().when(&close(DisputeOutcome::Lost, 6)).then_refused(PaymentRefusal::DisputeAlreadyClosed);
    won.when(&dispute(2, usd(5))).then(&["disputed"]);
}

#[test]
fn what_is_no_dispute_of_this_payment_is_refused() {
    held().when(&dispute(1, usd(1))).then_refused(PaymentRefusal::PaymentNotCaptured);
    failed().when(&dispute(1, usd(1))).then_refused(PaymentRefusal::PaymentNotCaptured);
    for amount in [usd(0), usd(-1)] {
        paid().when(&dispute(1, amount)).then_refused(PaymentRefusal::AmountNotPositive);
    }
    paid().when(&close_dispute(1, DisputeOutcome::Won)).then_refused(PaymentRefusal::DisputeUnknown);
    let open = paid().given(&dispute(1, usd(5)));
    open.clone().when(&dispute(1, usd(6))).then_refused(PaymentRefusal::DisputeDiffers);
    open.when(&dispute(1, euro(5))).then_refused(PaymentRefusal::DisputeDiffers);
}
