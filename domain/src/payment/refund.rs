//! Refunds of a payment: reserved before the channel is asked, so never too much.
//!
//! A channel may succeed with a refund after all that was released because it had failed. The money left, so it is
//! booked: as the refund it was, while captures still cover all refunds; else in suspense, all of it, and the sum of
//! refunds stays within the captures. A person looks at suspense; a bounce takes it back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    free_text::FreeText,
    id::RefundId,
    money::Money,
    payment::{
        Decision, Payment, PaymentRefusal, already,
        event::{PaymentEvent, RefundMoved, Suspended},
        suspense::Source,
    },
};

/// All refunds of a payment, with the sums the rules are about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Refunds {
    known: BTreeMap<RefundId, Refund>,
    reserved_minor: i64,
    confirmed_minor: i64,
    fees_returned_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refund {
    amount_minor: i64,
    fee_returned_minor: i64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Reserved,
    Confirmed,
    Released,
    Bounced,
}

impl Payment {
    pub(super) fn reserve_refund(&self, refund_id: RefundId, amount: Money, by: Actor, reason: &FreeText) -> Decision {
        let agreed = self.agreed()?;
        if let Some(known) = self.refunds.known.get(&refund_id) {
            let same = known.amount_minor == amount.amount_minor && amount.currency == agreed.amount.currency;
            return if same { already() } else { Err(PaymentRefusal::RefundDiffers) };
        }
        Self::guard_amount(agreed, amount)?;
        if self.captured_minor == 0 {
            return Err(PaymentRefusal::PaymentNotCaptured);
        }
        if amount.amount_minor > self.refundable_minor() {
            return Err(PaymentRefusal::RefundAmountExceeded);
        }
        Ok(vec![PaymentEvent::RefundReserved { refund_id, amount, by, reason: reason.clone() }])
    }

    /// What was captured and is neither refunded, nor about to be, nor taken back by a dispute.
    fn refundable_minor(&self) -> i64 {
        self.unrefunded_minor().saturating_sub(self.disputes.held_minor())
    }

    fn unrefunded_minor(&self) -> i64 {
        let refunded_minor = self.refunds.confirmed_minor.saturating_add(self.refunds.reserved_minor);
        self.captured_minor.saturating_sub(refunded_minor)
    }

    pub(super) fn confirm_refund(&self, refund_id: RefundId, effective_at: DateTime<Utc>) -> Decision {
        let refund = self.refund(refund_id)?;
        match refund.phase {
            Phase::Released if self.suspense.amount(Source::Refund { refund_id }).is_some() => already(),
            Phase::Reserved | Phase::Released => Ok(vec![self.out_and_back(refund_id, refund, effective_at)?.0]),
            Phase::Confirmed | Phase::Bounced => already(),
        }
    }

    /// What books that a refund not confirmed yet went out, and what takes it back.
    fn out_and_back(
        &self,
        refund_id: RefundId,
        refund: &Refund,
        effective_at: DateTime<Utc>,
    ) -> Result<(PaymentEvent, PaymentEvent), PaymentRefusal> {
        if refund.phase == Phase::Released && refund.amount_minor > self.unrefunded_minor() {
            let amount = Money::new(refund.amount_minor, self.agreed()?.amount.currency);
            let (source, channel, channel_trade_no) = (Source::Refund { refund_id }, self.current()?.channel, None);
            let moved = Box::new(Suspended { source, channel, amount, channel_trade_no, effective_at });
            return Ok((PaymentEvent::MoneySuspended(moved.clone()), PaymentEvent::SuspenseReturned(moved)));
        }
        let fee_minor = self.fee_due_back(refund.amount_minor)?;
        let moved = self.refund_moved(refund_id, refund.amount_minor, fee_minor, effective_at)?;
        Ok((PaymentEvent::RefundConfirmed(moved.clone()), PaymentEvent::RefundBounced(moved)))
    }

    pub(super) fn release_refund(&self, refund_id: RefundId, reason: &FreeText) -> Decision {
        let refund = self.refund(refund_id)?;
        match refund.phase {
            Phase::Reserved => {
                let amount = Money::new(refund.amount_minor, self.agreed()?.amount.currency);
                Ok(vec![PaymentEvent::RefundReleased { refund_id, amount, reason: reason.clone() }])
            }
            Phase::Confirmed => Err(PaymentRefusal::RefundAlreadyConfirmed),
            Phase::Released | Phase::Bounced => already(),
        }
    }

    /// The channel gives a refund back: the money and the fee return to where they came from. What comes back went out
    /// before, whether or not anybody said so.
    pub(super) fn bounce_refund(&self, refund_id: RefundId, effective_at: DateTime<Utc>) -> Decision {
        let refund = self.refund(refund_id)?;
        let source = Source::Refund { refund_id };
        match refund.phase {
            Phase::Released if self.suspense.amount(source).is_some() => self.return_suspense(source, effective_at),
            Phase::Reserved | Phase::Released => {
                let (out, back) = self.out_and_back(refund_id, refund, effective_at)?;
                Ok(vec![out, back])
            }
            Phase::Confirmed => {
                let moved =
                    self.refund_moved(refund_id, refund.amount_minor, refund.fee_returned_minor, effective_at)?;
                Ok(vec![PaymentEvent::RefundBounced(moved)])
            }
            Phase::Bounced => already(),
        }
    }

    fn refund(&self, refund_id: RefundId) -> Result<&Refund, PaymentRefusal> {
        self.agreed()?;
        self.refunds.known.get(&refund_id).ok_or(PaymentRefusal::RefundUnknown)
    }

    /// The fee is due back on all that is refunded together, less what came back: the last refund brings the rest.
    fn fee_due_back(&self, amount_minor: i64) -> Result<i64, PaymentRefusal> {
        let refunded_minor = self.refunds.confirmed_minor.saturating_add(amount_minor);
        let due_minor = self.current()?.fee_plan.due_back(self.fees_minor, refunded_minor, self.captured_minor);
        Ok(due_minor.saturating_sub(self.refunds.fees_returned_minor).clamp(0, amount_minor))
    }

    fn refund_moved(
        &self,
        refund_id: RefundId,
        amount_minor: i64,
        fee_minor: i64,
        effective_at: DateTime<Utc>,
    ) -> Result<Box<RefundMoved>, PaymentRefusal> {
        let agreed = self.agreed()?;
        let money = |minor| Money::new(minor, agreed.amount.currency);
        Ok(Box::new(RefundMoved {
            refund_id,
            merchant_id: agreed.merchant_id,
            channel: self.current()?.channel,
            amount: money(amount_minor),
            fee_returned: money(fee_minor),
            net: money(amount_minor.saturating_sub(fee_minor)),
            funds: self.funds(),
            effective_at,
        }))
    }
}

impl Refunds {
    pub(super) fn amount_minor(&self, refund_id: RefundId) -> Option<i64> {
        self.known.get(&refund_id).map(|refund| refund.amount_minor)
    }

    pub(super) const fn reserved_minor(&self) -> i64 {
        self.reserved_minor
    }

    pub(super) const fn confirmed_minor(&self) -> i64 {
        self.confirmed_minor
    }

    /// What refunds cost the merchant: all that went back less the fees that came back.
    pub(super) const fn net_minor(&self) -> i64 {
        self.confirmed_minor.saturating_sub(self.fees_returned_minor)
    }

    pub(super) fn reserve(&mut self, refund_id: RefundId, amount: Money) {
        let amount_minor = amount.amount_minor;
        self.known.insert(refund_id, Refund { amount_minor, fee_returned_minor: 0, phase: Phase::Reserved });
        self.reserved_minor = self.reserved_minor.saturating_add(amount_minor);
    }

    pub(super) fn confirm(&mut self, moved: &RefundMoved) {
        let (amount_minor, fee_minor) = (moved.amount.amount_minor, moved.fee_returned.amount_minor);
        self.confirmed_minor = self.confirmed_minor.saturating_add(amount_minor);
        self.fees_returned_minor = self.fees_returned_minor.saturating_add(fee_minor);
        if let Some(refund) = self.known.get_mut(&moved.refund_id) {
            if refund.phase == Phase::Reserved {
                self.reserved_minor = self.reserved_minor.saturating_sub(amount_minor);
            }
            refund.phase = Phase::Confirmed;
            refund.fee_returned_minor = fee_minor;
        }
    }

    /// What was given back before this ledger knew of it.
    pub(super) const fn take_over(&mut self, refunded_minor: i64, fees_returned_minor: i64) {
        self.confirmed_minor = refunded_minor;
        self.fees_returned_minor = fees_returned_minor;
    }

    pub(super) fn release(&mut self, refund_id: RefundId) {
        if let Some(refund) = self.known.get_mut(&refund_id) {
            refund.phase = Phase::Released;
            self.reserved_minor = self.reserved_minor.saturating_sub(refund.amount_minor);
        }
    }

    pub(super) fn bounce(&mut self, moved: &RefundMoved) {
        self.confirmed_minor = self.confirmed_minor.saturating_sub(moved.amount.amount_minor);
        self.fees_returned_minor = self.fees_returned_minor.saturating_sub(moved.fee_returned.amount_minor);
        if let Some(refund) = self.known.get_mut(&moved.refund_id) {
            refund.phase = Phase::Bounced;
        }
    }
}
