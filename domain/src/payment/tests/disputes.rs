//! Disputes: held until somebody has won.

use super::*;

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
fn disputes_are_never_more_than_was_captured() {
    paid().when(&dispute(1, usd(10_001))).then_refused(PaymentRefusal::DisputeAmountExceeded);
    let open = paid().given(&dispute(1, usd(6_000)));
    open.clone().when(&dispute(2, usd(4_001))).then_refused(PaymentRefusal::DisputeAmountExceeded);
    open.when(&dispute(2, usd(4_000))).then(&["disputed"]);
    // The channel takes back what was refunded as well: that is booked, and shows.
    let refunded = paid().given(&reserve(1, usd(10_000))).given(&confirm(1));
    refunded.when(&dispute(1, usd(10_000))).then(&["disputed"]);
}

#[test]
fn what_is_no_dispute_of_this_payment_is_refused() {
    held().when(&dispute(1, usd(1))).then_refused(PaymentRefusal::PaymentNotCaptured);
    paid().when(&dispute(1, euro(1))).then_refused(PaymentRefusal::CurrencyMismatch);
    paid().when(&dispute(1, usd(0))).then_refused(PaymentRefusal::AmountNotPositive);
    paid().when(&close_dispute(1, DisputeOutcome::Won)).then_refused(PaymentRefusal::DisputeUnknown);
    let open = paid().given(&dispute(1, usd(5)));
    open.clone().when(&dispute(1, usd(6))).then_refused(PaymentRefusal::DisputeDiffers);
    open.clone().when(&dispute(1, euro(5))).then_refused(PaymentRefusal::DisputeDiffers);
    let won = open.given(&close_dispute(1, DisputeOutcome::Won));
    won.when(&close_dispute(1, DisputeOutcome::Lost)).then_refused(PaymentRefusal::DisputeAlreadyClosed);
}
