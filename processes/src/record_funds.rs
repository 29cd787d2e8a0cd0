//! Tells settled funds what payments put on or take off them after they were settled.

use std::sync::Arc;

use domain::{
    fact::Fact,
    payment::{Payment, event::PaymentEvent},
    settled_funds::{SettledFunds, SettledFundsCommand},
};

use crate::{
    process::{Business, Next, Process, Stop},
    turn::Turn,
};

pub(crate) struct RecordFunds;

impl Process for RecordFunds {
    fn name(&self) -> &'static str {
        "record_funds"
    }

    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business> {
        let Fact::Payment(
            PaymentEvent::Settled(_)
            | PaymentEvent::RefundConfirmed(_)
            | PaymentEvent::RefundBounced(_)
            | PaymentEvent::Disputed(_)
            | PaymentEvent::DisputeClosed { .. }
            | PaymentEvent::DisputeWonAfterAll(_),
        ) = fact
        else {
            return None;
        };
        Some(Business { id: stream.to_owned(), payment: stream.into() })
    }

    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop> {
        let payment = turn.state::<Payment>(&turn.work.payment.clone())?;
        record(turn, &payment.moves_of_funds())?;
        Ok(Next::Rest)
    }
}

/// What is known there adds nothing.
pub(crate) fn record(turn: &mut Turn<'_, '_>, moves: &[SettledFundsCommand]) -> Result<(), Stop> {
    for command in moves {
        let SettledFundsCommand::Record { funds, .. } = command else { continue };
        let id: Arc<str> = funds.funds_id.to_string().into();
        turn.tell::<SettledFunds>(&id, command)?;
    }
    Ok(())
}
