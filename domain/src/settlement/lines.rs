//! The lines of a settlement: each payment and each entry once, and the sums they make.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    money::Money,
    settled_funds::event::Source,
    settlement::{
        Decision, Phase, Settlement, SettlementRefusal,
        event::{Closed, PaymentLine, SettlementEvent},
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
    /// All of these, and what was carried over.
    pub(super) net_minor: i64,
}

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
    pub(super) fn with_entry(self, source: Source, amount_minor: i64) -> Option<Self> {
        let mut sums = Self { net_minor: self.net_minor.checked_add(amount_minor)?, ..self };
        match source {
            Source::Refund(_) | Source::RefundBounce(_) => {
                sums.refunds_minor = self.refunds_minor.checked_sub(amount_minor)?;
            }
            Source::Dispute(_) | Source::DisputeWon(_) => {
                sums.disputes_minor = self.disputes_minor.checked_sub(amount_minor)?;
            }
            Source::Settlement(_) | Source::Adjustment(_) => {
                sums.adjustments_minor = self.adjustments_minor.checked_add(amount_minor)?;
            }
        }
        Some(sums)
    }
}

impl Settlement {
    pub(super) fn include_payment(&self, line: &PaymentLine) -> Decision {
        let currency = self.opened()?.currency;
        if self.payments.contains(&line.payment_id) {
            return Ok(Vec::new());
        }
        if self.phase != Phase::Open {
            return Err(SettlementRefusal::SettlementNotOpen);
        }
        let amounts = [line.captured, line.fees, line.refunds, line.disputes, line.net];
        if amounts.iter().any(|amount| amount.currency != currency) {
            return Err(SettlementRefusal::CurrencyMismatch);
        }
        if !adds_up(line) {
            return Err(SettlementRefusal::LineDoesNotAddUp);
        }
        if self.sums.with_payment(line).is_none() {
            return Err(SettlementRefusal::AmountOverflow);
        }
        Ok(vec![SettlementEvent::PaymentIncluded(Box::new(line.clone()))])
    }

    pub(super) fn include_entry(&self, source: Source, amount: Money) -> Decision {
        let currency = self.opened()?.currency;
        if self.entries.contains(&source) {
            return Ok(Vec::new());
        }
        if self.phase != Phase::Open {
            return Err(SettlementRefusal::SettlementNotOpen);
        }
        if amount.currency != currency {
            return Err(SettlementRefusal::CurrencyMismatch);
        }
        if self.sums.with_entry(source, amount.amount_minor).is_none() {
            return Err(SettlementRefusal::AmountOverflow);
        }
        Ok(vec![SettlementEvent::EntryIncluded { source, amount }])
    }

    pub(super) fn close(&self, by: Actor) -> Decision {
        let opened = self.opened()?;
        if self.phase != Phase::Open {
            return Ok(Vec::new());
        }
        let Sums { gross_minor, fees_minor, refunds_minor, disputes_minor, adjustments_minor, net_minor } = self.sums;
        Ok(vec![SettlementEvent::Closed(Box::new(Closed {
            by,
            payments_count: self.payments.len().try_into().unwrap_or(u64::MAX),
            gross: self.in_minor(gross_minor)?,
            fees: self.in_minor(fees_minor)?,
            refunds: self.in_minor(refunds_minor)?,
            disputes: self.in_minor(disputes_minor)?,
            adjustments: self.in_minor(adjustments_minor)?,
            carried_over: opened.carried_over,
            net: self.in_minor(net_minor)?,
            carries_over: net_minor < 0,
        }))])
    }
}

fn adds_up(line: &PaymentLine) -> bool {
    let wide = |amount: Money| i128::from(amount.amount_minor);
    let taken = [line.fees, line.refunds, line.disputes, line.net];
    taken.iter().fold(wide(line.captured), |left, amount| left.saturating_sub(wide(*amount))) == 0
}
