//! Starting, checking, reviewing, submitting, and trying again.

use super::*;

fn initiate_with(change: impl FnOnce(&mut Initiate)) -> PaymentCommand {
    let mut start = start(usd(10_000));
    change(&mut start);
    PaymentCommand::Initiate(Box::new(start))
}

fn review(approved: bool) -> PaymentCommand {
    PaymentCommand::DecideReview { attempt: 1, approved, by: operator(), reason: text("called them") }
}

#[test]
fn a_payment_is_initiated_once() {
    let told = untold().when(&initiate()).then(&["initiated"]).is(Status::Pending).in_phase(Phase::Initiated);
    assert_eq!(told.state.agreement(), Some(&start(usd(10_000)).agreed));
    assert_eq!(told.state.captured(), Some(usd(0)));
    assert_eq!(untold().state.captured(), None);
    assert_eq!(untold().state.status(), Status::Pending);
}

#[test]
fn the_route_is_pinned_in_the_event() {
    let told = untold().when(&initiate());
    let [PaymentEvent::Initiated(initiated)] = told.events() else { unreachable!() };
    assert_eq!(initiated.route.fee_plan, plan());
    assert_eq!(initiated.route.channel, Channel::Stripe);
}

#[test]
fn the_same_order_with_other_terms_is_refused() {
    for other in [usd(10_001), euro(10_000)] {
        let command = PaymentCommand::Initiate(Box::new(start(other)));
        initiated().when(&command).then_refused(PaymentRefusal::PaymentDiffers);
    }
}

#[test]
fn what_a_merchant_may_not_do_is_refused_by_name() {
    let start_of = |amount| PaymentCommand::Initiate(Box::new(start(amount)));
    untold().when(&start_of(usd(0))).then_refused(PaymentRefusal::AmountNotPositive);
    untold().when(&start_of(usd(-1))).then_refused(PaymentRefusal::AmountNotPositive);
    untold()
        .when(&initiate_with(|start| start.terms.merchant_active = false))
        .then_refused(PaymentRefusal::MerchantNotActive);
    untold()
        .when(&initiate_with(|start| start.terms.channel_allowed = false))
        .then_refused(PaymentRefusal::ChannelNotAllowed);
    untold()
        .when(&initiate_with(|start| start.terms.currency_allowed = false))
        .then_refused(PaymentRefusal::CurrencyNotAllowed);
    untold().when(&initiate_with(|start| start.terms.fee_plan = None)).then_refused(PaymentRefusal::FeesNotAgreed);
    untold()
        .when(&initiate_with(|start| start.terms.payment_limit_minor = Some(9_999)))
        .then_refused(PaymentRefusal::PaymentLimitExceeded);
    untold().when(&initiate_with(|start| start.terms.payment_limit_minor = Some(10_000))).then(&["initiated"]);
}

#[test]
fn metadata_has_a_limit() {
    let filled = |count: usize| {
        initiate_with(|start| {
            start.purpose.metadata = (0..count).map(|n| (text(&format!("k{n}")), text("v"))).collect();
        })
    };
    untold().when(&filled(20)).then(&["initiated"]);
    untold().when(&filled(21)).then_refused(PaymentRefusal::MetadataTooLarge);
}

#[test]
fn a_duplicate_is_found_whatever_was_agreed_since() {
    initiated().when(&initiate_with(|start| start.terms.merchant_active = false)).then_nothing();
}

#[test]
fn an_unknown_outcome_opens_no_other_attempt() {
    let unknown = submitted().given(&told(1, Report::Unknown)).is(Status::Processing);
    unknown.clone().when(&initiate()).then_nothing();
    unknown.given(&declined(1)).is(Status::Failed).when(&initiate()).then(&["attempt_opened"]);
}

#[test]
fn only_failure_with_evidence_opens_the_next_attempt() {
    for before in [initiated(), submitted(), held(), paid()] {
        before.when(&initiate()).then_nothing();
    }
    let rejected = initiated().given(&assessed(1, RiskDecision::Reject));
    let voided = held().given(&told(1, VOIDED));
    for before in [failed(), rejected, voided] {
        let again = before.is(Status::Failed).when(&initiate()).then(&["attempt_opened"]).is(Status::Pending);
        assert_eq!(again.state.last_attempt(), Some((2, Phase::Initiated)));
    }
}

#[test]
fn real_money_never_goes_through_the_sandbox() {
    let sandbox = initiate_with(|start| start.channel = Channel::Sandbox);
    for before in [untold(), failed()] {
        before.when(&sandbox).then_refused(PaymentRefusal::ChannelNotReal);
    }
    let trial = initiate_with(|start| {
        start.channel = Channel::Sandbox;
        start.agreed.livemode = false;
    });
    untold().when(&trial).then(&["initiated"]);
}

#[test]
fn the_next_attempt_goes_by_the_terms_of_its_day() {
    failed()
        .when(&initiate_with(|start| start.terms.channel_allowed = false))
        .then_refused(PaymentRefusal::ChannelNotAllowed);
    let told = failed().when(&initiate_with(|start| start.channel = Channel::Paypal));
    let [PaymentEvent::AttemptOpened(opened)] = told.events() else { unreachable!() };
    assert_eq!((opened.attempt, opened.route.channel), (2, Channel::Paypal));
}

#[test]
fn a_second_attempt_runs_like_the_first() {
    failed()
        .given(&initiate())
        .given(&assessed(2, RiskDecision::Approve))
        .given(&submit(2))
        .when(&captured(2, 1, usd(10_000)))
        .then(&["captured"])
        .is(Status::Success);
}

#[test]
fn risk_approves_rejects_or_asks_a_person() {
    initiated().when(&assessed(1, RiskDecision::Approve)).then(&["risk_approved"]).is(Status::Pending);
    initiated().when(&assessed(1, RiskDecision::Reject)).then(&["risk_rejected"]).is(Status::Failed);
    initiated().when(&assessed(1, RiskDecision::Review)).then(&["review_requested"]).is(Status::RequiresReview);
}

#[test]
fn the_first_assessment_stands() {
    let approved = initiated().given(&assessed(1, RiskDecision::Approve));
    approved.when(&assessed(1, RiskDecision::Reject)).then_nothing().in_phase(Phase::Approved);
}

#[test]
fn a_review_is_decided_once_by_a_person() {
    let in_review = initiated().given(&assessed(1, RiskDecision::Review));
    let approved = in_review.clone().when(&review(true)).then(&["review_approved"]).in_phase(Phase::Approved);
    approved.clone().when(&review(false)).then_refused(PaymentRefusal::ReviewAlreadyDecided);
    approved.when(&submit(1)).then(&["submitted"]);
    let rejected = in_review.when(&review(false)).then(&["review_rejected"]).is(Status::Failed);
    rejected.clone().when(&review(true)).then_refused(PaymentRefusal::ReviewAlreadyDecided);
    rejected.when(&submit(1)).then_refused(PaymentRefusal::AttemptEnded);
}

#[test]
fn a_review_lapses_once_and_a_person_who_was_faster_is_heard() {
    let lapse = PaymentCommand::LapseReview { attempt: 1 };
    let in_review = initiated().given(&assessed(1, RiskDecision::Review));
    let lapsed = in_review.clone().when(&lapse).then(&["review_lapsed"]).is(Status::Failed).in_phase(Phase::Rejected);
    lapsed.clone().when(&lapse).then_nothing();
    lapsed.clone().when(&review(true)).then_refused(PaymentRefusal::ReviewAlreadyDecided);
    lapsed.when(&initiate()).then(&["attempt_opened"]);
    in_review.when(&review(true)).then(&["review_approved"]).when(&lapse).then_nothing();
    initiated().when(&lapse).then_refused(PaymentRefusal::NotInReview);
}

#[test]
fn where_an_attempt_comes_from_is_its_own() {
    let from = |digit: &str| Origin { ip: digit.repeat(64).parse().ok(), ..Origin::default() };
    let asked =
        |digit: &str| PaymentCommand::Initiate(Box::new(Initiate { origin: from(digit), ..start(usd(10_000)) }));
    let told = Told::untold().when(&asked("a")).then(&["initiated"]);
    let [PaymentEvent::Initiated(first)] = told.events() else { unreachable!() };
    assert_eq!(first.origin, from("a"));
    let rejected = told.given(&assessed(1, RiskDecision::Reject));
    let again = rejected.when(&asked("b")).then(&["attempt_opened"]);
    let [PaymentEvent::AttemptOpened(second)] = again.events() else { unreachable!() };
    assert_eq!(second.origin, from("b"));
}

#[test]
fn a_review_nobody_asked_for_is_refused() {
    initiated().when(&review(true)).then_refused(PaymentRefusal::NotInReview);
}

#[test]
fn nothing_is_submitted_before_risk_approves() {
    initiated().when(&submit(1)).then_refused(PaymentRefusal::RiskNotApproved);
    initiated()
        .given(&assessed(1, RiskDecision::Review))
        .when(&submit(1))
        .then_refused(PaymentRefusal::RiskNotApproved);
    for after in [held(), paid(), failed()] {
        after.when(&submit(1)).then_nothing();
    }
}

#[test]
fn what_names_no_attempt_is_refused() {
    let of_attempt =
        [assessed(2, RiskDecision::Approve), submit(2), authorised(2, usd(1)), declined(2), release_late(2)];
    for command in of_attempt {
        initiated().when(&command).then_refused(PaymentRefusal::AttemptUnknown);
    }
    let review = PaymentCommand::DecideReview { attempt: 2, approved: true, by: operator(), reason: text("x") };
    initiated().when(&review).then_refused(PaymentRefusal::AttemptUnknown);
}

#[test]
fn without_a_payment_everything_but_initiating_is_refused() {
    let commands = [
        assessed(1, RiskDecision::Approve),
        review(true),
        submit(1),
        capture(1, usd(1)),
        cancel(),
        declined(1),
        release_late(1),
        return_suspense(taken(1, 1)),
        reserve(1, usd(1)),
        confirm(1),
        release(1),
        bounce(1),
        dispute(1, usd(1)),
        close_dispute(1, DisputeOutcome::Won),
        settle(1),
    ];
    for command in commands {
        untold().when(&command).then_refused(PaymentRefusal::PaymentAbsent);
    }
}
