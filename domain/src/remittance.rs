//! A remittance: what a channel paid into the bank, its fee kept back.

use serde::{Deserialize, Serialize};

use crate::{aggregate::Aggregate, refusal::refusals};

pub mod event;
use event::{Recorded, RemittanceEvent};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remittance {
    recorded: Option<Recorded>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RemittanceCommand {
    Record(Box<Recorded>),
}

refusals! {
    /// Why a remittance says no, in the order the rules are tried.
    pub enum RemittanceRefusal {
        RemittanceDiffers = "remittance_differs", 409,
            "This remittance was already recorded otherwise.", "该汇款已以不同内容登记。";
        ChannelNotReal = "channel_not_real", 422, "No real money goes through the sandbox.", "沙箱渠道不能用于真实资金。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        AmountZero = "amount_zero", 422, "The amount must not be zero.", "金额不能为零。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
        RemittanceDoesNotAddUp = "remittance_does_not_add_up", 422,
            "Gross less fee is not the net.", "总额减去费用不等于净额。";
    }
}

impl Aggregate for Remittance {
    const TYPE: &'static str = "remittance";
    const STATE_VERSION: i32 = 1;
    type Command = RemittanceCommand;
    type Event = RemittanceEvent;
    type Refusal = RemittanceRefusal;

    fn decide(&self, command: &RemittanceCommand) -> Result<Vec<RemittanceEvent>, RemittanceRefusal> {
        let RemittanceCommand::Record(report) = command;
        match &self.recorded {
            Some(recorded) if recorded == report.as_ref() => return Ok(Vec::new()),
            Some(_) => return Err(RemittanceRefusal::RemittanceDiffers),
            None => {}
        }
        if report.livemode && !report.channel.is_real() {
            return Err(RemittanceRefusal::ChannelNotReal);
        }
        if report.fee.currency != report.gross.currency || report.net.currency != report.gross.currency {
            return Err(RemittanceRefusal::CurrencyMismatch);
        }
        if report.gross.is_zero() && report.fee.is_zero() {
            return Err(RemittanceRefusal::AmountZero);
        }
        // The lowest 64-bit number has no opposite, and a line shows its amount without a sign.
        if [report.gross, report.fee, report.net].iter().any(|amount| amount.amount_minor == i64::MIN) {
            return Err(RemittanceRefusal::AmountOverflow);
        }
        if report.gross.checked_sub(report.fee) != Ok(report.net) {
            return Err(RemittanceRefusal::RemittanceDoesNotAddUp);
        }
        Ok(vec![RemittanceEvent::Recorded(report.clone())])
    }

    fn apply(&mut self, event: &RemittanceEvent) {
        let RemittanceEvent::Recorded(recorded) = event;
        self.recorded = Some(recorded.as_ref().clone());
    }
}

#[cfg(test)]
mod tests;
