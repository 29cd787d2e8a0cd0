//! The lines of a settlement: each payment, entry and carry-over once, and their sums.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    id::{MerchantId, SettlementId},
    money::Money,
    settled_funds::event::{Entry, Source},
    settlement::{
        Decision, Phase, Settlement, SettlementRefusal,
        event::{CarryOver, Closed, PaymentLine, SettlementEvent},
    },
};

/// Sums in minor units of the settlement's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    gross_minor: i64,
    fees_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
    adjustments_minor: i64,
    carried_over_minor: i64,
    /// All of these.
    pub(super) net_minor: i64,
}

/// The parts of a payment's line in minor units: captured, fees, refunds, disputes.
pub(super) type Parts = [i64; 4];

impl Sums {
    pub(super) fn with_payment(self, line: &PaymentLine) -> Option<Self> {
        Some(Self {
            gross_minor: self.gross_minor.checked_add(line.captured.amount_minor)?,
            fees_minor: self.fees_minor.checked_add(line.fees.amount_minor)?,
            refunds_minor: self.refunds_minor.checked_add(line.refunds.amount_minor)?,
            disputes_minor: self.disputes_minor.checked_add(line.disputes.amount_minor)?,
            net_minor: self.net_minor.checked_add(line.net.amount_minor)?,
            ..self
        })
    }

    /// Refunds and disputes count against the merchant, so an amount for the merchant makes them less.
    pub(super) fn with_entry(self, entry: &Entry) -> Option<Self> {
        let amount_minor = entry.amount.amount_minor;
        let mut sums = Self { net_minor: self.net_minor.checked_add(amount_minor)?, ..self };
        match entry.source {
            Source::Refund(_) | Source::RefundBounce(_) => {
                sums.refunds_minor = self.refunds_minor.checked_sub(amount_minor)?;
            }
            Source::Dispute(_) | Source::DisputeWon(_) => {
                sums.disputes_minor = self.disputes_minor.checked_sub(amount_minor)?;
            }
            // A payment comes by its own line, never here.
            Source::Adjustment(_) | Source::AdjustmentReversed(_) | Source::Payment(_) => {
                sums.adjustments_minor = self.adjustments_minor.checked_add(amount_minor)?;
            }
        }
        Some(sums)
    }

    pub(super) fn with_carry_over(self, carried: &CarryOver) -> Option<Self> {
        let amount_minor = carried.amount.amount_minor;
        let carried_over_minor = self.carried_over_minor.checked_add(amount_minor)?;
        Some(Self { carried_over_minor, net_minor: self.net_minor.checked_add(amount_minor)?, ..self })
    }
}

impl Settlement {
    pub(super) fn include_payment(&self, line: &PaymentLine) -> Decision {
        self.guard_own(line.settlement_id, line.merchant_id, line.livemode)?;
        let amounts = [line.captured, line.fees, line.refunds, line.disputes, line.net];
        let known = self.payments.get(&line.payment_id).map(|known| *known == parts(line));
        if self.is_known(known, &amounts)? {
            return Ok(Vec::new());
        }
        if [line.captured, line.fees, line.refunds, line.disputes].iter().any(|part| part.amount_minor < 0) {
            return Err(SettlementRefusal::LinePartNegative);
        }
        if !adds_up(line) {
            return Err(SettlementRefusal::LineDoesNotAddUp);
        }
        if self.sums.with_payment(line).is_none() {
            return Err(SettlementRefusal::AmountOverflow);
        }
        Ok(vec![SettlementEvent::PaymentIncluded(Box::new(line.clone()))])
    }

    pub(super) fn include_entry(&self, entry: &Entry) -> Decision {
        self.guard_own(entry.settlement_id, entry.merchant_id, entry.livemode)?;
        if matches!(entry.source, Source::Payment(_)) {
            return Err(SettlementRefusal::PaymentIsNoEntry);
        }
        let known = self.entries.get(&entry.source).map(|known| *known == entry.amount.amount_minor);
        if self.is_known(known, &[entry.amount])? {
            return Ok(Vec::new());
        }
        if self.sums.with_entry(entry).is_none() {
            return Err(SettlementRefusal::AmountOverflow);
        }
        Ok(vec![SettlementEvent::EntryIncluded(Box::new(entry.clone()))])
    }

    pub(super) fn include_carry_over(&self, carried: &CarryOver) -> Decision {
        self.guard_own(carried.into, carried.merchant_id, carried.livemode)?;
        let known =
            self.carried_in.get(&(carried.from, carried.number)).map(|known| *known == carried.amount.amount_minor);
        if self.is_known(known, &[carried.amount])? {
            return Ok(Vec::new());
        }
        if self.sums.with_carry_over(carried).is_none() {
            return Err(SettlementRefusal::AmountOverflow);
        }
        Ok(vec![SettlementEvent::CarryOverIncluded(Box::new(carried.clone()))])
    }

    /// A line says itself which settlement it is for, and whether it is real money: test and live never meet.
    fn guard_own(
        &self,
        settlement_id: SettlementId,
        merchant_id: MerchantId,
        livemode: Option<bool>,
    ) -> Result<(), SettlementRefusal> {
        let opened = self.opened()?;
        if (settlement_id, merchant_id, livemode) != (opened.settlement_id, opened.merchant_id, Some(opened.livemode)) {
            return Err(SettlementRefusal::LineOfAnother);
        }
        Ok(())
    }

    /// Whether the line is here already; where it is not, it may still come.
    fn is_known(&self, same_as_known: Option<bool>, amounts: &[Money]) -> Result<bool, SettlementRefusal> {
        let currency = self.opened()?.currency;
        let is_foreign = amounts.iter().any(|amount| amount.currency != currency);
        match same_as_known {
            Some(true) if !is_foreign => Ok(true),
            Some(_) => Err(SettlementRefusal::LineDiffers),
            None if self.phase != Phase::Open => Err(SettlementRefusal::SettlementNotOpen),
            None if is_foreign => Err(SettlementRefusal::CurrencyMismatch),
            None => Ok(false),
        }
    }

    pub(super) fn close(&self, by: Actor) -> Decision {
        self.opened()?;
        if self.phase != Phase::Open {
            return Ok(Vec::new());
        }
        let sums = self.sums;
        Ok(vec![SettlementEvent::Closed(Box::new(Closed {
            by,
            payments_count: self.payments.len().try_into().unwrap_or(u64::MAX),
            gross: self.in_minor(sums.gross_minor)?,
            fees: self.in_minor(sums.fees_minor)?,
            refunds: self.in_minor(sums.refunds_minor)?,
            disputes: self.in_minor(sums.disputes_minor)?,
            adjustments: self.in_minor(sums.adjustments_minor)?,
            carried_over: self.in_minor(sums.carried_over_minor)?,
            net: self.in_minor(sums.net_minor)?,
            carries_over: self.is_to_carry_over()?,
        }))])
    }
}

pub(super) const fn parts(line: &PaymentLine) -> Parts {
    [line.captured.amount_minor, line.fees.amount_minor, line.refunds.amount_minor, line.disputes.amount_minor]
}

fn adds_up(line: &PaymentLine) -> bool {
    let wide = |amount: Money| i128::from(amount.amount_minor);
    let taken = [line.fees, line.refunds, line.disputes, line.net];
    taken.iter().fold(wide(line.captured), |left, amount| left.saturating_sub(wide(*amount))) == 0
}
