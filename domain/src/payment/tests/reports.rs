//! What channels tell: doubled, out of order, late, wrong.

use super::*;
use crate::payment::{attempt::Stage, event::Mismatched};

fn all_reports() -> Vec<PaymentCommand> {
    vec![
        authorised(1, usd(10_000)),
        captured(1, 1, usd(10_000)),
        declined(1),
        told(1, Report::Unknown),
        told(1, VOIDED),
        told(1, EXPIRED),
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
    submitted().when(&told(1, VOIDED)).then(&["voided"]).in_phase(Phase::Voided).is(Status::Failed);
    submitted_manual().when(&capture_declined(1, 1)).then_refused(PaymentRefusal::CaptureUnknown);
}

/// 100.00 authorised, to be captured by the channel itself.
fn held_at_once() -> Told {
    submitted().given(&authorised(1, usd(10_000)))
}

#[test]
fn a_capture_nobody_had_to_ask_for_is_declined_and_somebody_knows() {
    for before in [submitted(), held_at_once()] {
        let told = before.when(&capture_declined(1, 1)).then(&["capture_declined"]).is(Status::Processing);
        // It is tried again under that id or another.
        for number in [1, 2] {
            let tried = told.clone().when(&captured(1, number, usd(10_000))).then(&["captured"]).is(Status::Success);
            tried.clone().when(&capture_declined(1, 1)).then_nothing();
            tried.when(&capture_declined(1, 3)).then_nothing();
        }
        told.when(&capture_declined(1, 2)).then(&["capture_declined"]);
    }
    let unasked = held_at_once().given(&captured(1, 1, usd(1)));
    unasked.when(&capture_declined(1, 1)).then_nothing();
}

#[test]
fn declined_after_it_was_authorised_is_told_once_and_the_authorisation_stands() {
    let decline = Decline::InsufficientFunds;
    let expected = PaymentEvent::CaptureDeclined { attempt: 1, capture_id: None, decline };
    let told = held_at_once().when(&declined(1)).then_exactly(&[expected]).in_phase(Phase::Authorised);
    told.clone().when(&captured(1, 1, usd(10_000))).then(&["captured"]).is(Status::Success);
    told.clone().when(&cancel()).then(&["cancellation_requested"]);
    told.when(&voided()).then(&["voided"]).is(Status::Failed).when(&initiate()).then(&["attempt_opened"]);
    held_at_once().given(&capture_declined(1, 1)).when(&declined(1)).then_nothing();
}

#[test]
fn better_evidence_is_not_undone_by_worse() {
    for report in [authorised(1, usd(10_000)), declined(1), told(1, Report::Unknown)] {
        held().when(&report).then_nothing().in_phase(Phase::Authorised);
        paid().when(&report).then_nothing().is(Status::Success);
    }
    for report in [told(1, VOIDED), told(1, EXPIRED), authorised(1, usd(9_999))] {
        paid().when(&report).then_nothing().is(Status::Success);
    }
}

#[test]
fn an_ended_attempt_absorbs_what_is_no_success() {
    for report in [declined(1), told(1, Report::Unknown), told(1, VOIDED), told(1, EXPIRED)] {
        failed().when(&report).then_nothing().is(Status::Failed);
    }
    failed().when(&capture_declined(1, 1)).then_nothing();
    // A doubled report of the authorisation that was let go is no late success.
    held().given(&told(1, VOIDED)).when(&authorised(1, usd(10_000))).then_nothing();
}

#[test]
fn success_of_a_failed_attempt_is_late_and_nobodys() {
    let late = failed().when(&captured(1, 1, usd(10_000))).then(&["money_suspended"]).is(Status::Failed);
    assert_eq!(late.state.captured(), Some(usd(0)));
    late.clone().when(&captured(1, 1, usd(10_000))).then_nothing();
    let seen = |told: &Told| told.state.suspended(capture_no(1)).map(|(moved, is_back)| (moved.amount, is_back));
    assert_eq!(seen(&late), Some((usd(10_000), false)));
    let back = late.given(&return_suspense(taken(1, 1)));
    assert_eq!(seen(&back), Some((usd(10_000), true)));
    back.when(&captured(1, 1, usd(10_000))).then_nothing();
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
fn the_channel_lets_go_of_a_late_authorisation_by_its_number() {
    let late = failed().given(&authorised_as(1, "ch_2"));
    let seen = |told: &Told| told.state.authorised_late(Some("ch_2")).map(|late| (late.attempt, late.released));
    assert_eq!((seen(&late), seen(&failed())), (Some((1, false)), None));
    assert_eq!(seen(&late.clone().given(&release_late_as("ch_2"))), Some((1, true)));
    // What names none, or another, is about something else, told late or doubled.
    for report in [VOIDED, EXPIRED] {
        late.clone().when(&told(1, report)).then_nothing();
    }
    for report in let_go(1, "ch_1") {
        let other = late.clone().when(&report).then(&["authorisation_let_go"]);
        other.when(&authorised_as(1, "ch_1")).then_nothing();
    }
    for report in let_go(1, "ch_2") {
        let released = late.clone().when(&report).then(&["late_authorisation_released"]).is(Status::Failed);
        let [PaymentEvent::LateAuthorisationReleased { released: amount, channel_trade_no, .. }] = released.events()
        else {
            unreachable!()
        };
        assert_eq!((*amount, channel_trade_no.as_deref()), (usd(10_000), Some("ch_2")));
        released.when(&authorised_as(1, "ch_2")).then_nothing();
    }
}

#[test]
fn an_old_release_told_again_releases_nothing_that_came_after() {
    for [ended, other_way] in [let_go(1, "ch_1"), [voided(), told(1, EXPIRED)]] {
        let late = held().given(&ended).given(&authorised_as(1, "ch_2"));
        for again in [ended, other_way] {
            late.clone().when(&again).then_nothing();
        }
        late.when(&release_late_as("ch_2")).then(&["late_authorisation_released"]);
    }
}

#[test]
fn what_was_let_go_before_it_was_told_of_is_held_no_more() {
    // Ended by it, or ended before: either way the number is remembered.
    for before in [submitted(), failed()] {
        for report in let_go(1, "ch_2") {
            let ended = before.clone().given(&report);
            ended.clone().when(&authorised_as(1, "ch_2")).then_nothing();
            ended.when(&authorised_as(1, "ch_3")).then(&["authorised_late"]);
        }
    }
}

#[test]
fn every_late_authorisation_is_held_and_released_by_itself() {
    let both = failed().given(&authorised_as(1, "ch_2")).given(&authorised_as(1, "ch_3"));
    let one = both.given(&release_late_as("ch_3"));
    one.clone().when(&authorised_as(1, "ch_3")).then_nothing();
    one.clone().when(&release_late_as("ch_4")).then_refused(PaymentRefusal::NothingLate);
    one.when(&release_late_as("ch_2")).then(&["late_authorisation_released"]);
}

#[test]
fn a_second_authorisation_of_a_running_attempt_is_late_too() {
    let twice = held().when(&authorised_as(1, "ch_2")).then(&["authorised_late"]).in_phase(Phase::Authorised);
    for report in let_go(1, "ch_2") {
        let released = twice.clone().when(&report).then(&["late_authorisation_released"]);
        released.in_phase(Phase::Authorised).when(&capture(1, usd(10_000))).then(&["capture_requested"]);
    }
    for report in let_go(1, "ch_1") {
        twice.clone().when(&report).in_phase(if report == let_go(1, "ch_1")[0] {
            Phase::Voided
        } else {
            Phase::Expired
        });
    }
    // Let go of before it was told of.
    let other = held().when(&let_go(1, "ch_2")[0]).then(&["authorisation_let_go"]).in_phase(Phase::Authorised);
    other.when(&authorised_as(1, "ch_2")).then_nothing();
    // Captured without being authorised before: an authorisation told of late may be the one it was captured from.
    paid().when(&authorised_as(1, "ch_2")).then_nothing();
}

#[test]
fn a_late_authorisation_of_before_numbers_were_kept_is_released_by_any() {
    let mut state = failed().state;
    let event = PaymentEvent::AuthorisedLate {
        attempt: 1,
        channel: Channel::Stripe,
        amount: usd(10_000),
        channel_trade_no: None,
    };
    state.apply(&event);
    assert_eq!(state.decide(&authorised_as(1, "ch_2")), Ok(Vec::new()));
    for event in state.decide(&release_late_as("ch_2")).unwrap() {
        state.apply(&event);
    }
    assert_eq!(state.decide(&release_late_as("ch_2")), Ok(Vec::new()));
    assert_eq!(state.attempts[0].late_authorisations.len(), 1);
    assert!(state.attempts[0].late_authorisations[0].released);
}

#[test]
fn an_authorisation_of_another_amount_is_not_late_when_told_again() {
    let wrong = submitted().given(&authorised(1, usd(9_999))).given(&declined(1));
    wrong.clone().when(&authorised(1, usd(9_999))).then_nothing();
    wrong.when(&authorised(1, usd(10_000))).then(&["authorised_late"]);
    failed().when(&authorised(1, usd(0))).then(&["amount_mismatched"]);
}

/// What was kept of the last report.
fn mismatched(told: &Told) -> Mismatched {
    let [PaymentEvent::AmountMismatched(kept)] = told.events() else { unreachable!("{:?}", told.events()) };
    kept.as_ref().clone()
}

#[test]
fn each_report_that_cannot_be_true_is_kept_once_with_what_it_was_about() {
    let first = failed().when(&captured(1, 1, usd(0)));
    let kept = Mismatched {
        attempt: 1,
        channel: Some(Channel::Stripe),
        stage: Stage::Captured,
        capture_id: Some(capture_no(1)),
        channel_trade_no: Some("ch_1".into()),
        expected: usd(0),
        reported: usd(0),
    };
    assert_eq!(mismatched(&first), kept);
    // The same amount of another capture, of another number, of another kind: each is news.
    let second = first.when(&captured(1, 2, usd(0)));
    assert_eq!(mismatched(&second), Mismatched { capture_id: Some(capture_no(2)), ..kept.clone() });
    let (capture_id, amount, channel_trade_no) = (capture_no(1), usd(0), "ch_2".to_owned());
    let renamed = Report::Captured { capture_id, amount, channel_trade_no, effective_at: at() };
    let third = second.when(&told(1, renamed));
    assert_eq!(mismatched(&third), Mismatched { channel_trade_no: Some("ch_2".into()), ..kept.clone() });
    let fourth = third.when(&authorised(1, usd(0)));
    let (stage, expected) = (Stage::Authorised, usd(10_000));
    assert_eq!(mismatched(&fourth), Mismatched { stage, capture_id: None, expected, ..kept });
    for again in [captured(1, 1, usd(0)), captured(1, 2, usd(0)), authorised(1, usd(0))] {
        fourth.clone().when(&again).then_nothing();
    }
    let running = submitted().when(&authorised(1, usd(1)));
    assert_eq!(
        (mismatched(&running).channel_trade_no, mismatched(&running).channel),
        (Some("ch_1".into()), Some(Channel::Stripe))
    );
}

#[test]
fn what_comes_late_says_under_which_number() {
    let late = failed().when(&authorised_as(1, "ch_2"));
    let [PaymentEvent::AuthorisedLate { channel_trade_no, .. }] = late.events() else { unreachable!() };
    assert_eq!(channel_trade_no.as_deref(), Some("ch_2"));
    let taken_late = late.when(&captured(1, 1, usd(10_000)));
    let [PaymentEvent::MoneySuspended(moved)] = taken_late.events() else { unreachable!() };
    assert_eq!(moved.channel_trade_no.as_deref(), Some("ch_1"));
    let returned = taken_late.when(&return_suspense(taken(1, 1)));
    let [PaymentEvent::SuspenseReturned(moved)] = returned.events() else { unreachable!() };
    assert_eq!(moved.channel_trade_no.as_deref(), Some("ch_1"));
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
    let voided = asked.when(&told(1, VOIDED)).then(&["voided"]).in_phase(Phase::Voided);
    voided.clone().when(&captured(1, 1, usd(4_000))).then(&["money_suspended"]);
    // What the channel let go of by itself may be cancelled as well.
    voided.when(&cancel()).then(&["cancelled"]).is(Status::Cancelled);
    let released = partly_captured().given(&capture(2, usd(100))).given(&told(1, VOIDED));
    assert!(!released.state.current().unwrap().is_capture_in_progress());
    released.clone().when(&settle(1)).then(&["settled"]);
    released.when(&captured(1, 2, usd(100))).then(&["money_suspended"]);
}
