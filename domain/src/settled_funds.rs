//! The settled funds of a merchant in one currency and mode: what may be paid out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{aggregate::Aggregate, id::PayoutId, money::Money, refusal::refusals};

pub mod event;
use event::{Opened, PayoutMoved, SettledFundsEvent, Source};

/// Payouts are limited here. What a payment or an adjustment put on or took off `available` is told once each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SettledFunds {
    opened: Option<Opened>,
    available_minor: i64,
    sources: BTreeSet<Source>,
    payouts: BTreeMap<PayoutId, Payout>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Payout {
    amount_minor: i64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Reserved,
    PaidOut,
    Released,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SettledFundsCommand {
    /// Positive for the merchant, negative against. The first one opens the stream.
    Record {
        funds: Box<Opened>,
        source: Source,
        amount: Money,
    },
    ReservePayout {
        payout_id: PayoutId,
        amount: Money,
        effective_at: DateTime<Utc>,
    },
    ConfirmPayout {
        payout_id: PayoutId,
        effective_at: DateTime<Utc>,
    },
    ReleasePayout {
        payout_id: PayoutId,
        effective_at: DateTime<Utc>,
    },
}

refusals! {
    /// Why settled funds say no, in the order the rules are tried.
    pub enum SettledFundsRefusal {
        FundsAbsent = "funds_absent", 404, "Nothing was settled yet.", "尚无已结算资金。";
        FundsDiffer = "funds_differ", 409,
            "These are the funds of another merchant, currency or mode.", "这是其他商户、币种或模式的资金。";
        PayoutDiffers = "payout_differs", 409,
            "This payout was already reserved with another amount.", "该出款已以不同金额预留。";
        PayoutNotReserved = "payout_not_reserved", 404, "There is no such payout.", "没有这笔出款。";
        PayoutAlreadyReleased = "payout_already_released", 409, "The payout was released.", "该出款已释放。";
        PayoutAlreadyConfirmed = "payout_already_confirmed", 409, "The payout was made.", "该出款已完成。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        AmountNotPositive = "amount_not_positive", 422, "The amount must be greater than zero.", "金额必须大于零。";
        AmountZero = "amount_zero", 422, "The amount must not be zero.", "金额不能为零。";
        FundsInsufficient = "funds_insufficient", 422,
            "The amount is more than may be paid out.", "金额超过可出款余额。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
    }
}

type Decision = Result<Vec<SettledFundsEvent>, SettledFundsRefusal>;

impl Aggregate for SettledFunds {
    const TYPE: &'static str = "settled_funds";
    const STATE_VERSION: i32 = 1;
    type Command = SettledFundsCommand;
    type Event = SettledFundsEvent;
    type Refusal = SettledFundsRefusal;

    fn decide(&self, command: &SettledFundsCommand) -> Decision {
        match command {
            SettledFundsCommand::Record { funds, source, amount } => self.record(funds, *source, *amount),
            SettledFundsCommand::ReservePayout { payout_id, amount, effective_at } => {
                self.reserve(*payout_id, *amount, *effective_at)
            }
            SettledFundsCommand::ConfirmPayout { payout_id, effective_at } => self.confirm(*payout_id, *effective_at),
            SettledFundsCommand::ReleasePayout { payout_id, effective_at } => self.release(*payout_id, *effective_at),
        }
    }

    fn apply(&mut self, event: &SettledFundsEvent) {
        match event {
            SettledFundsEvent::Opened(opened) => self.opened = Some(opened.as_ref().clone()),
            SettledFundsEvent::Credited { source, amount } => {
                self.sources.insert(*source);
                self.available_minor = self.available_minor.saturating_add(amount.amount_minor);
            }
            SettledFundsEvent::Debited { source, amount } => {
                self.sources.insert(*source);
                self.available_minor = self.available_minor.saturating_sub(amount.amount_minor);
            }
            SettledFundsEvent::PayoutReserved(moved) => {
                let amount_minor = moved.amount.amount_minor;
                self.available_minor = self.available_minor.saturating_sub(amount_minor);
                self.payouts.insert(moved.payout_id, Payout { amount_minor, phase: Phase::Reserved });
            }
            SettledFundsEvent::PayoutConfirmed(moved) => self.fold_payout(moved, Phase::PaidOut),
            SettledFundsEvent::PayoutReleased(moved) => {
                self.available_minor = self.available_minor.saturating_add(moved.amount.amount_minor);
                self.fold_payout(moved, Phase::Released);
            }
        }
    }
}

impl SettledFunds {
    fn record(&self, funds: &Opened, source: Source, amount: Money) -> Decision {
        if self.opened.as_ref().is_some_and(|opened| opened != funds) {
            return Err(SettledFundsRefusal::FundsDiffer);
        }
        if self.sources.contains(&source) {
            return Ok(Vec::new());
        }
        if amount.currency != funds.currency {
            return Err(SettledFundsRefusal::CurrencyMismatch);
        }
        if amount.is_zero() {
            return Err(SettledFundsRefusal::AmountZero);
        }
        if self.available_minor.checked_add(amount.amount_minor).is_none() {
            return Err(SettledFundsRefusal::AmountOverflow);
        }
        let size = amount.amount_minor.checked_abs().ok_or(SettledFundsRefusal::AmountOverflow)?;
        let size = Money::new(size, amount.currency);
        let recorded = if amount.amount_minor > 0 {
            SettledFundsEvent::Credited { source, amount: size }
        } else {
            SettledFundsEvent::Debited { source, amount: size }
        };
        let opened = SettledFundsEvent::Opened(Box::new(funds.clone()));
        Ok(if self.opened.is_none() { vec![opened, recorded] } else { vec![recorded] })
    }

    fn reserve(&self, payout_id: PayoutId, amount: Money, effective_at: DateTime<Utc>) -> Decision {
        let opened = self.opened()?;
        if let Some(known) = self.payouts.get(&payout_id) {
            let same = known.amount_minor == amount.amount_minor && amount.currency == opened.currency;
            return if same { Ok(Vec::new()) } else { Err(SettledFundsRefusal::PayoutDiffers) };
        }
        if amount.currency != opened.currency {
            return Err(SettledFundsRefusal::CurrencyMismatch);
        }
        if amount.amount_minor <= 0 {
            return Err(SettledFundsRefusal::AmountNotPositive);
        }
        if amount.amount_minor > self.available_minor {
            return Err(SettledFundsRefusal::FundsInsufficient);
        }
        Ok(vec![SettledFundsEvent::PayoutReserved(self.moved(payout_id, amount.amount_minor, effective_at)?)])
    }

    fn confirm(&self, payout_id: PayoutId, effective_at: DateTime<Utc>) -> Decision {
        let payout = self.payout(payout_id)?;
        match payout.phase {
            Phase::PaidOut => Ok(Vec::new()),
            Phase::Released => Err(SettledFundsRefusal::PayoutAlreadyReleased),
            Phase::Reserved => {
                let moved = self.moved(payout_id, payout.amount_minor, effective_at)?;
                Ok(vec![SettledFundsEvent::PayoutConfirmed(moved)])
            }
        }
    }

    fn release(&self, payout_id: PayoutId, effective_at: DateTime<Utc>) -> Decision {
        let payout = self.payout(payout_id)?;
        match payout.phase {
            Phase::Released => Ok(Vec::new()),
            Phase::PaidOut => Err(SettledFundsRefusal::PayoutAlreadyConfirmed),
            Phase::Reserved if self.available_minor.checked_add(payout.amount_minor).is_none() => {
                Err(SettledFundsRefusal::AmountOverflow)
            }
            Phase::Reserved => {
                let moved = self.moved(payout_id, payout.amount_minor, effective_at)?;
                Ok(vec![SettledFundsEvent::PayoutReleased(moved)])
            }
        }
    }

    fn opened(&self) -> Result<&Opened, SettledFundsRefusal> {
        self.opened.as_ref().ok_or(SettledFundsRefusal::FundsAbsent)
    }

    fn payout(&self, payout_id: PayoutId) -> Result<&Payout, SettledFundsRefusal> {
        self.opened()?;
        self.payouts.get(&payout_id).ok_or(SettledFundsRefusal::PayoutNotReserved)
    }

    fn moved(
        &self,
        payout_id: PayoutId,
        amount_minor: i64,
        effective_at: DateTime<Utc>,
    ) -> Result<Box<PayoutMoved>, SettledFundsRefusal> {
        let opened = self.opened()?;
        let amount = Money::new(amount_minor, opened.currency);
        Ok(Box::new(PayoutMoved { payout_id, merchant_id: opened.merchant_id, amount, effective_at }))
    }

    fn fold_payout(&mut self, moved: &PayoutMoved, phase: Phase) {
        if let Some(payout) = self.payouts.get_mut(&moved.payout_id) {
            payout.phase = phase;
        }
    }

    /// What may be paid out now; negative where refunds came after the settlement.
    #[must_use]
    pub fn available(&self) -> Option<Money> {
        self.opened.as_ref().map(|opened| Money::new(self.available_minor, opened.currency))
    }
}

#[cfg(test)]
mod tests;
