//! Disputes of a payment: the money is held until the channel says who has it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    id::DisputeId,
    money::Money,
    payment::{
        Decision, Payment, PaymentRefusal, already,
        event::{DisputeMoved, PaymentEvent},
    },
};

/// Who keeps the money, seen from the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeOutcome {
    Won,
    Lost,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Disputes {
    known: BTreeMap<DisputeId, Dispute>,
    held_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Dispute {
    amount_minor: i64,
    outcome: Option<DisputeOutcome>,
}

impl Payment {
    pub(super) fn open_dispute(&self, dispute_id: DisputeId, amount: Money, effective_at: DateTime<Utc>) -> Decision {
        let agreed = self.agreed()?;
        if let Some(known) = self.disputes.known.get(&dispute_id) {
            let same = known.amount_minor == amount.amount_minor && amount.currency == agreed.amount.currency;
            return if same { already() } else { Err(PaymentRefusal::DisputeDiffers) };
        }
        Self::guard_amount(agreed, amount)?;
        if self.captured_minor == 0 {
            return Err(PaymentRefusal::PaymentNotCaptured);
        }
        // A customer may dispute what was refunded as well: the channel takes it again, so it is booked.
        if amount.amount_minor > self.captured_minor.saturating_sub(self.disputes.held_minor) {
            return Err(PaymentRefusal::DisputeAmountExceeded);
        }
        Ok(vec![PaymentEvent::Disputed(self.dispute_moved(dispute_id, amount, effective_at)?)])
    }

    pub(super) fn close_dispute(
        &self,
        dispute_id: DisputeId,
        outcome: DisputeOutcome,
        effective_at: DateTime<Utc>,
    ) -> Decision {
        let currency = self.agreed()?.amount.currency;
        let dispute = self.disputes.known.get(&dispute_id).ok_or(PaymentRefusal::DisputeUnknown)?;
        match dispute.outcome {
            Some(decided) if decided == outcome => return already(),
            Some(_) => return Err(PaymentRefusal::DisputeAlreadyClosed),
            None => {}
        }
        let moved = self.dispute_moved(dispute_id, Money::new(dispute.amount_minor, currency), effective_at)?;
        Ok(vec![PaymentEvent::DisputeClosed { outcome, moved }])
    }

    fn dispute_moved(
        &self,
        dispute_id: DisputeId,
        amount: Money,
        effective_at: DateTime<Utc>,
    ) -> Result<Box<DisputeMoved>, PaymentRefusal> {
        let merchant_id = self.agreed()?.merchant_id;
        let channel = self.current()?.channel;
        let funds = self.funds();
        Ok(Box::new(DisputeMoved { dispute_id, merchant_id, channel, amount, funds, effective_at }))
    }
}

impl Disputes {
    /// In dispute or lost: not the merchant's.
    pub(super) const fn held_minor(&self) -> i64 {
        self.held_minor
    }

    pub(super) fn open(&mut self, moved: &DisputeMoved) {
        let amount_minor = moved.amount.amount_minor;
        self.known.insert(moved.dispute_id, Dispute { amount_minor, outcome: None });
        self.held_minor = self.held_minor.saturating_add(amount_minor);
    }

    pub(super) fn close(&mut self, outcome: DisputeOutcome, moved: &DisputeMoved) {
        if outcome == DisputeOutcome::Won {
            self.held_minor = self.held_minor.saturating_sub(moved.amount.amount_minor);
        }
        if let Some(dispute) = self.known.get_mut(&moved.dispute_id) {
            dispute.outcome = Some(outcome);
        }
    }
}
