//! Two refunds, a capture and a void at once: every order of them, against a model.

use chrono::DateTime;
use domain::{
    actor::Actor,
    aggregate::Aggregate,
    currency::Currency,
    fee::FeePlan,
    free_text::FreeText,
    id::{CaptureId, RefundId},
    money::Money,
    payment::{Payment, PaymentCommand, Report},
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
    Captured(i64),
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
        Move::Captured(amount) => captured(1, 1, usd(amount)),
        Move::Void => PaymentCommand::Report { attempt: 1, report: Report::Voided },
        Move::Cancel => PaymentCommand::Cancel { by: Actor::Process },
        Move::Reserve(number, amount) => {
            PaymentCommand::ReserveRefund { refund_id: refund(number), amount: usd(amount), by: Actor::Process, reason }
        }
        Move::Confirm(number) => PaymentCommand::ConfirmRefund { refund_id: refund(number), effective_at },
        Move::Release(number) => PaymentCommand::ReleaseRefund { refund_id: refund(number), reason },
    }
}

/// The same payment as a child would keep it: what is held, taken, set aside, given back; what came too late.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    asked: Option<i64>,
    taken: i64,
    let_go: bool,
    leaving: bool,
    late: i64,
    set_aside: Vec<(u128, i64)>,
    given: i64,
}

impl Model {
    fn step(&mut self, step: Move) {
        match step {
            Move::AskCapture(amount) if !self.let_go && !self.leaving && self.taken == 0 => self.asked = Some(amount),
            Move::Captured(amount) if self.let_go && self.taken == 0 => self.late = amount,
            Move::Captured(amount)
                if self.taken == 0 && (self.asked == Some(amount) || self.asked.is_none() && amount == 100) =>
            {
                self.taken = amount;
                self.leaving = false;
            }
            Move::Void => self.let_go |= self.taken < 100,
            Move::Cancel if self.taken == 0 && !self.let_go && self.asked.is_none() => self.leaving = true,
            Move::Reserve(number, amount) => {
                let aside: i64 = self.set_aside.iter().map(|(_, amount)| amount).sum();
                if self.taken > 0 && aside + self.given + amount <= self.taken {
                    self.set_aside.push((number, amount));
                }
            }
            Move::Confirm(number) => self.given += self.take(number),
            Move::Release(number) => {
                self.take(number);
            }
            _ => {}
        }
    }

    fn take(&mut self, number: u128) -> i64 {
        let taken: i64 = self.set_aside.iter().filter(|(known, _)| *known == number).map(|(_, amount)| amount).sum();
        self.set_aside.retain(|(known, _)| *known != number);
        taken
    }
}

fn held() -> Payment {
    let mut payment = Payment::default();
    let effective_at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let authorised = Report::Authorised { amount: usd(100), channel_trade_no: "ch".into(), effective_at };
    for command in [
        initiate(usd(100), FeePlan::FREE),
        assess(1, RiskDecision::Approve),
        PaymentCommand::Submit { attempt: 1 },
        PaymentCommand::Report { attempt: 1, report: authorised },
    ] {
        payment.decide(&command).unwrap().iter().for_each(|event| payment.apply(event));
    }
    payment
}

/// Plays every order of the moves, comparing after each.
fn walk(payment: &Payment, model: &Model, left: &[Move], played: &mut Vec<Move>) -> usize {
    let refunded = payment.refunded().unwrap().amount_minor;
    let taken = payment.captured().unwrap().amount_minor;
    assert_eq!((taken, refunded), (model.taken, model.given), "after {played:?}");
    assert_eq!(payment.is_being_cancelled(), model.leaving && !model.let_go, "after {played:?}");
    assert!(refunded <= taken && taken <= 100, "after {played:?}");
    if left.is_empty() {
        return 1;
    }
    let mut orders = 0;
    for at in 0..left.len() {
        let (mut payment, mut model, mut rest) = (payment.clone(), model.clone(), left.to_vec());
        let step = rest.remove(at);
        for event in payment.decide(&command(step)).unwrap_or_default() {
            payment.apply(&event);
        }
        model.step(step);
        played.push(step);
        orders += walk(&payment, &model, &rest, played);
        played.pop();
    }
    orders
}

fn every_order_of(moves: &[Move]) -> usize {
    walk(&held(), &Model::default(), moves, &mut Vec::new())
}

#[test]
fn two_refunds_racing_over_one_capture() {
    let moves = [
        Move::Captured(100),
        Move::Reserve(1, 60),
        Move::Reserve(2, 60),
        Move::Confirm(1),
        Move::Confirm(2),
        Move::Release(1),
        Move::Reserve(3, 40),
    ];
    assert_eq!(every_order_of(&moves), 5_040);
}

#[test]
fn a_capture_racing_with_a_void_and_a_cancellation() {
    let moves = [
        Move::AskCapture(60),
        Move::Captured(60),
        Move::Captured(60),
        Move::Void,
        Move::Cancel,
        Move::Reserve(1, 60),
        Move::Confirm(1),
    ];
    assert_eq!(every_order_of(&moves), 5_040);
}

#[test]
fn everything_at_once() {
    let moves = [
        Move::Captured(100),
        Move::AskCapture(100),
        Move::Void,
        Move::Cancel,
        Move::Reserve(1, 100),
        Move::Reserve(2, 1),
        Move::Confirm(1),
        Move::Confirm(2),
    ];
    assert_eq!(every_order_of(&moves), 40_320);
}
