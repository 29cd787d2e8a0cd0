//! Refunds: never more than was captured, in any order.

use super::*;
use crate::aggregate::Event;

fn moved(told: &Told) -> (i64, i64, Funds) {
    match told.events() {
        [PaymentEvent::RefundConfirmed(moved) | PaymentEvent::RefundBounced(moved)] => {
            assert_eq!(moved.net.checked_add(moved.fee_returned), Ok(moved.amount));
            (moved.amount.amount_minor, moved.fee_returned.amount_minor, moved.funds)
        }
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_refund_is_reserved_then_confirmed() {
    let reserved = paid().when(&reserve(1, usd(4_000))).then(&["refund_reserved"]).is(Status::Refunding);
    let part = reserved.when(&confirm(1)).then(&["refund_confirmed"]).is(Status::PartiallyRefunded);
    assert_eq!(part.state.refunded(), Some(usd(4_000)));
    let all = part.given(&reserve(2, usd(6_000))).is(Status::Refunding).when(&confirm(2));
    assert_eq!(all.is(Status::Refunded).state.refunded(), Some(usd(10_000)));
}

#[test]
fn a_refund_beyond_the_capture_is_refused() {
    let first = paid().given(&reserve(1, usd(5_000)));
    first.clone().when(&reserve(2, usd(8_000))).then_refused(PaymentRefusal::RefundAmountExceeded);
    let confirmed = first.given(&confirm(1));
    confirmed.clone().when(&reserve(2, usd(8_000))).then_refused(PaymentRefusal::RefundAmountExceeded);
    confirmed.clone().when(&reserve(2, usd(5_001))).then_refused(PaymentRefusal::RefundAmountExceeded);
    confirmed.when(&reserve(2, usd(5_000))).then(&["refund_reserved"]);
}

#[test]
fn two_hundred_refunds_of_ten_on_a_thousand_are_a_hundred() {
    let mut told = untold()
        .given(&PaymentCommand::Initiate(Box::new(start(usd(1_000)))))
        .given(&assessed(1, RiskDecision::Approve))
        .given(&submit(1))
        .given(&captured(1, 1, usd(1_000)));
    let mut taken = 0;
    for number in 0..200 {
        let decided = told.state.decide(&reserve(number, usd(10)));
        match decided {
            Ok(events) => {
                taken += events.len();
                events.iter().for_each(|event| told.state.apply(event));
            }
            Err(refusal) => assert_eq!(refusal, PaymentRefusal::RefundAmountExceeded),
        }
    }
    assert_eq!(taken, 100);
}

#[test]
fn nothing_is_refunded_that_was_not_captured() {
    held().when(&reserve(1, usd(1))).then_refused(PaymentRefusal::PaymentNotCaptured);
    paid().when(&reserve(1, euro(1))).then_refused(PaymentRefusal::CurrencyMismatch);
    paid().when(&reserve(1, usd(0))).then_refused(PaymentRefusal::AmountNotPositive);
    paid().when(&reserve(1, usd(-1))).then_refused(PaymentRefusal::AmountNotPositive);
}

#[test]
fn the_same_refund_otherwise_is_refused() {
    let reserved = paid().given(&reserve(1, usd(5_000)));
    reserved.clone().when(&reserve(1, usd(5_001))).then_refused(PaymentRefusal::RefundDiffers);
    reserved.when(&reserve(1, euro(5_000))).then_refused(PaymentRefusal::RefundDiffers);
}

#[test]
fn a_released_refund_may_be_taken_by_another() {
    let released = paid().given(&reserve(1, usd(10_000))).when(&release(1)).then(&["refund_released"]);
    released.clone().is(Status::Success).when(&reserve(2, usd(10_000))).then(&["refund_reserved"]);
}

#[test]
fn a_refund_that_succeeds_after_it_was_released_is_booked() {
    let released = paid().given(&reserve(1, usd(4_000))).given(&release(1));
    let late = released.clone().when(&confirm(1)).then(&["refund_confirmed"]).is(Status::PartiallyRefunded);
    assert_eq!(moved(&late), (4_000, 128, Funds::Pending));
    assert_eq!(late.state.refunded(), Some(usd(4_000)));
    late.clone().when(&reserve(2, usd(6_001))).then_refused(PaymentRefusal::RefundAmountExceeded);
    late.clone().when(&release(1)).then_refused(PaymentRefusal::RefundAlreadyConfirmed);
    late.when(&bounce(1)).then(&["refund_bounced"]).is(Status::Success);
    // Another refund under way keeps what was set aside for it.
    let beside = released.given(&reserve(2, usd(6_000))).when(&confirm(1)).then(&["refund_confirmed"]);
    beside.is(Status::Refunding).when(&confirm(2)).then(&["refund_confirmed"]).is(Status::Refunded);
}

#[test]
fn what_is_refunded_beyond_the_captures_is_in_suspense() {
    let beyond = refunded_beyond().is(Status::Refunded);
    assert_eq!(beyond.history.last().map(Event::event_type), Some("money_suspended"));
    assert_eq!(beyond.state.refunded(), Some(usd(10_000)));
    beyond.clone().when(&confirm(1)).then_nothing();
    beyond.clone().when(&release(1)).then_nothing();
    for back in [bounce(1), return_suspense(given_back(1))] {
        let returned = beyond.clone().when(&back).then(&["suspense_returned"]).is(Status::Refunded);
        returned.clone().when(&bounce(1)).then_nothing();
        returned.clone().when(&confirm(1)).then_nothing();
        returned.when(&return_suspense(given_back(1))).then_nothing();
    }
    // What is set aside for another refund is not there for a late one either.
    let aside = paid().given(&reserve(1, usd(4_000))).given(&release(1)).given(&reserve(2, usd(6_001)));
    let late = aside.when(&confirm(1)).then(&["money_suspended"]).is(Status::Refunding);
    late.when(&confirm(2)).then(&["refund_confirmed"]).is(Status::PartiallyRefunded);
}

#[test]
fn a_bounced_refund_puts_the_money_and_the_fee_back() {
    let confirmed = paid().given(&reserve(1, usd(5_000))).when(&confirm(1));
    assert_eq!(moved(&confirmed), (5_000, 160, Funds::Pending));
    confirmed.clone().when(&release(1)).then_refused(PaymentRefusal::RefundAlreadyConfirmed);
    let bounced = confirmed.when(&bounce(1)).then(&["refund_bounced"]).is(Status::Success);
    assert_eq!(moved(&bounced), (5_000, 160, Funds::Pending));
    assert_eq!(bounced.state.refunded(), Some(usd(0)));
    bounced.clone().when(&confirm(1)).then_nothing();
    bounced.clone().when(&release(1)).then_nothing();
    let whole = bounced.given(&reserve(2, usd(10_000))).when(&confirm(2));
    assert_eq!(moved(&whole), (10_000, 320, Funds::Pending));
}

#[test]
fn what_comes_back_went_out_before_whether_or_not_anybody_said_so() {
    let reserved = paid().given(&reserve(1, usd(5_000)));
    let released = reserved.clone().given(&release(1));
    for before in [reserved, released.clone()] {
        let back = before.when(&bounce(1)).then(&["refund_confirmed", "refund_bounced"]).is(Status::Success);
        let [PaymentEvent::RefundConfirmed(out), PaymentEvent::RefundBounced(back_in)] = back.events() else {
            unreachable!()
        };
        assert_eq!((out, out.fee_returned), (back_in, usd(160)));
        for late in [confirm(1), release(1)] {
            back.clone().when(&late).then_nothing();
        }
        back.when(&reserve(2, usd(10_000))).then(&["refund_reserved"]);
    }
    // Where nothing is left it was nobody's for a moment.
    let taken = released.given(&reserve(2, usd(10_000)));
    let back = taken.when(&bounce(1)).then(&["money_suspended", "suspense_returned"]).is(Status::Refunding);
    back.when(&confirm(1)).then_nothing();
}

#[test]
fn what_was_never_reserved_is_unknown() {
    for command in [confirm(1), release(1), bounce(1)] {
        paid().when(&command).then_refused(PaymentRefusal::RefundUnknown);
    }
}

#[test]
fn the_last_part_brings_the_rest_of_the_fee() {
    let mut told = paid();
    let mut returned = 0;
    for (number, amount) in [(1, 3_333), (2, 3_333), (3, 3_334)] {
        told = told.given(&reserve(number, usd(amount))).when(&confirm(number));
        returned += moved(&told).1;
    }
    assert_eq!(returned, 320);
}

#[test]
fn after_the_settlement_a_refund_is_taken_from_what_is_available() {
    let settled = paid().given(&reserve(1, usd(1_000))).given(&settle(1));
    let confirmed = settled.when(&confirm(1));
    assert_eq!(moved(&confirmed).2, Funds::Available);
    assert_eq!(moved(&confirmed.when(&bounce(1))).2, Funds::Available);
}
