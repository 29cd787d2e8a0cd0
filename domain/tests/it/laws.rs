//! What holds of every aggregate, whatever is asked of it in whatever order.

use std::collections::BTreeSet;

use domain::{
    adjustment::Adjustment,
    aggregate::{Aggregate, Event},
    fact::Fact,
    merchant::Merchant,
    old_name::OldName,
    operator::Operator,
    order::Order,
    payment::{Payment, PaymentCommand, status::Status},
    periods::Periods,
    refund::Refund,
    remittance::Remittance,
    risk_rules::RiskRules,
    saga::Saga,
    settled_funds::SettledFunds,
    settlement::{Settlement, SettlementCommand},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::{
    cases::cases,
    commands,
    histories::{Books, play, reread},
};

fn a_command_that_is_true_yields_nothing<A: Aggregate>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    let mut state = A::default();
    for command in commands {
        let Ok(events) = state.decide(command) else { continue };
        events.iter().for_each(|event| state.apply(event));
        prop_assert_eq!(state.decide(command), Ok(Vec::new()));
    }
    Ok(())
}

/// The whole list told again from the beginning, as after a restart that forgot how far it came.
fn all_of_it_again_yields_nothing<A: Aggregate>(
    commands: &[A::Command],
    promised: fn(&A, &A::Command) -> bool,
) -> Result<(), TestCaseError> {
    let (mut state, mut accepted) = (A::default(), Vec::new());
    for command in commands {
        let Ok(events) = state.decide(command) else { continue };
        events.iter().for_each(|event| state.apply(event));
        accepted.push(command);
    }
    for command in accepted {
        if promised(&state, command) {
            prop_assert_eq!(state.decide(command).unwrap_or_default(), Vec::new());
        }
    }
    Ok(())
}

/// Nothing but what is stored: neither what the state was built from, nor anything around it.
fn a_decision_rests_on_what_is_stored_alone<A: Aggregate>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    let mut state = A::default();
    for command in commands {
        let restored: A = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        let decided = state.decide(command);
        prop_assert_eq!(&restored.decide(command), &decided);
        for event in decided.unwrap_or_default() {
            state.apply(&event);
        }
    }
    Ok(())
}

fn the_state_is_the_fold_of_its_events<A: Aggregate + PartialEq>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    let (state, history) = play::<A>(commands);
    let mut refolded = A::default();
    for event in &history {
        refolded.apply(&serde_json::from_str(&serde_json::to_string(event).unwrap()).unwrap());
    }
    prop_assert_eq!(&refolded, &state);
    let snapshot = serde_json::to_string(&state).unwrap();
    let restored: A = serde_json::from_str(&snapshot).unwrap();
    prop_assert_eq!(&restored, &state);
    // A state restored half way and one that was never stored come to the same.
    let half = history.len() / 2;
    let mut early = A::default();
    history[..half].iter().for_each(|event| early.apply(event));
    let mut late: A = serde_json::from_str(&serde_json::to_string(&early).unwrap()).unwrap();
    history[half..].iter().for_each(|event| late.apply(event));
    prop_assert_eq!(&late, &state);
    Ok(())
}

fn an_event_reads_back_from_what_is_stored<A: Aggregate>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    for event in play::<A>(commands).1 {
        let json = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(&serde_json::from_str::<A::Event>(&json).unwrap(), &event);
        let fact = reread(A::TYPE, &json);
        prop_assert_eq!((fact.aggregate_type(), fact.event_type()), (A::TYPE, event.event_type()));
        prop_assert_eq!(fact.event_version(), event.event_version());
    }
    Ok(())
}

fn the_books_balance_at_every_event<A: Aggregate>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    let mut books = Books::default();
    for event in play::<A>(commands).1 {
        let posting = reread(A::TYPE, &serde_json::to_string(&event).unwrap()).posting();
        prop_assert!(posting.lines().iter().all(|line| line.money.amount_minor > 0));
        books.enter(&posting);
        prop_assert!(books.balance_in_every_currency());
    }
    Ok(())
}

/// The streams whose events move money.
const POSTING: [&str; 4] = [Payment::TYPE, SettledFunds::TYPE, Remittance::TYPE, Adjustment::TYPE];

/// Laws over histories that never get anywhere would hold of anything: random commands reach every event there is, and
/// move money often where any is moved.
fn every_event_is_reached<A: Aggregate>(histories: impl Strategy<Value = Vec<A::Command>>) {
    let mut runner = TestRunner::deterministic();
    let (mut reached, mut moving) = (BTreeSet::new(), 0);
    for _ in 0..3_000 {
        let commands = histories.new_tree(&mut runner).unwrap().current();
        for event in play::<A>(&commands).1 {
            reached.insert(event.event_type());
            let fact = reread(A::TYPE, &serde_json::to_string(&event).unwrap());
            moving += usize::from(!fact.posting().moves_no_money());
        }
    }
    let (_, named) = Fact::TYPES.iter().find(|(aggregate, _)| *aggregate == A::TYPE).unwrap();
    assert_eq!(reached, named.iter().copied().collect::<BTreeSet<_>>());
    if POSTING.contains(&A::TYPE) {
        assert!(moving >= 500, "only {moving} entries");
    } else {
        assert_eq!(moving, 0);
    }
}

macro_rules! laws {
    ($($module:ident: $aggregate:ty;)+) => {$(
        mod $module {
            use super::*;

            #[test]
            fn every_event_is_reached() {
                super::every_event_is_reached::<$aggregate>(commands::$module::history());
            }

            proptest! {
                #![proptest_config(cases())]

                #[test]
                fn a_command_that_is_true_yields_nothing(commands in commands::$module::history()) {
                    super::a_command_that_is_true_yields_nothing::<$aggregate>(&commands)?;
                }

                #[test]
                fn a_decision_rests_on_what_is_stored_alone(commands in commands::$module::history()) {
                    super::a_decision_rests_on_what_is_stored_alone::<$aggregate>(&commands)?;
                }

                #[test]
                fn the_state_is_the_fold_of_its_events(commands in commands::$module::history()) {
                    super::the_state_is_the_fold_of_its_events::<$aggregate>(&commands)?;
                }

                #[test]
                fn an_event_reads_back_from_what_is_stored(commands in commands::$module::history()) {
                    super::an_event_reads_back_from_what_is_stored::<$aggregate>(&commands)?;
                }

                #[test]
                fn the_books_balance_at_every_event(commands in commands::$module::history()) {
                    super::the_books_balance_at_every_event::<$aggregate>(&commands)?;
                }
            }
        }
    )+};
}

laws! {
    merchant: Merchant;
    order: Order;
    payment: Payment;
    refund: Refund;
    settlement: Settlement;
    settled_funds: SettledFunds;
    remittance: Remittance;
    adjustment: Adjustment;
    operator: Operator;
    saga: Saga;
    risk_rules: RiskRules;
    periods: Periods;
    old_name: OldName;
}

/// Where nothing is allowed, asked for or proposed a second time after it was taken back, nothing ever comes of a repeat.
mod all_of_it_again {
    use super::*;

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn yields_nothing_of_a_payment(commands in commands::payment::history()) {
            // To be asked for once more after a failure is how the next attempt opens.
            let promised = |state: &Payment, command: &PaymentCommand| {
                !(matches!(command, PaymentCommand::Initiate(_)) && state.status() == Status::Failed)
            };
            all_of_it_again_yields_nothing::<Payment>(&commands, promised)?;
        }

        #[test]
        fn yields_nothing_of_a_refund(commands in commands::refund::history()) {
            all_of_it_again_yields_nothing::<Refund>(&commands, |_, _| true)?;
        }

        #[test]
        fn yields_nothing_of_a_remittance(commands in commands::remittance::history()) {
            all_of_it_again_yields_nothing::<Remittance>(&commands, |_, _| true)?;
        }

        #[test]
        fn yields_nothing_of_settled_funds(commands in commands::settled_funds::history()) {
            all_of_it_again_yields_nothing::<SettledFunds>(&commands, |_, _| true)?;
        }

        #[test]
        fn yields_nothing_of_a_settlement(commands in commands::settlement::history()) {
            // Whoever closes, approves or opens again means it as it stands; all that moves or counts is told once.
            let promised = |_: &Settlement, command: &SettlementCommand| {
                !matches!(
                    command,
                    SettlementCommand::Close { .. } | SettlementCommand::Approve { .. } | SettlementCommand::Reopen { .. }
                )
            };
            all_of_it_again_yields_nothing::<Settlement>(&commands, promised)?;
        }

        #[test]
        fn yields_nothing_of_an_order(commands in commands::order::history()) {
            all_of_it_again_yields_nothing::<Order>(&commands, |_, _| true)?;
        }
    }
}
