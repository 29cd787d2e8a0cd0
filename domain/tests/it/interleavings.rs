//! Two refunds, a capture and a void at once: every order of them, against a model.

use chrono::DateTime;
use domain::{
    account::{Account, Side},
    actor::Actor,
    aggregate::Aggregate,
    currency::Currency,
    fee::FeePlan,
    free_text::FreeText,
    id::{CaptureId, RefundId},
    money::Money,
    payment::{Payment, PaymentCommand, Report, attempt::CaptureMode, event::PaymentEvent},
    risk::RiskDecision,
};
use uuid::Uuid;

use crate::commands::payment::{assess, captured, initiate};

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

/// What may happen at once, of an authorisation of 100.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Move {
    AskCapture(i64),
    Captured(u128, i64),
    Void,
    Cancel,
    Reserve(u128, i64),
    Confirm(u128),
    Release(u128),
}

fn command(step: Move) -> PaymentCommand {
    let refund = |number| RefundId::new(Uuid::from_u128(number));
    let effective_at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let reason = FreeText::parse("once").unwrap();
    match step {
        Move::AskCapture(amount) => {
            PaymentCommand::Capture { capture_id: CaptureId::new(Uuid::from_u128(1)), amount: usd(amount) }
        }
        Move::Captured(number, amount) => captured(1, number, usd(amount)),
        Move::Void => PaymentCommand::Report { attempt: 1, report: Report::Voided { channel_trade_no: None } },
        Move::Cancel => PaymentCommand::Cancel { by: Actor::Process, reason: None },
        Move::Reserve(number, amount) => {
            PaymentCommand::ReserveRefund { refund_id: refund(number), amount: usd(amount), by: Actor::Process, reason }
        }
        Move::Confirm(number) => PaymentCommand::ConfirmRefund { refund_id: refund(number), effective_at },
        Move::Release(number) => PaymentCommand::ReleaseRefund { refund_id: refund(number), reason },
    }
}

/// The same payment as a child would keep it: what is asked for, taken, set aside, given back; what is nobody's.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    at_once: bool,
    asked: Option<i64>,
    /// What each capture brought, the merchant's or not.
    told: Vec<(u128, i64)>,
    taken: i64,
    let_go: bool,
    leaving: bool,
    nobodys: i64,
    set_aside: Vec<(u128, i64)>,
    given_up: Vec<(u128, i64)>,
    given: i64,
}

impl Model {
    fn step(&mut self, step: Move) {
        match step {
            Move::AskCapture(amount) => {
                if !self.at_once && !self.let_go && !self.leaving && self.told.iter().all(|(known, _)| *known != 1) {
                    self.asked = Some(amount);
                }
            }
            Move::Captured(number, amount) => self.hear(number, amount),
            Move::Void => {
                self.let_go |= self.taken < 100;
                self.leaving = false;
            }
            Move::Cancel => self.leaving |= self.taken < 100 && !self.let_go && self.asked.is_none(),
            Move::Reserve(number, amount) => {
                let aside: i64 = self.set_aside.iter().map(|(_, amount)| amount).sum();
                let known = self.given_up.iter().any(|(known, _)| *known == number);
                if !known && self.taken > 0 && aside + self.given + amount <= self.taken {
                    self.set_aside.push((number, amount));
                }
            }
            Move::Confirm(number) => self.confirm(number),
            Move::Release(number) => {
                let amount = self.take(number);
                self.given_up.extend((amount > 0).then_some((number, amount)));
            }
        }
    }

    /// Told of once, the money is there: the merchant's where it was asked for or all comes at once, else nobody's.
    fn hear(&mut self, number: u128, amount: i64) {
        if self.told.iter().any(|(known, _)| *known == number) {
            return;
        }
        self.told.push((number, amount));
        let asked = number == 1 && self.asked == Some(amount);
        let at_once = self.at_once && self.taken == 0 && amount == 100;
        if !self.let_go && (asked || at_once) {
            self.taken += amount;
            self.leaving &= self.taken < 100;
        } else {
            self.nobodys += amount;
        }
        if number == 1 {
            self.asked = None;
        }
    }

    /// What was given up may go out after all: nobody pays for it where nothing is left.
    fn confirm(&mut self, number: u128) {
        self.given += self.take(number);
        let late: i64 = self.given_up.iter().filter(|(known, _)| *known == number).map(|(_, amount)| amount).sum();
        self.given_up.retain(|(known, _)| *known != number);
        let aside: i64 = self.set_aside.iter().map(|(_, amount)| amount).sum();
        if aside + self.given + late <= self.taken {
            self.given += late;
        } else {
            self.nobodys -= late;
        }
    }

    fn take(&mut self, number: u128) -> i64 {
        let taken: i64 = self.set_aside.iter().filter(|(known, _)| *known == number).map(|(_, amount)| amount).sum();
        self.set_aside.retain(|(known, _)| *known != number);
        taken
    }
}

fn held(mode: CaptureMode) -> Payment {
    let mut payment = Payment::default();
    let effective_at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let authorised = Report::Authorised { amount: usd(100), channel_trade_no: "ch".into(), effective_at };
    for command in [
        initiate(usd(100), FeePlan::FREE, mode),
        assess(1, RiskDecision::Approve),
        PaymentCommand::Submit { attempt: 1 },
        PaymentCommand::Report { attempt: 1, report: authorised },
    ] {
        payment.decide(&command).unwrap().iter().for_each(|event| payment.apply(event));
    }
    payment
}

/// Plays every order of the moves, comparing after each.
fn walk(payment: &Payment, nobodys: i64, model: &Model, left: &[Move], played: &mut Vec<Move>) -> usize {
    let refunded = payment.refunded().unwrap().amount_minor;
    let taken = payment.captured().unwrap().amount_minor;
    assert_eq!((taken, refunded, nobodys), (model.taken, model.given, model.nobodys), "after {played:?}");
    assert_eq!(payment.is_being_cancelled(), model.leaving, "after {played:?}");
    assert!(refunded <= taken && taken <= 100, "after {played:?}");
    if left.is_empty() {
        return 1;
    }
    let mut orders = 0;
    for at in 0..left.len() {
        let (mut payment, mut model, mut rest) = (payment.clone(), model.clone(), left.to_vec());
        let (step, mut nobodys) = (rest.remove(at), nobodys);
        for event in payment.decide(&command(step)).unwrap_or_default() {
            payment.apply(&event);
            nobodys += suspended(&event);
        }
        model.step(step);
        played.push(step);
        orders += walk(&payment, nobodys, &model, &rest, played);
        played.pop();
    }
    orders
}

/// What is in suspense by this event, as it stands in the books.
fn suspended(event: &PaymentEvent) -> i64 {
    let posting = event.posting();
    let lines = posting.lines().iter().filter(|line| line.account == Account::Suspense);
    lines.map(|line| if line.side == Side::Credit { line.money.amount_minor } else { -line.money.amount_minor }).sum()
}

fn every_order_of(mode: CaptureMode, moves: &[Move]) -> usize {
    let model = Model { at_once: mode == CaptureMode::Automatic, ..Model::default() };
    walk(&held(mode), 0, &model, moves, &mut Vec::new())
}

#[test]
fn two_refunds_racing_over_one_capture() {
    let moves = [
        Move::Captured(1, 100),
        Move::Reserve(1, 60),
        Move::Reserve(2, 60),
        Move::Confirm(1),
        Move::Confirm(2),
        Move::Release(1),
        Move::Reserve(3, 40),
    ];
    assert_eq!(every_order_of(CaptureMode::Automatic, &moves), 5_040);
}

#[test]
fn a_capture_racing_with_a_void_and_a_cancellation() {
    let moves = [
        Move::AskCapture(60),
        Move::Captured(1, 60),
        Move::Captured(1, 60),
        Move::Void,
        Move::Cancel,
        Move::Reserve(1, 60),
        Move::Confirm(1),
    ];
    assert_eq!(every_order_of(CaptureMode::Manual, &moves), 5_040);
}

#[test]
fn everything_at_once() {
    let moves = [
        Move::Captured(1, 100),
        Move::AskCapture(100),
        Move::Void,
        Move::Cancel,
        Move::Reserve(1, 100),
        Move::Reserve(2, 1),
        Move::Confirm(1),
        Move::Confirm(2),
    ];
    for mode in [CaptureMode::Automatic, CaptureMode::Manual] {
        assert_eq!(every_order_of(mode, &moves), 40_320);
    }
}

#[test]
fn one_half_told_of_under_two_ids() {
    let moves = [
        Move::AskCapture(50),
        Move::Captured(1, 50),
        Move::Captured(2, 50),
        Move::Captured(2, 50),
        Move::Cancel,
        Move::Void,
        Move::Reserve(1, 100),
    ];
    for mode in [CaptureMode::Automatic, CaptureMode::Manual] {
        assert_eq!(every_order_of(mode, &moves), 5_040);
    }
}

#[test]
fn a_refund_that_succeeds_after_it_was_given_up() {
    let moves = [
        Move::Captured(1, 100),
        Move::Reserve(1, 60),
        Move::Release(1),
        Move::Confirm(1),
        Move::Reserve(2, 60),
        Move::Confirm(2),
        Move::Confirm(1),
    ];
    assert_eq!(every_order_of(CaptureMode::Automatic, &moves), 5_040);
}
