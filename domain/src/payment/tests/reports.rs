//! What channels tell: doubled, out of order, late, wrong.

use super::*;

fn all_reports() -> Vec<PaymentCommand> {
    vec![
        authorised(1, usd(10_000)),
        captured(1, 1, usd(10_000)),
        declined(1),
        told(1, Report::Unknown),
        told(1, Report::Voided),
        told(1, Report::Expired),
    ]
}

#[test]
fn an_attempt_no_channel_has_can_have_no_report() {
    let rejected = initiated().given(&assessed(1, RiskDecision::Reject));
    let approved = initiated().given(&assessed(1, RiskDecision::Approve));
    for before in [initiated(), approved, rejected] {
        for report in all_reports() {
            before.clone().when(&report).then_refused(PaymentRefusal::AttemptNotSubmitted);
        }
    }
}

#[test]
fn reports_of_a_submitted_attempt() {
    submitted().when(&authorised(1, usd(10_000))).then(&["authorised"]).in_phase(Phase::Authorised);
    submitted().when(&declined(1)).then(&["failed"]).in_phase(Phase::Failed);
    submitted().when(&told(1, Report::Unknown)).then(&["outcome_unknown"]).in_phase(Phase::Unknown);
    submitted().when(&told(1, Report::Voided)).then(&["voided"]).in_phase(Phase::Voided).is(Status::Failed);
    submitted().when(&capture_declined(1, 1)).then_refused(PaymentRefusal::CaptureUnknown);
}

#[test]
fn better_evidence_is_not_undone_by_worse() {
    for report in [authorised(1, usd(10_000)), declined(1), told(1, Report::Unknown)] {
        held().when(&report).then_nothing().in_phase(Phase::Authorised);
        paid().when(&report).then_nothing().is(Status::Success);
    }
    for report in [told(1, Report::Voided), told(1, Report::Expired), authorised(1, usd(9_999))] {
        paid().when(&report).then_nothing().is(Status::Success);
    }
}

#[test]
fn an_ended_attempt_absorbs_what_is_no_success() {
    for report in [declined(1), told(1, Report::Unknown), told(1, Report::Voided), told(1, Report::Expired)] {
        failed().when(&report).then_nothing().is(Status::Failed);
    }
    failed().when(&capture_declined(1, 1)).then_nothing();
    // A doubled report of the authorisation that was let go is no late success.
    held().given(&told(1, Report::Voided)).when(&authorised(1, usd(10_000))).then_nothing();
}

#[test]
fn success_of_a_failed_attempt_is_late_and_nobodys() {
    let late = failed().when(&captured(1, 1, usd(10_000))).then(&["money_suspended"]).is(Status::Failed);
    assert_eq!(late.state.captured(), Some(usd(0)));
    late.clone().when(&captured(1, 1, usd(10_000))).then_nothing();
    late.given(&return_suspense(taken(1, 1))).when(&captured(1, 1, usd(10_000))).then_nothing();
}

#[test]
fn a_late_authorisation_is_held_until_it_is_released() {
    let late = failed().when(&authorised(1, usd(10_000))).then(&["authorised_late"]).is(Status::Failed);
    assert!(late.events()[0].posting().moves_no_money());
    late.clone().when(&authorised(1, usd(10_000))).then_nothing();
    let released = late.when(&release_late(1)).then(&["late_authorisation_released"]);
    released.clone().when(&authorised(1, usd(10_000))).then_nothing();
    let captured = released.when(&captured(1, 1, usd(10_000))).then(&["money_suspended"]);
    captured.when(&return_suspense(taken(1, 1))).then(&["suspense_returned"]);
}

#[test]
fn an_authorisation_of_another_amount_is_not_late_when_told_again() {
    let wrong = submitted().given(&authorised(1, usd(9_999))).given(&declined(1));
    wrong.clone().when(&authorised(1, usd(9_999))).then_nothing();
    wrong.when(&authorised(1, usd(10_000))).then(&["authorised_late"]);
    failed().when(&authorised(1, usd(0))).then(&["amount_mismatched"]);
}

#[test]
fn late_success_after_another_attempt_succeeded_is_returned_by_itself() {
    let twice = failed()
        .given(&initiate())
        .given(&assessed(2, RiskDecision::Approve))
        .given(&submit(2))
        .given(&captured(2, 1, usd(10_000)))
        .when(&captured(1, 2, usd(10_000)))
        .then(&["money_suspended"])
        .is(Status::Success);
    assert_eq!(twice.state.captured(), Some(usd(10_000)));
    twice.when(&return_suspense(taken(1, 2))).then(&["suspense_returned"]).is(Status::Success);
}

#[test]
fn what_was_not_late_is_not_released() {
    failed().when(&release_late(1)).then_refused(PaymentRefusal::NothingLate);
    paid().when(&release_late(1)).then_refused(PaymentRefusal::NothingLate);
}

#[test]
fn a_late_amount_that_is_none_is_only_kept() {
    failed().when(&captured(1, 1, usd(0))).then(&["amount_mismatched"]);
    failed().when(&captured(1, 1, usd(-1))).then(&["amount_mismatched"]);
}

#[test]
fn a_void_drops_the_capture_under_way() {
    let asked = held().given(&capture(1, usd(4_000)));
    let voided = asked.when(&told(1, Report::Voided)).then(&["voided"]).in_phase(Phase::Voided);
    voided.when(&captured(1, 1, usd(4_000))).then(&["money_suspended"]);
    let released = partly_captured().given(&capture(2, usd(100))).given(&told(1, Report::Voided));
    released.clone().when(&settle(1)).then(&["settled"]);
    released.when(&captured(1, 2, usd(100))).then(&["money_suspended"]);
}
