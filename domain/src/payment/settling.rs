//! Settling: once, when nothing more can be captured, with all that is pending.

use chrono::{DateTime, Utc};

use crate::{
    money::Money,
    payment::{
        Decision, Payment, PaymentRefusal, already,
        event::{PaymentEvent, Settled},
    },
    settlement::event::Destination,
};

impl Payment {
    pub(super) fn settle(&self, into: Destination, effective_at: DateTime<Utc>) -> Decision {
        let agreed = self.agreed()?;
        match self.settled {
            Some(settled) if settled == into.settlement_id => return already(),
            Some(_) => return Err(PaymentRefusal::PaymentAlreadySettled),
            None => {}
        }
        // The line would be refused where it goes, and the payment settles only once.
        if !into.takes(agreed.merchant_id, agreed.livemode, agreed.amount.currency) {
            return Err(PaymentRefusal::SettlementOfAnother);
        }
        if self.captured_minor == 0 {
            return Err(PaymentRefusal::PaymentNotCaptured);
        }
        if self.current()?.remaining_minor() > 0 {
            return Err(PaymentRefusal::CaptureStillOpen);
        }
        let money = |minor| Money::new(minor, agreed.amount.currency);
        Ok(vec![PaymentEvent::Settled(Box::new(Settled {
            settlement_id: into.settlement_id,
            merchant_id: agreed.merchant_id,
            captured: money(self.captured_minor),
            fees: money(self.fees_minor),
            refunds: money(self.refunds.net_minor()),
            disputes: money(self.disputes.held_minor()),
            net: money(self.pending_minor()?),
            as_of_sequence: self.sequence,
            effective_at,
        }))])
    }

    /// What the books hold as pending for this payment until it is settled. A refund reserved and not yet confirmed
    /// is still in it: once confirmed after the settlement, it is taken from what is available.
    fn pending_minor(&self) -> Result<i64, PaymentRefusal> {
        let taken = [self.fees_minor, self.refunds.net_minor(), self.disputes.held_minor()];
        let less = |left: i64, taken: &i64| left.checked_sub(*taken);
        // The lowest 64-bit number has no opposite, and a line shows its amount without a sign.
        let pending = taken.iter().try_fold(self.captured_minor, less).filter(|left| *left != i64::MIN);
        pending.ok_or(PaymentRefusal::AmountOverflow)
    }
}
