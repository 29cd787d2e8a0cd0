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
        carried_over: usd(0),
        opened_by: person(1),
        two_people: true,
    }
}

fn open(opening: Opened) -> SettlementCommand {
    SettlementCommand::Open(Box::new(opening))
}

fn line(number: u128, captured: i64, fees: i64, refunds: i64, disputes: i64) -> PaymentLine {
    PaymentLine {
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
    SettlementCommand::IncludeEntry { source, amount }
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
    told.when(&open(Opened { carried_over: euro(0), ..opening() })).then_refused(SettlementRefusal::CurrencyMismatch);
}

impl Told {
    fn is(self, phase: Phase) -> Self {
        assert_eq!(self.state.phase(), Some(phase));
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
        .given(&open(Opened { carried_over: usd(-1_000), ..opening() }))
        .given(&include(line(1, 10_000, 320, 500, 100)))
        .given(&include(line(2, 2_000, 88, 0, 0)))
        .given(&entry(refund, usd(-300)))
        .given(&entry(bounce, usd(50)))
        .given(&entry(dispute, usd(-40)))
        .given(&entry(won, usd(30)))
        .given(&entry(adjustment(11), usd(-7)))
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
    one.clone().when(&include(line(1, 200, 0, 0, 0))).then_nothing();
    one.when(&entry(adjustment(1), usd(6))).then_nothing();
    let settled = Source::Settlement(SettlementId::new(Uuid::from_u128(5)));
    opened().when(&entry(settled, usd(5))).then(&["entry_included"]);
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
}

#[test]
fn sums_beyond_the_ledger_are_refused() {
    let full = opened().given(&include(line(1, i64::MAX, 0, 0, 0)));
    full.clone().when(&include(line(2, 1, 0, 0, 0))).then_refused(SettlementRefusal::AmountOverflow);
    full.when(&entry(adjustment(1), usd(1))).then_refused(SettlementRefusal::AmountOverflow);
}

#[test]
fn nothing_is_included_once_it_is_closed() {
    closed().when(&include(line(2, 1, 0, 0, 0))).then_refused(SettlementRefusal::SettlementNotOpen);
    closed().when(&entry(adjustment(1), usd(1))).then_refused(SettlementRefusal::SettlementNotOpen);
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
    zero.when(&approve(person(2))).then_refused(SettlementRefusal::NothingToPayOut);
}

#[test]
fn where_two_people_are_asked_for_the_opener_does_not_approve() {
    closed().when(&approve(person(1))).then_refused(SettlementRefusal::ApproverIsOpener);
    closed().when(&approve(person(2))).then(&["approved"]).is(Phase::Approved);
    let alone = Told::untold()
        .given(&open(Opened { two_people: false, ..opening() }))
        .given(&include(line(1, 100, 0, 0, 0)))
        .given(&close());
    alone.when(&approve(person(1))).then(&["approved"]);
    opened().when(&approve(person(2))).then_refused(SettlementRefusal::SettlementNotClosed);
}

#[test]
fn what_is_approved_is_paid_out_once() {
    let started = approved().when(&pay_out(1)).then(&["payout_started"]).is(Phase::PayingOut);
    assert_eq!(started.events()[0], SettlementEvent::PayoutStarted { payout_id: payout_no(1), amount: usd(9_680) });
    started.clone().when(&pay_out(2)).then_refused(SettlementRefusal::PayoutInProgress);
    let done = started.when(&paid_out(1)).then(&["paid_out"]).is(Phase::PaidOut);
    done.clone().when(&pay_out(2)).then_refused(SettlementRefusal::PayoutAlreadyDone);
    done.clone().when(&payout_failed(1)).then_refused(SettlementRefusal::PayoutAlreadyDone);
    done.clone().when(&approve(person(2))).then_nothing();
    done.when(&reopen()).then_refused(SettlementRefusal::PayoutAlreadyDone);
}

#[test]
fn a_failed_payout_is_tried_again_under_a_new_id() {
    let failed = paying().when(&payout_failed(1)).then(&["payout_failed"]).is(Phase::PayoutFailed);
    failed.clone().when(&pay_out(1)).then_nothing();
    failed.clone().when(&paid_out(1)).then_refused(SettlementRefusal::PayoutAlreadyFailed);
    failed.clone().given(&pay_out(2)).when(&paid_out(2)).then(&["paid_out"]);
    failed.when(&reopen()).then(&["reopened"]).is(Phase::Open);
}

#[test]
fn what_was_not_approved_is_not_paid_out() {
    for before in [opened(), closed()] {
        before.when(&pay_out(1)).then_refused(SettlementRefusal::SettlementNotApproved);
    }
    for report in [paid_out(1), payout_failed(1)] {
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
    ];
    for command in commands {
        Told::untold().when(&command).then_refused(SettlementRefusal::SettlementAbsent);
    }
    assert_eq!((Settlement::default().phase(), Settlement::default().net()), (None, None));
}
