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
        let done = asked.when(&told(1, Report::Voided)).then(&["voided", "cancelled"]).is(Status::Cancelled);
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
    authorised_first.when(&told(1, Report::Voided)).then(&["voided", "cancelled"]);
}

#[test]
fn success_that_loses_the_race_is_late() {
    let lost = submitted().given(&cancel()).given(&told(1, Report::Voided));
    let late = lost.when(&captured(1, 1, usd(10_000))).then(&["succeeded_late"]).is(Status::Cancelled);
    late.when(&return_late(1)).then(&["late_success_returned"]).is(Status::Cancelled);
}

#[test]
fn a_payment_with_money_in_it_is_refunded_instead() {
    paid().when(&cancel()).then_refused(PaymentRefusal::PaymentCaptured);
    let part = held().given(&capture(1, usd(1))).given(&captured(1, 1, usd(1)));
    part.when(&cancel()).then_refused(PaymentRefusal::PaymentCaptured);
}

#[test]
fn who_asked_is_who_cancelled() {
    let told = submitted().given(&cancel()).when(&told(1, Report::Voided));
    let by = Actor::Merchant(merchant());
    assert_eq!(told.events()[1], PaymentEvent::Cancelled { by });
}

#[test]
fn expiry_closes_what_was_not_captured() {
    let expired = held().when(&told(1, Report::Expired)).then(&["authorisation_expired", "cancelled"]);
    assert_eq!(expired.events()[0], PaymentEvent::AuthorisationExpired { attempt: 1, released: usd(10_000) });
    assert_eq!(expired.events()[1], PaymentEvent::Cancelled { by: Actor::Process });
    expired.is(Status::Cancelled).in_phase(Phase::Expired).when(&initiate()).then_nothing();
    let asked = held().given(&cancel()).when(&told(1, Report::Expired));
    assert_eq!(asked.events()[1], PaymentEvent::Cancelled { by: Actor::Merchant(merchant()) });
    submitted().when(&told(1, Report::Expired)).then(&["authorisation_expired", "cancelled"]);
}

#[test]
fn expiry_of_a_remainder_leaves_what_was_captured() {
    let part = held().given(&capture(1, usd(4_000))).given(&captured(1, 1, usd(4_000)));
    for report in [Report::Expired, Report::Voided] {
        let told = part.clone().when(&told(1, report)).is(Status::Success).in_phase(Phase::Captured);
        assert_eq!(told.events().len(), 1);
        told.when(&settle(1)).then(&["settled"]);
    }
}
