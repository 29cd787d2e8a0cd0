//! Tells settled funds what payments and adjustments put on or take off them.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    adjustment::{Adjustment, event::AdjustmentEvent},
    fact::Fact,
    id::MerchantId,
    payment::{Payment, event::PaymentEvent},
    settled_funds::{SettledFunds, SettledFundsCommand},
};

use crate::{
    process::{Business, Next, Process, Stop},
    turn::Turn,
};

pub(crate) const RECORD_FUNDS: &str = "record_funds";

pub(crate) struct RecordFunds;

impl Process for RecordFunds {
    fn name(&self) -> &'static str {
        RECORD_FUNDS
    }

    /// What an adjustment asks for is in [`of_adjustment`]: it may be of two merchants.
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
        let Some((adjustment, _merchant)) = turn.work.business.split_once('/') else {
            let payment = turn.state::<Payment>(&turn.work.payment.clone())?;
            record(turn, &payment.moves_of_funds())?;
            return Ok(Next::Rest);
        };
        let adjustment = turn.state::<Adjustment>(&adjustment.into())?;
        let mut moves = adjustment.moves_of_funds();
        moves.retain(|command| merchant_of(command) == Some(turn.work.merchant_id));
        record(turn, &moves)?;
        Ok(Next::Rest)
    }
}

/// Each merchant whose funds an adjustment touches, with what is to be looked at for it: adjustments are nobody's, and
/// what is written of a merchant's funds is that merchant's.
pub(crate) fn of_adjustment(stream: &str, livemode: bool, event: &AdjustmentEvent) -> BTreeMap<MerchantId, Business> {
    let moves = SettledFundsCommand::of_adjustment(livemode, event);
    let merchants = moves.iter().filter_map(merchant_of);
    let business = |merchant| Business { id: format!("{stream}/{merchant}"), payment: "".into() };
    merchants.map(|merchant| (merchant, business(merchant))).collect()
}

fn merchant_of(command: &SettledFundsCommand) -> Option<MerchantId> {
    if let SettledFundsCommand::Record { funds, .. } = command { Some(funds.merchant_id) } else { None }
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
