//! The settled funds of a merchant in one currency and mode: what may be paid out.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::Aggregate,
    id::{PayoutId, SettlementId},
    money::Money,
    payout::{Evidence, Standing},
    refusal::refusals,
    settlement::event::Destination,
};

pub mod event;
mod payout;
mod source;
use event::{Entry, Opened, SettledFundsEvent, Source};

/// What is available here is what the books say is available, less what this stream has yet to be told of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SettledFunds {
    opened: Option<Opened>,
    available_minor: i64,
    #[serde(with = "crate::pairs")]
    sources: BTreeMap<Source, i64>,
    /// Which settlement reckons with an entry.
    #[serde(with = "crate::pairs")]
    assigned: BTreeMap<Source, SettlementId>,
    payouts: BTreeMap<PayoutId, Payout>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Payout {
    amount_minor: i64,
    standing: Standing,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SettledFundsCommand {
    /// Positive for the merchant, negative against. The first one opens the stream.
    Record {
        funds: Box<Opened>,
        source: Source,
        amount: Money,
    },
    /// One settlement reckons with what came outside a payment's own settling, and no other.
    AssignEntry {
        source: Source,
        into: Destination,
    },
    ReservePayout {
        payout_id: PayoutId,
        amount: Money,
        effective_at: DateTime<Utc>,
    },
    /// The bank says it was paid.
    ConfirmPayout {
        payout_id: PayoutId,
        effective_at: DateTime<Utc>,
    },
    /// The bank says it failed.
    ReleasePayout {
        payout_id: PayoutId,
        effective_at: DateTime<Utc>,
    },
    /// The bank says it was paid and has come back.
    ReturnPayout {
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
        SourceDiffers = "source_differs", 409,
            "This source was already recorded with another amount.", "该来源已以不同金额登记。";
        PaymentIsNoEntry = "payment_is_no_entry", 422,
            "A payment is settled by its own line.", "支付只能以其自身的明细结算。";
        SourceUnknown = "source_unknown", 404, "Nothing was recorded of this source.", "该来源没有任何记录。";
        EntryAssignedElsewhere = "entry_assigned_elsewhere", 409,
            "Another settlement reckons with this entry.", "该条目已计入其他结算。";
        SettlementOfAnother = "settlement_of_another", 422,
            "The settlement is of another merchant, currency or mode.", "该结算属于其他商户、币种或模式。";
        PayoutDiffers = "payout_differs", 409,
            "This payout was already reserved with another amount.", "该出款已以不同金额预留。";
        PayoutNotReserved = "payout_not_reserved", 404, "There is no such payout.", "没有这笔出款。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        AmountNotPositive = "amount_not_positive", 422, "The amount must be greater than zero.", "金额必须大于零。";
        AmountZero = "amount_zero", 422, "The amount must not be zero.", "金额不能为零。";
        SourceSignWrong = "source_sign_wrong", 422,
            "A source of this kind goes the other way.", "此类来源的方向相反。";
        FundsInsufficient = "funds_insufficient", 422,
            "The amount is more than may be paid out.", "金额超过可出款余额。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
    }
}

type Decision = Result<Vec<SettledFundsEvent>, SettledFundsRefusal>;

impl Aggregate for SettledFunds {
    const TYPE: &'static str = "settled_funds";
    const STATE_VERSION: i32 = 2;
    type Command = SettledFundsCommand;
    type Event = SettledFundsEvent;
    type Refusal = SettledFundsRefusal;

    fn decide(&self, command: &SettledFundsCommand) -> Decision {
        match command {
            SettledFundsCommand::Record { funds, source, amount } => self.record(funds, *source, *amount),
            SettledFundsCommand::AssignEntry { source, into } => self.assign(*source, *into),
            SettledFundsCommand::ReservePayout { payout_id, amount, effective_at } => {
                self.reserve(*payout_id, *amount, *effective_at)
            }
            SettledFundsCommand::ConfirmPayout { payout_id, effective_at } => {
                self.hear(*payout_id, Evidence::Paid, *effective_at)
            }
            SettledFundsCommand::ReleasePayout { payout_id, effective_at } => {
                self.hear(*payout_id, Evidence::Failed, *effective_at)
            }
            SettledFundsCommand::ReturnPayout { payout_id, effective_at } => {
                self.hear(*payout_id, Evidence::Returned, *effective_at)
            }
        }
    }

    fn apply(&mut self, event: &SettledFundsEvent) {
        match event {
            SettledFundsEvent::Opened(opened) => self.opened = Some(opened.as_ref().clone()),
            SettledFundsEvent::Credited { source, amount } => self.fold_recorded(*source, amount.amount_minor),
            SettledFundsEvent::Debited { source, amount } => {
                self.fold_recorded(*source, amount.amount_minor.saturating_neg());
            }
            SettledFundsEvent::EntryAssigned(entry) => {
                self.assigned.insert(entry.source, entry.settlement_id);
            }
            SettledFundsEvent::PayoutReserved(moved) => self.fold_payout(moved, Standing::UnderWay),
            SettledFundsEvent::PayoutConfirmed(moved) => self.fold_payout(moved, Standing::Paid),
            SettledFundsEvent::PayoutReleased(moved) => self.fold_payout(moved, Standing::Failed),
            SettledFundsEvent::PayoutConfirmedLate(moved) => self.fold_payout(moved, Standing::PaidAfterAll),
            SettledFundsEvent::PayoutReturned(moved) => self.fold_payout(moved, Standing::Returned),
        }
    }
}

impl SettledFunds {
    fn record(&self, funds: &Opened, source: Source, amount: Money) -> Decision {
        if self.opened.as_ref().is_some_and(|opened| opened != funds) {
            return Err(SettledFundsRefusal::FundsDiffer);
        }
        if let Some(known_minor) = self.sources.get(&source) {
            let same = *known_minor == amount.amount_minor && amount.currency == funds.currency;
            return if same { Ok(Vec::new()) } else { Err(SettledFundsRefusal::SourceDiffers) };
        }
        let taken_back = source.takes_back().and_then(|taken_back| self.sources.get(&taken_back));
        if taken_back.is_some_and(|taken_minor| taken_minor.checked_neg() != Some(amount.amount_minor)) {
            return Err(SettledFundsRefusal::SourceDiffers);
        }
        if amount.currency != funds.currency {
            return Err(SettledFundsRefusal::CurrencyMismatch);
        }
        if amount.is_zero() {
            return Err(SettledFundsRefusal::AmountZero);
        }
        if !source.may_be(amount.amount_minor) {
            return Err(SettledFundsRefusal::SourceSignWrong);
        }
        if self.available_minor.checked_add(amount.amount_minor).is_none() {
            return Err(SettledFundsRefusal::AmountOverflow);
        }
        let size = amount.amount_minor.checked_abs().ok_or(SettledFundsRefusal::AmountOverflow)?;
        let size = Money::new(size, amount.currency);
        let recorded = if amount.amount_minor.is_positive() {
            SettledFundsEvent::Credited { source, amount: size }
        } else {
            SettledFundsEvent::Debited { source, amount: size }
        };
        let opened = SettledFundsEvent::Opened(Box::new(funds.clone()));
        Ok(if self.opened.is_none() { vec![opened, recorded] } else { vec![recorded] })
    }

    fn assign(&self, source: Source, into: Destination) -> Decision {
        let opened = self.opened()?;
        if matches!(source, Source::Payment(_)) {
            return Err(SettledFundsRefusal::PaymentIsNoEntry);
        }
        let amount_minor = self.sources.get(&source).ok_or(SettledFundsRefusal::SourceUnknown)?;
        match self.assigned.get(&source) {
            Some(assigned) if *assigned == into.settlement_id => return Ok(Vec::new()),
            Some(_) => return Err(SettledFundsRefusal::EntryAssignedElsewhere),
            None => {}
        }
        let Opened { merchant_id, livemode, currency, .. } = *opened;
        if !into.takes(merchant_id, livemode, currency) {
            return Err(SettledFundsRefusal::SettlementOfAnother);
        }
        let (settlement_id, livemode, amount) =
            (into.settlement_id, Some(livemode), Money::new(*amount_minor, currency));
        let entry = Entry { settlement_id, merchant_id, livemode, source, amount };
        Ok(vec![SettledFundsEvent::EntryAssigned(Box::new(entry))])
    }

    fn opened(&self) -> Result<&Opened, SettledFundsRefusal> {
        self.opened.as_ref().ok_or(SettledFundsRefusal::FundsAbsent)
    }

    fn fold_recorded(&mut self, source: Source, amount_minor: i64) {
        self.sources.insert(source, amount_minor);
        self.available_minor = self.available_minor.saturating_add(amount_minor);
    }

    /// What may be paid out now; negative where refunds came after the settlement.
    #[must_use]
    pub fn available(&self) -> Option<Money> {
        self.opened.as_ref().map(|opened| Money::new(self.available_minor, opened.currency))
    }

    /// What no settlement reckons with yet, outside payments' own settling; positive for the merchant.
    #[must_use]
    pub fn unassigned(&self) -> Vec<(Source, Money)> {
        let Some(opened) = &self.opened else { return Vec::new() };
        let entries = self.sources.iter().filter(|(source, _)| !matches!(source, Source::Payment(_)));
        let unassigned = entries.filter(|(source, _)| !self.assigned.contains_key(source));
        unassigned.map(|(source, amount_minor)| (*source, Money::new(*amount_minor, opened.currency))).collect()
    }
}

#[cfg(test)]
mod tests;
