//! Money nobody expected: booked once, nobody's, and returned once.

use super::*;

/// What is in suspense of the last event, and that the books say so.
fn suspended(told: &Told) -> (Source, Money) {
    let [PaymentEvent::MoneySuspended(moved)] = told.events() else { unreachable!("{:?}", told.events()) };
    assert!(!told.events()[0].posting().moves_no_money());
    (moved.source, moved.amount)
}

#[test]
fn a_doubled_report_under_another_id_is_not_the_merchants() {
    let half = usd(5_000);
    let asked = held().given(&capture(1, half));
    let first = asked.clone().given(&captured(1, 1, half)).when(&captured(1, 2, half));
    assert_eq!(suspended(&first), (taken(1, 2), half));
    assert_eq!(first.state.captured(), Some(half));
    // Whichever of the two comes first.
    let second = asked.when(&captured(1, 2, half));
    assert_eq!(suspended(&second), (taken(1, 2), half));
    let both = second.when(&captured(1, 1, half)).then(&["captured"]);
    assert_eq!(both.state.captured(), Some(half));
    // The other half may still be asked for.
    both.given(&capture(3, half)).when(&captured(1, 3, half)).then(&["captured"]);
}

#[test]
fn in_whatever_order_it_comes_the_same_is_kept() {
    let unasked = |first, second| held().given(&captured(1, first, usd(10))).given(&captured(1, second, usd(10)));
    assert_eq!(unasked(1, 2).state.suspense, unasked(2, 1).state.suspense);
}

#[test]
fn another_amount_than_asked_for_is_nobodys() {
    let asked = held().given(&capture(1, usd(4_000)));
    for wrong in [usd(3_999), usd(4_001), euro(4_000)] {
        let told = asked.clone().when(&captured(1, 1, wrong)).is(Status::Processing);
        assert_eq!(suspended(&told), (taken(1, 1), wrong));
        // That capture is over: what it brought is known, and another may be asked for.
        told.clone().when(&captured(1, 1, wrong)).then_nothing();
        told.clone().when(&captured(1, 1, usd(4_000))).then(&["amount_mismatched"]);
        told.clone().when(&capture(1, usd(4_000))).then_nothing();
        told.when(&capture(2, usd(4_000))).then(&["capture_requested"]);
    }
}

#[test]
fn at_once_only_the_whole_is_the_merchants() {
    for part in [usd(1), usd(9_999), usd(10_001), euro(10_000)] {
        let told = submitted().when(&captured(1, 1, part)).is(Status::Processing);
        assert_eq!(suspended(&told), (taken(1, 1), part));
        told.clone().when(&captured(1, 2, usd(10_000))).then(&["captured"]).is(Status::Success);
        told.when(&voided()).then(&["voided"]).is(Status::Failed);
    }
}

#[test]
fn what_is_to_be_asked_for_and_was_not_is_nobodys() {
    for before in [submitted_manual(), held(), partly_captured(), paid()] {
        let (status, captured_before) = (before.state.status(), before.state.captured());
        let told = before.when(&captured(1, 9, usd(10_000))).is(status);
        assert_eq!(suspended(&told), (taken(1, 9), usd(10_000)));
        assert_eq!(told.state.captured(), captured_before);
        told.clone().when(&captured(1, 9, usd(10_000))).then_nothing();
        told.when(&captured(1, 9, usd(9_999))).then(&["amount_mismatched"]);
    }
    let asked = held().given(&capture(1, usd(6_000))).given(&captured(1, 2, usd(10_000)));
    asked.when(&captured(1, 1, usd(6_000))).then(&["captured"]);
}

#[test]
fn a_late_success_in_two_parts_is_booked_in_two_parts() {
    let first = failed().when(&captured(1, 1, usd(4_000)));
    assert_eq!(suspended(&first), (taken(1, 1), usd(4_000)));
    let both = first.when(&captured(1, 2, usd(6_000)));
    assert_eq!(suspended(&both), (taken(1, 2), usd(6_000)));
    both.clone().when(&captured(1, 1, usd(4_000))).then_nothing();
    let one_back = both.when(&return_suspense(taken(1, 1))).then(&["suspense_returned"]);
    one_back.clone().when(&captured(1, 1, usd(4_000))).then_nothing();
    one_back.when(&return_suspense(taken(1, 2))).then(&["suspense_returned"]);
}

#[test]
fn what_the_channel_takes_after_it_let_go_is_nobodys() {
    let let_go = partly_captured().given(&voided());
    let told = let_go.when(&captured(1, 2, usd(6_000))).is(Status::Success);
    assert_eq!(suspended(&told), (taken(1, 2), usd(6_000)));
    told.when(&settle(1)).then(&["settled"]);
    let ended = held().given(&voided()).when(&captured(1, 1, usd(10_000))).is(Status::Failed);
    assert_eq!(suspended(&ended), (taken(1, 1), usd(10_000)));
}

#[test]
fn what_declined_is_taken_after_all_while_enough_is_left() {
    let declined = held().given(&capture(1, usd(6_000))).given(&capture_declined(1, 1)).given(&capture(2, usd(6_000)));
    let both = declined.given(&captured(1, 2, usd(6_000))).when(&captured(1, 1, usd(6_000)));
    assert_eq!(suspended(&both), (taken(1, 1), usd(6_000)));
}

#[test]
fn only_what_is_in_suspense_is_returned_and_once() {
    for source in [taken(1, 1), taken(2, 1), given_back(1)] {
        paid().when(&return_suspense(source)).then_refused(PaymentRefusal::NothingInSuspense);
    }
    let back = failed().given(&captured(1, 1, usd(1))).when(&return_suspense(taken(1, 1)));
    let [PaymentEvent::SuspenseReturned(moved)] = back.events() else { unreachable!() };
    assert_eq!((moved.source, moved.amount, moved.channel), (taken(1, 1), usd(1), Channel::Stripe));
    back.when(&return_suspense(taken(1, 1))).then_nothing();
    let effective_at = at() + chrono::TimeDelta::days(1);
    let later = PaymentCommand::ReturnSuspense { source: taken(1, 1), effective_at };
    let back = failed().given(&captured(1, 1, usd(1))).when(&later);
    let [PaymentEvent::SuspenseReturned(moved)] = back.events() else { unreachable!() };
    assert_eq!(moved.effective_at, effective_at);
}

#[test]
fn a_capture_is_not_asked_for_under_an_id_whose_money_is_in_suspense() {
    let unasked = held().given(&captured(1, 1, usd(4_000)));
    unasked.clone().when(&capture(1, usd(4_000))).then_refused(PaymentRefusal::CaptureDiffers);
    unasked.when(&capture(2, usd(4_000))).then(&["capture_requested"]);
}
