//! Capturing at once, in parts, never too much, and never what was not asked for.

use super::*;

fn fee_of(told: &Told) -> i64 {
    let [PaymentEvent::Captured(captured)] = told.events() else { unreachable!() };
    assert_eq!(captured.net.checked_add(captured.fee), Ok(captured.amount));
    captured.fee.amount_minor
}

#[test]
fn a_capture_is_asked_for_then_reported() {
    let asked = held().when(&capture(1, usd(4_000))).then(&["capture_requested"]).is(Status::Processing);
    let told = asked.when(&captured(1, 1, usd(4_000))).then(&["captured"]).is(Status::Success);
    assert_eq!(told.state.captured(), Some(usd(4_000)));
}

#[test]
fn parts_cost_what_the_whole_would() {
    let first = held().given(&capture(1, usd(4_000))).when(&captured(1, 1, usd(4_000)));
    let second = first.clone().given(&capture(2, usd(6_000))).when(&captured(1, 2, usd(6_000)));
    assert_eq!((fee_of(&first), fee_of(&second)), (146, 174));
    assert_eq!(fee_of(&submitted().when(&captured(1, 1, usd(10_000)))), 320);
    assert_eq!(second.state.captured(), Some(usd(10_000)));
}

#[test]
fn a_capture_may_come_with_no_authorisation_told() {
    let authorised = submitted().given(&authorised(1, usd(10_000)));
    for before in [submitted(), submitted().given(&told(1, Report::Unknown)), authorised] {
        before.when(&captured(1, 9, usd(10_000))).then(&["captured"]).is(Status::Success);
    }
}

#[test]
fn more_than_is_left_is_refused() {
    held().when(&capture(1, usd(10_001))).then_refused(PaymentRefusal::CaptureAmountExceeded);
    let part = partly_captured();
    part.clone().when(&capture(2, usd(6_001))).then_refused(PaymentRefusal::CaptureAmountExceeded);
    part.clone().when(&capture(2, usd(6_000))).then(&["capture_requested"]);
    let released = part.given(&told(1, VOIDED));
    released.when(&capture(2, usd(1))).then_refused(PaymentRefusal::CaptureAmountExceeded);
}

#[test]
fn what_is_no_amount_of_this_payment_is_refused() {
    held().when(&capture(1, euro(1))).then_refused(PaymentRefusal::CurrencyMismatch);
    held().when(&capture(1, usd(0))).then_refused(PaymentRefusal::AmountNotPositive);
}

#[test]
fn there_is_nothing_to_capture_from_before_an_authorisation() {
    let initiated = untold().given(&initiate_manual());
    let failed = submitted_manual().given(&declined(1));
    for before in [initiated, submitted_manual(), failed] {
        before.when(&capture(1, usd(1))).then_refused(PaymentRefusal::PaymentNotAuthorised);
    }
}

#[test]
fn what_is_captured_by_itself_is_not_asked_for() {
    for before in [initiated(), submitted(), submitted().given(&authorised(1, usd(10_000)))] {
        before.when(&capture(1, usd(1))).then_refused(PaymentRefusal::CaptureAutomatic);
    }
    paid().when(&capture(1, usd(10_000))).then_nothing();
}

#[test]
fn a_capture_repeated_after_another_attempt_opened_is_not_asked_for_again() {
    let asked = held().given(&capture(1, usd(4_000))).given(&told(1, VOIDED));
    let again = asked.given(&initiate_manual()).given(&assessed(2, RiskDecision::Approve)).given(&submit(2));
    let held = again.given(&authorised(2, usd(10_000)));
    held.clone().when(&capture(1, usd(4_000))).then_nothing();
    held.when(&capture(1, usd(4_001))).then_refused(PaymentRefusal::CaptureDiffers);
}

#[test]
fn one_capture_at_a_time() {
    let asked = held().given(&capture(1, usd(4_000)));
    asked.clone().when(&capture(2, usd(1))).then_refused(PaymentRefusal::CaptureInProgress);
    asked.clone().when(&capture(1, usd(4_001))).then_refused(PaymentRefusal::CaptureDiffers);
    asked.when(&capture(1, euro(4_000))).then_refused(PaymentRefusal::CaptureDiffers);
}

#[test]
fn a_declined_capture_leaves_the_authorisation() {
    let asked = held().given(&capture(1, usd(4_000)));
    let declined = asked.when(&capture_declined(1, 1)).then(&["capture_declined"]);
    declined.clone().when(&capture(2, usd(10_000))).then(&["capture_requested"]);
    // Evidence of success is better than evidence of failure.
    declined.when(&captured(1, 1, usd(4_000))).then(&["captured"]);
}

#[test]
fn a_decline_after_the_capture_says_nothing_new() {
    let done = held().given(&capture(1, usd(4_000))).given(&captured(1, 1, usd(4_000)));
    done.when(&capture_declined(1, 1)).then_nothing();
    held().when(&capture_declined(1, 1)).then_refused(PaymentRefusal::CaptureUnknown);
}

#[test]
fn an_amount_that_cannot_be_true_is_kept_and_not_booked() {
    let asked = held().given(&capture(1, usd(4_000)));
    for wrong in [usd(0), usd(-4_000)] {
        let told = asked.clone().when(&captured(1, 1, wrong)).then(&["amount_mismatched"]).is(Status::Processing);
        assert!(told.events()[0].posting().moves_no_money());
    }
    paid().when(&captured(1, 2, usd(0))).then(&["amount_mismatched"]);
    let done = asked.given(&captured(1, 1, usd(4_000)));
    done.clone().when(&captured(1, 1, usd(4_001))).then(&["amount_mismatched"]);
    done.when(&captured(1, 1, usd(4_000))).then_nothing();
}

#[test]
fn a_mismatch_is_told_of_once_each() {
    let once = submitted().given(&authorised(1, usd(9_999)));
    once.clone().when(&authorised(1, usd(9_999))).then_nothing();
    once.clone().when(&authorised(1, usd(9_998))).then(&["amount_mismatched"]);
    once.when(&authorised(1, usd(10_000))).then(&["authorised"]);
}

#[test]
fn the_fee_never_takes_more_than_the_money() {
    let start = |amount| PaymentCommand::Initiate(Box::new(start(usd(amount))));
    for amount in [1, 29, 30, 31, i64::MAX] {
        let ready = untold().given(&start(amount)).given(&assessed(1, RiskDecision::Approve)).given(&submit(1));
        let fee = fee_of(&ready.when(&captured(1, 1, usd(amount))));
        assert_eq!(fee, plan().of(amount));
        assert!((0..=amount).contains(&fee));
    }
}
