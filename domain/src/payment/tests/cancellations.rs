//! Cancelling, in every state, and racing with success.

use super::*;

#[test]
fn before_a_channel_knows_it_is_done_at_once() {
    let reviewed = initiated().given(&assessed(1, RiskDecision::Review));
    let approved = initiated().given(&assessed(1, RiskDecision::Approve));
    for before in [initiated(), reviewed, approved] {
        let told = before.when(&cancel()).then(&["cancelled"]).is(Status::Cancelled).in_phase(Phase::Withdrawn);
        told.clone().when(&submit(1)).then_refused(PaymentRefusal::AttemptEnded);
        told.clone().when(&initiate()).then_nothing();
        told.clone().when(&capture(1, usd(1))).then_refused(PaymentRefusal::PaymentCancelled);
        told.clone().when(&assessed(1, RiskDecision::Approve)).then_nothing();
        told.when(&authorised(1, usd(10_000))).then_refused(PaymentRefusal::AttemptNotSubmitted);
    }
    let rejected = initiated().given(&assessed(1, RiskDecision::Reject));
    for before in [failed(), rejected] {
        let told = before.when(&cancel()).then(&["cancelled"]).is(Status::Cancelled);
        told.when(&initiate()).then_nothing();
    }
}

#[test]
fn once_a_channel_may_have_it_it_is_asked_for() {
    let unknown = submitted().given(&told(1, Report::Unknown));
    for before in [submitted(), unknown, held()] {
        let asked = before.when(&cancel()).then(&["cancellation_requested"]).is(Status::Processing);
        assert!(asked.state.is_being_cancelled());
        let done = asked.when(&told(1, VOIDED)).then(&["voided", "cancelled"]).is(Status::Cancelled);
        assert!(!done.state.is_being_cancelled());
    }
}

#[test]
fn a_decline_completes_a_cancellation_too() {
    let asked = submitted().given(&cancel());
    asked.when(&declined(1)).then(&["failed", "cancelled"]).is(Status::Cancelled);
}

#[test]
fn while_it_is_asked_for_nothing_is_captured() {
    held().given(&cancel()).when(&capture(1, usd(1))).then_refused(PaymentRefusal::CancellationInProgress);
    held().given(&capture(1, usd(1))).when(&cancel()).then_refused(PaymentRefusal::CaptureInProgress);
}

#[test]
fn success_that_wins_the_race_stays_success() {
    let asked = submitted().given(&cancel());
    let won = asked.when(&captured(1, 1, usd(10_000))).then(&["captured"]).is(Status::Success);
    assert!(!won.state.is_being_cancelled());
    won.clone().when(&cancel()).then_refused(PaymentRefusal::PaymentCaptured);
    won.when(&reserve(1, usd(10_000))).then(&["refund_reserved"]);
    let authorised_first = submitted().given(&cancel()).when(&authorised(1, usd(10_000))).then(&["authorised"]);
    authorised_first.when(&told(1, VOIDED)).then(&["voided", "cancelled"]);
}

#[test]
fn success_that_loses_the_race_is_late() {
    let lost = submitted().given(&cancel()).given(&told(1, VOIDED));
    let late = lost.when(&captured(1, 1, usd(10_000))).then(&["money_suspended"]).is(Status::Cancelled);
    late.when(&return_suspense(taken(1, 1))).then(&["suspense_returned"]).is(Status::Cancelled);
}

#[test]
fn a_payment_with_money_in_it_is_refunded_instead() {
    paid().when(&cancel()).then_refused(PaymentRefusal::PaymentCaptured);
    let whole = partly_captured().given(&capture(2, usd(6_000))).given(&captured(1, 2, usd(6_000)));
    whole.when(&cancel()).then_refused(PaymentRefusal::PaymentCaptured);
}

#[test]
fn after_a_part_was_captured_the_rest_is_let_go_and_the_part_settles() {
    let part = partly_captured();
    part.clone().when(&settle(1)).then_refused(PaymentRefusal::CaptureStillOpen);
    let asked = part.when(&cancel()).then(&["cancellation_requested"]).is(Status::Success);
    assert!(asked.state.is_being_cancelled());
    asked.clone().when(&capture(2, usd(1))).then_refused(PaymentRefusal::CancellationInProgress);
    asked.clone().when(&settle(1)).then_refused(PaymentRefusal::CaptureStillOpen);
    for report in [VOIDED, EXPIRED] {
        let let_go = asked.clone().when(&told(1, report)).is(Status::Success).in_phase(Phase::Captured);
        let [PaymentEvent::Voided { released, .. } | PaymentEvent::AuthorisationExpired { released, .. }] =
            let_go.events()
        else {
            unreachable!()
        };
        assert_eq!((*released, let_go.state.captured()), (usd(6_000), Some(usd(4_000))));
        assert!(!let_go.state.is_being_cancelled());
        let_go.clone().when(&cancel()).then_nothing();
        let_go.clone().when(&capture(2, usd(1))).then_refused(PaymentRefusal::CaptureAmountExceeded);
        let_go.when(&settle(1)).then(&["settled"]);
    }
}

#[test]
fn a_part_that_wins_the_race_leaves_the_rest_to_be_let_go() {
    let declined = held().given(&capture(1, usd(4_000))).given(&capture_declined(1, 1)).given(&cancel());
    let part = declined.when(&captured(1, 1, usd(4_000))).then(&["captured"]).is(Status::Success);
    assert!(part.state.is_being_cancelled());
    part.when(&told(1, VOIDED)).then(&["voided"]).when(&settle(1)).then(&["settled"]);
}

#[test]
fn who_asked_is_who_cancelled() {
    let told = submitted().given(&cancel()).when(&told(1, VOIDED));
    let by = Actor::Merchant(merchant());
    assert_eq!(told.events()[1], PaymentEvent::Cancelled { by, reason: None });
}

#[test]
fn why_it_was_asked_for_is_kept_where_it_was_said() {
    let (by, reason) = (Actor::Merchant(merchant()), Some(text("changed their mind")));
    let cancel = PaymentCommand::Cancel { by, reason: reason.clone() };
    initiated().when(&cancel).then_exactly(&[PaymentEvent::Cancelled { by, reason: reason.clone() }]);
    let asked = submitted().when(&cancel).then_exactly(&[PaymentEvent::CancellationRequested { by, reason }]);
    let done = asked.when(&voided()).then(&["voided", "cancelled"]);
    assert_eq!(done.events()[1], PaymentEvent::Cancelled { by, reason: None });
}

#[test]
fn expiry_closes_what_was_not_captured() {
    let expired = held().when(&told(1, EXPIRED)).then(&["authorisation_expired", "cancelled"]);
    assert_eq!(expired.events()[0], {
        let (released, channel_trade_no) = (usd(10_000), None);
        PaymentEvent::AuthorisationExpired { attempt: 1, released, channel_trade_no }
    });
    assert_eq!(expired.events()[1], PaymentEvent::Cancelled { by: Actor::Process, reason: None });
    expired.is(Status::Cancelled).in_phase(Phase::Expired).when(&initiate()).then_nothing();
    let asked = held().given(&cancel()).when(&told(1, EXPIRED));
    assert_eq!(asked.events()[1], PaymentEvent::Cancelled { by: Actor::Merchant(merchant()), reason: None });
    submitted().when(&told(1, EXPIRED)).then(&["authorisation_expired", "cancelled"]);
}

#[test]
fn expiry_of_a_remainder_leaves_what_was_captured() {
    let part = partly_captured();
    for report in [EXPIRED, VOIDED] {
        let told = part.clone().when(&told(1, report)).is(Status::Success).in_phase(Phase::Captured);
        assert_eq!(told.events().len(), 1);
        told.when(&settle(1)).then(&["settled"]);
    }
}
