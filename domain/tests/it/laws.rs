//! What holds of every aggregate, whatever is asked of it in whatever order.

use std::collections::BTreeSet;

use domain::{
    adjustment::Adjustment,
    aggregate::{Aggregate, Event},
    fact::Fact,
    merchant::Merchant,
    operator::Operator,
    order::Order,
    payment::Payment,
    refund::Refund,
    remittance::Remittance,
    saga::Saga,
    settled_funds::SettledFunds,
    settlement::Settlement,
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

fn deciding_changes_nothing<A: Aggregate + PartialEq>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    let (state, _) = play::<A>(commands);
    let before = state.clone();
    for command in commands {
        prop_assert_eq!(state.decide(command), state.decide(command));
    }
    prop_assert_eq!(state, before);
    Ok(())
}

fn the_state_is_the_fold_of_its_events<A: Aggregate + PartialEq>(commands: &[A::Command]) -> Result<(), TestCaseError> {
    let (state, history) = play::<A>(commands);
    let mut refolded = A::default();
    history.iter().for_each(|event| refolded.apply(event));
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

/// Laws over histories that never get anywhere would hold of anything: random commands reach every event there is.
fn every_event_is_reached<A: Aggregate>(histories: impl Strategy<Value = Vec<A::Command>>) {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..3_000 {
        let commands = histories.new_tree(&mut runner).unwrap().current();
        reached.extend(play::<A>(&commands).1.iter().map(Event::event_type));
    }
    let (_, named) = Fact::TYPES.iter().find(|(aggregate, _)| *aggregate == A::TYPE).unwrap();
    assert_eq!(reached, named.iter().copied().collect::<BTreeSet<_>>());
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
                fn deciding_changes_nothing(commands in commands::$module::history()) {
                    super::deciding_changes_nothing::<$aggregate>(&commands)?;
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
}
