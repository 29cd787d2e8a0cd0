//! Settling: once, when nothing more can be captured, with all that is pending.

use chrono::{DateTime, Utc};

use crate::{
    id::FundsId,
    money::Money,
    payment::{
        Agreed, Decision, Payment, PaymentRefusal,
        event::{PaymentEvent, Settled},
    },
    settled_funds::{
        SettledFundsCommand,
        event::{Opened, Source},
    },
    settlement::event::Destination,
};

impl Payment {
    pub(super) fn settle(&self, into: Destination, effective_at: DateTime<Utc>) -> Decision {
        let settled = self.settling(into, effective_at)?;
        Ok(settled.into_iter().map(|settled| PaymentEvent::Settled(Box::new(settled))).collect())
    }

    /// What it would say if it settled there now; nothing where it has.
    ///
    /// # Errors
    /// Why it would not.
    pub fn settling(&self, into: Destination, effective_at: DateTime<Utc>) -> Result<Option<Settled>, PaymentRefusal> {
        let agreed = self.agreed()?;
        match self.settled {
            Some(settled) if settled == into.settlement_id => return Ok(None),
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
        Ok(Some(Settled {
            settlement_id: into.settlement_id,
            merchant_id: agreed.merchant_id,
            captured: money(self.captured_minor),
            fees: money(self.fees_minor),
            refunds: money(self.refunds.net_minor()),
            disputes: money(self.disputes.held_minor()),
            net: money(self.pending_minor()?),
            as_of_sequence: self.sequence,
            effective_at,
        }))
    }

    /// Something was captured, nothing more will be, and no settlement has it.
    #[must_use]
    pub fn is_to_settle(&self) -> bool {
        let nothing_left = self.attempts.last().is_some_and(|attempt| attempt.remaining_minor() == 0);
        self.captured_minor > 0 && nothing_left && self.settled.is_none()
    }

    /// What settled funds are to know of it, whether or not they do.
    #[must_use]
    pub fn moves_of_funds(&self) -> Vec<SettledFundsCommand> {
        let Some(Agreed { merchant_id, livemode, amount, .. }) = &self.agreed else { return Vec::new() };
        let (merchant_id, livemode, currency) = (*merchant_id, *livemode, amount.currency);
        let funds =
            Opened { funds_id: FundsId::derive(merchant_id, livemode, currency), merchant_id, livemode, currency };
        let record = |(source, amount_minor): &(Source, i64)| SettledFundsCommand::Record {
            funds: Box::new(funds.clone()),
            source: *source,
            amount: Money::new(*amount_minor, currency),
        };
        self.moves_of_funds.iter().map(record).collect()
    }

    /// Remembers what an event does to what is available, which is read off its posting.
    pub(super) fn fold_moves_of_funds(&mut self, event: &PaymentEvent) {
        let Some((payment_id, livemode)) = self.agreed.as_ref().map(|agreed| (agreed.payment_id, agreed.livemode))
        else {
            return;
        };
        for command in SettledFundsCommand::of_payment(payment_id, livemode, event) {
            if let SettledFundsCommand::Record { source, amount, .. } = command {
                self.moves_of_funds.push((source, amount.amount_minor));
            }
        }
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
