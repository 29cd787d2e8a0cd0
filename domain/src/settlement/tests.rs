//! Settlements: each line once, closed sums, two people, one payout at a time.

use uuid::Uuid;

use super::*;
use crate::{
    currency::Currency,
    id::{AdjustmentId, DisputeId, MerchantId, OperatorId, RefundId, SettlementId},
    scenario::Story,
    settlement::event::{Closed, Period},
};

type Told = Story<Settlement>;

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::EUR)
}

fn person(number: u128) -> Actor {
    Actor::Operator(OperatorId::new(Uuid::from_u128(number)))
}

fn opening() -> Opened {
    let merchant_id = MerchantId::new(Uuid::from_u128(1));
    Opened {
        settlement_id: SettlementId::derive(merchant_id, true, Currency::USD, "2026-01-31"),
        merchant_id,
        livemode: true,
        currency: Currency::USD,
        period: Period { from: "2026-01-01".parse().unwrap(), until: "2026-01-31".parse().unwrap() },
        opened_by: person(1),
        two_people: true,
        threshold_minor: 0,
    }
}

fn open(opening: Opened) -> SettlementCommand {
    SettlementCommand::Open(Box::new(opening))
}

fn line(number: u128, captured: i64, fees: i64, refunds: i64, disputes: i64) -> PaymentLine {
    PaymentLine {
        settlement_id: opening().settlement_id,
        merchant_id: opening().merchant_id,
        livemode: Some(true),
        payment_id: PaymentId::new(Uuid::from_u128(number)),
        captured: usd(captured),
        fees: usd(fees),
        refunds: usd(refunds),
        disputes: usd(disputes),
        net: usd(captured - fees - refunds - disputes),
    }
}

fn include(line: PaymentLine) -> SettlementCommand {
    SettlementCommand::IncludePayment(Box::new(line))
}

fn entry(source: Source, amount: Money) -> SettlementCommand {
    let Opened { settlement_id, merchant_id, .. } = opening();
    SettlementCommand::IncludeEntry(Box::new(Entry {
        settlement_id,
        merchant_id,
        livemode: Some(true),
        source,
        amount,
    }))
}

fn settlement_no(number: u128) -> SettlementId {
    SettlementId::new(Uuid::from_u128(number))
}

fn carried(from: u128, amount: Money) -> CarryOver {
    let Opened { settlement_id, merchant_id, .. } = opening();
    let (from, into, livemode) = (settlement_no(from), settlement_id, Some(true));
    CarryOver { from, into, merchant_id, livemode, number: 1, amount }
}

fn include_carry_over(carried: CarryOver) -> SettlementCommand {
    SettlementCommand::IncludeCarryOver(Box::new(carried))
}

fn carry_over(into: u128) -> SettlementCommand {
    carry_over_again(1, into)
}

fn carry_over_again(number: u32, into: u128) -> SettlementCommand {
    let into = Destination { settlement_id: settlement_no(into), ..opening().destination() };
    SettlementCommand::CarryOver { number, into }
}

fn adjustment(number: u128) -> Source {
    Source::Adjustment(AdjustmentId::new(Uuid::from_u128(number)))
}

fn close() -> SettlementCommand {
    SettlementCommand::Close { by: Actor::Process }
}

fn approve(by: Actor) -> SettlementCommand {
    SettlementCommand::Approve { by }
}

fn payout_no(number: u128) -> PayoutId {
    PayoutId::new(Uuid::from_u128(number))
}

fn pay_out(number: u128) -> SettlementCommand {
    SettlementCommand::StartPayout { payout_id: payout_no(number) }
}

fn paid_out(number: u128) -> SettlementCommand {
    SettlementCommand::ReportPaidOut { payout_id: payout_no(number) }
}

fn payout_failed(number: u128) -> SettlementCommand {
    let reason = FreeText::parse("account closed").unwrap();
    SettlementCommand::ReportPayoutFailed { payout_id: payout_no(number), reason }
}

fn payout_returned(number: u128) -> SettlementCommand {
    let reason = FreeText::parse("account closed").unwrap();
    SettlementCommand::ReportPayoutReturned { payout_id: payout_no(number), reason }
}

fn reopen() -> SettlementCommand {
    SettlementCommand::Reopen { by: person(1), reason: FreeText::parse("one more").unwrap() }
}

fn opened() -> Told {
    Story::untold().given(&open(opening()))
}

fn closed() -> Told {
    opened().given(&include(line(1, 10_000, 320, 0, 0))).given(&close())
}

fn approved() -> Told {
    closed().given(&approve(person(2)))
}

fn paying() -> Told {
    approved().given(&pay_out(1))
}

fn sums(told: &Told) -> Closed {
    let [SettlementEvent::Closed(closed)] = told.events() else { unreachable!() };
    closed.as_ref().clone()
}

#[test]
fn a_settlement_is_opened_once() {
    opened().is(Phase::Open);
    opened().when(&open(Opened { two_people: false, ..opening() })).then_refused(SettlementRefusal::SettlementDiffers);
    let backwards = Period { from: "2026-02-01".parse().unwrap(), ..opening().period };
    let told = Told::untold();
    told.clone()
        .when(&open(Opened { period: backwards, ..opening() }))
        .then_refused(SettlementRefusal::PeriodBackwards);
    let one_day = Period { from: opening().period.until, ..opening().period };
    told.clone().when(&open(Opened { period: one_day, ..opening() })).then(&["opened"]);
    told.when(&open(Opened { threshold_minor: -1, ..opening() })).then_refused(SettlementRefusal::ThresholdNegative);
}

impl Told {
    fn is(self, phase: Phase) -> Self {
        assert_eq!(self.state.phase(), Some(phase));
        self
    }

    fn owes(self, amount_minor: i64) -> Self {
        assert_eq!(self.state.owed(), Some(usd(amount_minor)));
        self
    }
}

#[test]
fn sums_are_of_every_line() {
    let refund = Source::Refund(RefundId::new(Uuid::from_u128(7)));
    let bounce = Source::RefundBounce(RefundId::new(Uuid::from_u128(8)));
    let dispute = Source::Dispute(DisputeId::new(Uuid::from_u128(9)));
    let won = Source::DisputeWon(DisputeId::new(Uuid::from_u128(10)));
    let told = Told::untold()
        .given(&open(opening()))
        .given(&include_carry_over(carried(20, usd(-1_010))))
        .given(&include_carry_over(carried(21, usd(10))))
        .given(&include(line(1, 10_000, 320, 500, 100)))
        .given(&include(line(2, 2_000, 88, 0, 0)))
        .given(&entry(refund, usd(-300)))
        .given(&entry(bounce, usd(50)))
        .given(&entry(dispute, usd(-40)))
        .given(&entry(won, usd(30)))
        .given(&entry(adjustment(11), usd(-10)))
        .given(&entry(Source::AdjustmentReversed(AdjustmentId::new(Uuid::from_u128(12))), usd(3)))
        .when(&close())
        .then(&["closed"]);
    let seen = sums(&told);
    assert_eq!(
        (seen.gross, seen.fees, seen.refunds, seen.disputes, seen.adjustments),
        (usd(12_000), usd(408), usd(750), usd(110), usd(-7))
    );
    assert_eq!((seen.carried_over, seen.net, seen.payments_count), (usd(-1_000), usd(9_725), 2));
    assert!(!seen.carries_over);
    assert_eq!(told.state.net(), Some(usd(9_725)));
}

#[test]
fn each_line_is_included_once() {
    let one = opened().given(&include(line(1, 100, 0, 0, 0))).given(&entry(adjustment(1), usd(5)));
    let one = one.given(&include_carry_over(carried(20, usd(-5))));
    one.clone().when(&include(line(1, 100, 0, 0, 0))).then_nothing();
    one.clone().when(&entry(adjustment(1), usd(5))).then_nothing();
    one.clone().when(&include_carry_over(carried(20, usd(-5)))).then_nothing();
    for different in [
        include(line(1, 200, 0, 0, 0)),
        include(line(1, 101, 1, 0, 0)),
        include(PaymentLine { net: euro(100), ..line(1, 100, 0, 0, 0) }),
        entry(adjustment(1), usd(6)),
        entry(adjustment(1), euro(5)),
        include_carry_over(carried(20, usd(-6))),
    ] {
        one.clone().when(&different).then_refused(SettlementRefusal::LineDiffers);
        one.clone().given(&close()).when(&different).then_refused(SettlementRefusal::LineDiffers);
    }
}

#[test]
fn a_payment_is_no_entry() {
    let payment = Source::Payment(PaymentId::new(Uuid::from_u128(1)));
    opened().when(&entry(payment, usd(5))).then_refused(SettlementRefusal::PaymentIsNoEntry);
}

#[test]
fn a_line_of_another_settlement_or_merchant_is_refused() {
    let (elsewhere, other) = (settlement_no(9), MerchantId::new(Uuid::from_u128(9)));
    let of_entry = |settlement_id, merchant_id, livemode| {
        let (source, amount) = (adjustment(1), usd(1));
        SettlementCommand::IncludeEntry(Box::new(Entry { settlement_id, merchant_id, livemode, source, amount }))
    };
    let (own, mode) = (opening(), Some(true));
    for stray in [
        include(PaymentLine { settlement_id: elsewhere, ..line(1, 1, 0, 0, 0) }),
        include(PaymentLine { merchant_id: other, ..line(1, 1, 0, 0, 0) }),
        of_entry(elsewhere, own.merchant_id, mode),
        of_entry(own.settlement_id, other, mode),
        include_carry_over(CarryOver { into: elsewhere, ..carried(20, usd(-1)) }),
        include_carry_over(CarryOver { merchant_id: other, ..carried(20, usd(-1)) }),
    ] {
        opened().when(&stray).then_refused(SettlementRefusal::LineOfAnother);
    }
    // Test and live money never meet, and what says of neither is neither.
    for livemode in [Some(false), None] {
        for stray in [
            include(PaymentLine { livemode, ..line(1, 1, 0, 0, 0) }),
            of_entry(own.settlement_id, own.merchant_id, livemode),
            include_carry_over(CarryOver { livemode, ..carried(20, usd(-1)) }),
        ] {
            opened().when(&stray).then_refused(SettlementRefusal::LineOfAnother);
        }
    }
}

#[test]
fn nothing_is_carried_over_to_another_merchant_mode_or_currency() {
    let owing = opened().given(&include(line(1, 100, 3, 200, 0))).given(&close());
    let next = Destination { settlement_id: settlement_no(2), ..opening().destination() };
    for into in [
        Destination { merchant_id: MerchantId::new(Uuid::from_u128(9)), ..next },
        Destination { livemode: false, ..next },
        Destination { currency: Currency::EUR, ..next },
    ] {
        let stray = SettlementCommand::CarryOver { number: 1, into };
        owing.clone().when(&stray).then_refused(SettlementRefusal::SettlementOfAnother);
    }
}

#[test]
fn no_part_of_a_payment_is_negative() {
    for wrong in [line(1, -1, 0, 0, 0), line(1, 0, -1, 0, 0), line(1, 0, 0, -1, 0), line(1, 0, 0, 0, -1)] {
        opened().when(&include(wrong)).then_refused(SettlementRefusal::LinePartNegative);
    }
    // Refunded before it settled, with the fee kept: what it leaves may be negative.
    opened().when(&include(line(1, 100, 3, 100, 0))).then(&["payment_included"]).owes(-3);
}

#[test]
fn a_line_must_add_up_in_the_currency_of_the_settlement() {
    let wrong = PaymentLine { net: usd(1), ..line(1, 100, 0, 0, 0) };
    opened().when(&include(wrong)).then_refused(SettlementRefusal::LineDoesNotAddUp);
    for foreign in [
        PaymentLine { captured: euro(100), ..line(1, 100, 0, 0, 0) },
        PaymentLine { net: euro(100), ..line(1, 100, 0, 0, 0) },
    ] {
        opened().when(&include(foreign)).then_refused(SettlementRefusal::CurrencyMismatch);
    }
    opened().when(&entry(adjustment(1), euro(1))).then_refused(SettlementRefusal::CurrencyMismatch);
    opened().when(&include_carry_over(carried(20, euro(1)))).then_refused(SettlementRefusal::CurrencyMismatch);
}

#[test]
fn sums_beyond_the_ledger_are_refused() {
    let full = opened().given(&include(line(1, i64::MAX, 0, 0, 0)));
    full.clone().when(&include(line(2, 1, 0, 0, 0))).then_refused(SettlementRefusal::AmountOverflow);
    full.clone().when(&entry(adjustment(1), usd(1))).then_refused(SettlementRefusal::AmountOverflow);
    full.when(&include_carry_over(carried(20, usd(1)))).then_refused(SettlementRefusal::AmountOverflow);
}

#[test]
fn nothing_is_included_once_it_is_closed() {
    closed().when(&include(line(2, 1, 0, 0, 0))).then_refused(SettlementRefusal::SettlementNotOpen);
    closed().when(&entry(adjustment(1), usd(1))).then_refused(SettlementRefusal::SettlementNotOpen);
    closed().when(&include_carry_over(carried(20, usd(1)))).then_refused(SettlementRefusal::SettlementNotOpen);
    closed().when(&include(line(1, 10_000, 320, 0, 0))).then_nothing();
}

#[test]
fn a_negative_net_carries_over() {
    let told = opened().given(&include(line(1, 100, 3, 200, 0))).when(&close());
    assert!(sums(&told).carries_over);
    assert_eq!(sums(&told).net, usd(-103));
    told.when(&approve(person(2))).then_refused(SettlementRefusal::NothingToPayOut);
    let zero = opened().when(&close());
    assert!(!sums(&zero).carries_over);
    zero.clone().when(&approve(person(2))).then_refused(SettlementRefusal::NothingToPayOut);
    zero.clone().when(&pay_out(1)).then_refused(SettlementRefusal::SettlementNotApproved);
    zero.when(&carry_over(2)).then_refused(SettlementRefusal::NothingToCarryOver);
}

#[test]
fn where_nothing_is_owed_either_way_it_has_ended_until_more_comes() {
    let zero = opened().when(&close()).then(&["closed"]).is(Phase::NothingOwed).owes(0);
    zero.clone().when(&close()).then_nothing();
    let more = zero.given(&reopen()).is(Phase::Open).given(&include(line(1, 100, 3, 0, 0)));
    more.given(&close()).is(Phase::Closed).given(&approve(person(2))).when(&pay_out(1)).then(&["payout_started"]);
    // What failed was taken off, and is paid after all: the merchant owes it.
    let taken_off = paying().given(&payout_failed(1)).given(&reopen()).given(&entry(adjustment(1), usd(-9_680)));
    let owing = taken_off.given(&close()).is(Phase::NothingOwed).given(&paid_out(1)).is(Phase::Closed).owes(-9_680);
    owing.clone().given(&payout_returned(1)).is(Phase::NothingOwed).owes(0);
    owing.given(&carry_over(2)).is(Phase::CarriedOver).owes(0);
}

#[test]
fn what_is_below_the_threshold_carries_over() {
    let told = |captured| {
        let opening = Opened { threshold_minor: 1_000, ..opening() };
        Told::untold().given(&open(opening)).given(&include(line(1, captured, 0, 0, 0))).when(&close())
    };
    assert!(sums(&told(999)).carries_over && !sums(&told(1_000)).carries_over);
    told(999).when(&approve(person(2))).then_refused(SettlementRefusal::NothingToPayOut);
    assert_eq!((told(999).state.to_carry_over(), told(1_000).state.to_carry_over()), (Some((1, usd(999))), None));
    let carried = told(999).when(&carry_over(2)).then(&["carried_over"]).is(Phase::CarriedOver).owes(0);
    let Opened { settlement_id: from, merchant_id, .. } = opening();
    let (into, livemode) = (settlement_no(2), Some(true));
    let expected = CarryOver { from, into, merchant_id, livemode, number: 1, amount: usd(999) };
    assert_eq!(carried.events()[0], SettlementEvent::CarriedOver(Box::new(expected)));
    told(1_000).when(&carry_over(2)).then_refused(SettlementRefusal::NothingToCarryOver);
    told(1_000).when(&approve(person(2))).then(&["approved"]);
}

#[test]
fn what_is_left_is_carried_over_once() {
    let owing = opened().given(&include(line(1, 100, 3, 200, 0)));
    owing.clone().when(&carry_over(2)).then_refused(SettlementRefusal::SettlementNotClosed);
    let told = owing.given(&close()).when(&carry_over(2)).then(&["carried_over"]);
    told.clone().when(&close()).then_nothing();
    for command in [carry_over(3), approve(person(2)), pay_out(1)] {
        told.clone().when(&command).then_refused(SettlementRefusal::AlreadyCarriedOver);
    }
    told.clone().when(&include(line(2, 1, 0, 0, 0))).then_refused(SettlementRefusal::SettlementNotOpen);
    told.clone().when(&carry_over_again(2, 2)).then_refused(SettlementRefusal::NothingToCarryOver);
    for number in [0, 3, u32::MAX] {
        told.clone().when(&carry_over_again(number, 2)).then_refused(SettlementRefusal::CarryOverOutOfOrder);
    }
    let into_itself = SettlementCommand::CarryOver { number: 1, into: opening().destination() };
    let closed = opened().given(&include(line(1, 100, 3, 200, 0))).given(&close());
    closed.when(&into_itself).then_refused(SettlementRefusal::NothingToCarryOver);
}

#[test]
fn where_two_people_are_asked_for_the_second_is_an_operator_who_took_no_part() {
    closed().when(&approve(person(1))).then_refused(SettlementRefusal::ApproverTookPart);
    closed().when(&approve(person(2))).then(&["approved"]).is(Phase::Approved);
    for nobody in [Actor::Process, Actor::Merchant(opening().merchant_id)] {
        closed().when(&approve(nobody)).then_refused(SettlementRefusal::ApproverNotOperator);
    }
    let by_machine = Told::untold().given(&open(Opened { opened_by: Actor::Process, ..opening() }));
    let closed_by = |number| {
        let close = SettlementCommand::Close { by: person(number) };
        by_machine.clone().given(&include(line(1, 100, 0, 0, 0))).given(&close)
    };
    closed_by(3).when(&approve(person(3))).then_refused(SettlementRefusal::ApproverTookPart);
    let again = closed_by(3).given(&reopen()).given(&close());
    again.clone().when(&approve(person(3))).then_refused(SettlementRefusal::ApproverTookPart);
    again.clone().when(&approve(person(1))).then_refused(SettlementRefusal::ApproverTookPart);
    again.when(&approve(person(2))).then(&["approved"]);
    let alone = Told::untold()
        .given(&open(Opened { two_people: false, ..opening() }))
        .given(&include(line(1, 100, 0, 0, 0)))
        .given(&close());
    alone.clone().when(&approve(person(1))).then(&["approved"]);
    alone.when(&approve(Actor::Process)).then(&["approved"]);
    opened().when(&approve(person(2))).then_refused(SettlementRefusal::SettlementNotClosed);
}

#[test]
fn what_is_approved_is_paid_out_once() {
    let started = approved().when(&pay_out(1)).then(&["payout_started"]).is(Phase::PayingOut);
    let seen = started.state.payouts();
    assert_eq!(seen.iter().map(|payout| payout.standing).collect::<Vec<_>>(), [Standing::UnderWay]);
    assert_eq!(started.events()[0], SettlementEvent::PayoutStarted { payout_id: payout_no(1), amount: usd(9_680) });
    started.clone().when(&pay_out(2)).then_refused(SettlementRefusal::PayoutInProgress);
    let done = started.when(&paid_out(1)).then(&["paid_out"]).is(Phase::PaidOut);
    done.clone().when(&pay_out(2)).then_refused(SettlementRefusal::PayoutAlreadyDone);
    done.clone().when(&approve(person(2))).then_nothing();
    done.clone().when(&carry_over(2)).then_refused(SettlementRefusal::NothingToCarryOver);
}

#[test]
fn what_was_on_its_way_when_it_closed_comes_in_after_the_payout_and_is_paid_alone() {
    let late = include(line(9, 1_000, 0, 0, 0));
    let done = paying().given(&paid_out(1)).owes(0);
    done.clone().when(&late).then_refused(SettlementRefusal::SettlementNotOpen);
    let again = done.when(&reopen()).then(&["reopened"]).is(Phase::Open).given(&late).owes(1_000);
    again
        .given(&close())
        .given(&approve(person(2)))
        .when(&pay_out(2))
        .then_exactly(&[SettlementEvent::PayoutStarted { payout_id: payout_no(2), amount: usd(1_000) }]);
}

#[test]
fn what_was_on_its_way_when_it_was_carried_over_comes_in_after_and_leaves_alone() {
    let owing = opened().given(&include(line(1, 100, 3, 200, 0))).given(&close()).given(&carry_over(2));
    // Enough to be paid out.
    let late = include(line(9, 1_000, 0, 0, 0));
    owing.clone().when(&late).then_refused(SettlementRefusal::SettlementNotOpen);
    let again = owing.when(&reopen()).then(&["reopened"]).is(Phase::Open).given(&late).owes(1_000);
    let paid = again.given(&close()).given(&approve(person(2))).given(&pay_out(1)).given(&paid_out(1));
    let paid = paid.is(Phase::PaidOut).owes(0);
    // And something that is to be carried over as well, to another settlement than before.
    let less = paid.given(&reopen()).given(&entry(adjustment(1), usd(-5))).given(&close()).is(Phase::Closed);
    less.clone().when(&carry_over(2)).then_nothing();
    let Opened { settlement_id: from, merchant_id, .. } = opening();
    let (into, livemode) = (settlement_no(3), Some(true));
    let second = CarryOver { from, into, merchant_id, livemode, number: 2, amount: usd(-5) };
    let gone = less.when(&carry_over_again(2, 3)).then_exactly(&[SettlementEvent::CarriedOver(Box::new(second))]);
    let gone = gone.is(Phase::CarriedOver).owes(0);
    gone.clone().when(&carry_over_again(2, 4)).then_refused(SettlementRefusal::AlreadyCarriedOver);
    // Opened again for nothing it ends as it was.
    gone.given(&reopen()).given(&close()).is(Phase::PaidOut);
}

#[test]
fn two_carry_overs_of_one_settlement_are_two_lines() {
    let first = carried(20, usd(-5));
    let second = CarryOver { number: 2, ..carried(20, usd(-5)) };
    let told = opened().given(&include_carry_over(first)).given(&include_carry_over(second.clone())).owes(-10);
    told.clone().when(&include_carry_over(second.clone())).then_nothing();
    let different = CarryOver { amount: usd(-6), ..second };
    told.when(&include_carry_over(different)).then_refused(SettlementRefusal::LineDiffers);
}

#[test]
fn a_failed_payout_is_tried_again_under_a_new_id() {
    let failed = paying().when(&payout_failed(1)).then(&["payout_failed"]).is(Phase::PayoutFailed);
    failed.clone().when(&pay_out(1)).then_nothing();
    failed.clone().given(&pay_out(2)).when(&paid_out(2)).then(&["paid_out"]);
    failed.when(&reopen()).then(&["reopened"]).is(Phase::Open);
}

#[test]
fn a_payout_that_comes_back_is_owed_again() {
    let done = paying().given(&paid_out(1)).owes(0);
    for evidence in [payout_failed(1), payout_returned(1)] {
        let back = done.clone().when(&evidence).then(&["payout_returned"]).is(Phase::PayoutFailed).owes(9_680);
        back.clone().when(&paid_out(1)).then_nothing();
        back.given(&pay_out(2)).given(&paid_out(2)).is(Phase::PaidOut).owes(0);
    }
    paying().when(&payout_returned(1)).then(&["paid_out", "payout_returned"]).is(Phase::PayoutFailed);
}

#[test]
fn a_payout_made_after_it_had_failed_settles_what_is_owed() {
    let failed = paying().given(&payout_failed(1));
    let late = failed.clone().when(&paid_out(1)).then(&["paid_out"]).is(Phase::PaidOut).owes(0);
    late.clone().when(&pay_out(2)).then_refused(SettlementRefusal::PayoutAlreadyDone);
    late.when(&payout_failed(1)).then_nothing();
    // Opened again in between: only what came on top is left to pay.
    let again = failed.given(&reopen()).given(&include(line(2, 1_000, 59, 0, 0))).given(&paid_out(1)).is(Phase::Open);
    let approved = again.given(&close()).given(&approve(person(2)));
    let rest = approved.when(&pay_out(2)).then(&["payout_started"]);
    assert_eq!(rest.events()[0], SettlementEvent::PayoutStarted { payout_id: payout_no(2), amount: usd(941) });
}

#[test]
fn what_was_paid_twice_is_carried_over_against_the_merchant() {
    let second = paying().given(&payout_failed(1)).given(&pay_out(2));
    let late = second.given(&paid_out(1)).is(Phase::PayingOut);
    late.clone().when(&carry_over(2)).then_refused(SettlementRefusal::PayoutInProgress);
    late.clone().given(&payout_failed(2)).is(Phase::PaidOut).owes(0);
    let twice = late.given(&paid_out(2)).is(Phase::PaidOut).owes(-9_680);
    let carried = twice.when(&carry_over(2)).then(&["carried_over"]).owes(0);
    // And one of the two comes back all the same: it is paid out again, and nothing is opened again.
    let back = carried.given(&payout_returned(2)).is(Phase::PayoutFailed).owes(9_680);
    let again = back.given(&pay_out(3)).given(&paid_out(3)).is(Phase::PaidOut).owes(0);
    again.given(&reopen()).given(&close()).is(Phase::PaidOut);
}

#[test]
fn what_is_paid_after_all_once_it_was_carried_over_is_carried_over_again() {
    let failed = paying().given(&payout_failed(1)).given(&reopen()).given(&entry(adjustment(1), usd(-10_000)));
    let carried = failed.given(&close()).given(&carry_over(2)).is(Phase::CarriedOver).owes(0);
    let late = carried.given(&paid_out(1)).is(Phase::CarriedOver).owes(-9_680);
    late.clone().given(&carry_over_again(2, 2)).is(Phase::CarriedOver).owes(0);
    late.given(&payout_returned(1)).is(Phase::CarriedOver).owes(0);
}

#[test]
fn nothing_leaves_a_settlement_that_was_paid_while_it_was_open_again() {
    let again = paying().given(&payout_failed(1)).given(&reopen()).given(&close()).given(&approve(person(2)));
    let late = again.given(&paid_out(1)).is(Phase::PaidOut).owes(0);
    late.when(&pay_out(2)).then_refused(SettlementRefusal::PayoutAlreadyDone);
}

#[test]
fn a_settlement_paid_while_it_was_open_again_ends() {
    let open = paying().given(&payout_failed(1)).given(&reopen());
    let before = open.clone().given(&paid_out(1)).is(Phase::Open).given(&close()).is(Phase::PaidOut).owes(0);
    let after = open.given(&close()).given(&paid_out(1)).is(Phase::PaidOut).owes(0);
    for ended in [before, after] {
        ended.clone().when(&approve(person(2))).then_nothing();
        // It comes back: nobody has approved it as it stands.
        let back = ended.given(&payout_returned(1)).is(Phase::Closed).owes(9_680);
        back.clone().when(&pay_out(2)).then_refused(SettlementRefusal::SettlementNotApproved);
        back.given(&approve(person(2))).given(&pay_out(2)).given(&paid_out(2)).is(Phase::PaidOut);
    }
}

#[test]
fn more_than_was_paid_meanwhile_is_approved_and_paid() {
    let more = include(line(2, 1_000, 59, 0, 0));
    let closed = paying().given(&payout_failed(1)).given(&reopen()).given(&more).given(&close()).given(&paid_out(1));
    closed.is(Phase::Closed).owes(941).given(&approve(person(2))).given(&pay_out(2)).is(Phase::PayingOut);
}

#[test]
fn what_was_not_approved_is_not_paid_out() {
    for before in [opened(), closed()] {
        before.when(&pay_out(1)).then_refused(SettlementRefusal::SettlementNotApproved);
    }
    for report in [paid_out(1), payout_failed(1), payout_returned(1)] {
        approved().when(&report).then_refused(SettlementRefusal::PayoutUnknown);
    }
}

#[test]
fn a_settlement_is_reopened_unless_money_is_leaving() {
    let again = closed().when(&reopen()).then(&["reopened"]).is(Phase::Open);
    let more = again.given(&include(line(2, 1_000, 59, 0, 0))).when(&close());
    assert_eq!(sums(&more).net, usd(10_621));
    approved().when(&reopen()).then(&["reopened"]);
    paying().when(&reopen()).then_refused(SettlementRefusal::PayoutInProgress);
}

#[test]
fn without_a_settlement_everything_but_opening_is_refused() {
    let commands = [
        include(line(1, 1, 0, 0, 0)),
        entry(adjustment(1), usd(1)),
        close(),
        approve(person(2)),
        pay_out(1),
        paid_out(1),
        payout_failed(1),
        reopen(),
        payout_returned(1),
        carry_over(1),
        include_carry_over(carried(1, usd(1))),
    ];
    for command in commands {
        Told::untold().when(&command).then_refused(SettlementRefusal::SettlementAbsent);
    }
    assert_eq!((Settlement::default().phase(), Settlement::default().net()), (None, None));
}
