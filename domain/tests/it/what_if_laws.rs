//! What fees would have been: the same under the same plans, as agreed under others.

use domain::{
    aggregate::Event,
    currency::Currency,
    fee::FeePlan,
    id::CaptureId,
    money::{BasisPoints, Money},
    payment::{
        Payment, PaymentCommand,
        attempt::CaptureMode,
        event::PaymentEvent,
        what_if::{Fees, FeesWhatIf},
    },
    risk::RiskDecision,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    cases::cases,
    commands::{
        fee_plan,
        payment::{assess, authorised, captured, history, initiate},
    },
    histories::play,
};

fn what_if(history: &[PaymentEvent], other: impl Fn(FeePlan) -> FeePlan) -> FeesWhatIf {
    let mut fees = FeesWhatIf::default();
    for event in history {
        fees.follow(event, |_channel, plan| other(plan));
    }
    fees
}

/// Whatever it is told, a merchant that has another plan from the beginning.
fn under(plan: FeePlan, commands: &[PaymentCommand]) -> Vec<PaymentCommand> {
    let with = |command: &PaymentCommand| match command {
        PaymentCommand::Initiate(start) => {
            let mut start = start.clone();
            start.terms.fee_plan = Some(plan);
            PaymentCommand::Initiate(start)
        }
        PaymentCommand::TakeOver(taken) => {
            let mut taken = taken.clone();
            taken.route.fee_plan = plan;
            PaymentCommand::TakeOver(taken)
        }
        other => other.clone(),
    };
    commands.iter().map(with).collect()
}

fn types(history: &[PaymentEvent]) -> Vec<&'static str> {
    history.iter().map(Event::event_type).collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn under_the_plans_of_then_they_are_what_they_were(commands in history()) {
        let fees = what_if(&play::<Payment>(&commands).1, |plan| plan);
        prop_assert_eq!(fees.after(), fees.before());
    }

    #[test]
    fn under_another_plan_they_are_what_they_would_have_been(commands in history(), plan in fee_plan()) {
        let was = play::<Payment>(&commands).1;
        let would_be = play::<Payment>(&under(plan, &commands)).1;
        // Amounts at the edge of 64 bits may be refused under one plan and not under another: those tell nothing.
        prop_assume!(types(&was) == types(&would_be));
        prop_assert_eq!(what_if(&was, |_plan| plan).after(), what_if(&would_be, |plan| plan).before());
    }
}

/// A fixed amount is charged once for a payment, in however many parts it is captured.
#[test]
fn a_payment_captured_in_parts_costs_what_it_costs_at_once() {
    let plan = FeePlan { rate: BasisPoints::new(290).unwrap(), fixed_minor: 30, ..FeePlan::FREE };
    let usd = |minor| Money::new(minor, Currency::USD);
    let asked = |number, minor| {
        let capture_id = CaptureId::new(Uuid::from_u128(number));
        [PaymentCommand::Capture { capture_id, amount: usd(minor) }, captured(1, number, usd(minor))]
    };
    let mut commands = vec![
        initiate(usd(10_000), FeePlan::FREE, CaptureMode::Manual),
        assess(1, RiskDecision::Approve),
        PaymentCommand::Submit { attempt: 1 },
        authorised(usd(10_000)),
    ];
    commands.extend(asked(1, 4_000).into_iter().chain(asked(2, 6_000)));
    let history = play::<Payment>(&commands).1;
    assert_eq!(types(&history).iter().filter(|name| **name == "captured").count(), 2, "{history:?}");
    assert_eq!(what_if(&history, |_plan| plan).after(), Fees { charged_minor: 320, returned_minor: 0 });
}

#[test]
fn what_is_free_costs_nothing() {
    let history = what_if(&[], |_plan| FeePlan::FREE);
    assert_eq!((history.after(), history.captured_minor()), (Fees::default(), 0));
    assert_eq!(Fees { charged_minor: 30, returned_minor: 10 }.kept_minor(), 20);
}
