//! Disputes of a payment: the money is held until the channel says who has it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    id::DisputeId,
    money::Money,
    payment::{
        Decision, Payment, PaymentRefusal, already,
        event::{DisputeMoved, Funds, PaymentEvent},
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
    /// Of the merchant's money.
    held_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Dispute {
    amount: Money,
    channel: Channel,
    /// More is disputed than was captured: the channel takes it all the same, and whose it is has to be found out.
    is_nobodys: bool,
    lost: bool,
    won_at: Option<DateTime<Utc>>,
}

/// What may be asked of it by those who do not decide.
impl Payment {
    /// What a dispute took for good.
    #[must_use]
    pub fn dispute_lost(&self, dispute_id: DisputeId) -> Option<Money> {
        self.disputes.known.get(&dispute_id).filter(|dispute| dispute.lost).map(|dispute| dispute.amount)
    }
}

impl Payment {
    /// What the channel holds is booked: on the merchant while captures cover it, else in suspense, all of it.
    pub(super) fn open_dispute(
        &self,
        number: u32,
        dispute_id: DisputeId,
        amount: Money,
        effective_at: DateTime<Utc>,
    ) -> Decision {
        let agreed = self.agreed()?;
        if let Some(known) = self.disputes.known.get(&dispute_id) {
            return if known.amount == amount { already() } else { Err(PaymentRefusal::DisputeDiffers) };
        }
        if amount.amount_minor <= 0 {
            return Err(PaymentRefusal::AmountNotPositive);
        }
        let attempt = self.attempt(number)?;
        // Told before the capture it is about: the capture comes first.
        if attempt.captured_minor == 0 && !self.suspense.was_taken(number) {
            return Err(PaymentRefusal::PaymentNotCaptured);
        }
        // A customer may dispute what was refunded as well: the channel takes it again.
        let undisputed_minor = attempt.captured_minor.saturating_sub(self.disputes.held_minor);
        let covered = amount.currency == agreed.amount.currency && amount.amount_minor <= undisputed_minor;
        let funds = if covered { self.funds() } else { Funds::Suspense };
        let (merchant_id, channel) = (agreed.merchant_id, attempt.channel);
        let moved = DisputeMoved { dispute_id, merchant_id, channel, amount, funds, effective_at };
        Ok(vec![PaymentEvent::Disputed(Box::new(moved))])
    }

    /// A channel may find for the merchant after all; what was won and is lost again comes as another dispute.
    pub(super) fn close_dispute(
        &self,
        dispute_id: DisputeId,
        outcome: DisputeOutcome,
        effective_at: DateTime<Utc>,
    ) -> Decision {
        let merchant_id = self.agreed()?.merchant_id;
        let dispute = self.disputes.known.get(&dispute_id).ok_or(PaymentRefusal::DisputeUnknown)?;
        let Dispute { amount, channel, is_nobodys, .. } = *dispute;
        let funds = if is_nobodys { Funds::Suspense } else { self.funds() };
        let moved = Box::new(DisputeMoved { dispute_id, merchant_id, channel, amount, funds, effective_at });
        match (outcome, dispute.lost, dispute.won_at) {
            (DisputeOutcome::Won, _, Some(_)) | (DisputeOutcome::Lost, true, _) => already(),
            (DisputeOutcome::Won, true, None) => Ok(vec![PaymentEvent::DisputeWonAfterAll(moved)]),
            // Lost before it was won, and told of late.
            (DisputeOutcome::Lost, false, Some(won_at)) if effective_at <= won_at => already(),
            (DisputeOutcome::Lost, false, Some(_)) => Err(PaymentRefusal::DisputeAlreadyClosed),
            (_, false, None) => Ok(vec![PaymentEvent::DisputeClosed { outcome, moved }]),
        }
    }
}

impl Disputes {
    /// In dispute or lost: not the merchant's.
    pub(super) const fn held_minor(&self) -> i64 {
        self.held_minor
    }

    pub(super) fn open(&mut self, moved: &DisputeMoved) {
        let DisputeMoved { amount, channel, .. } = *moved;
        let is_nobodys = moved.funds == Funds::Suspense;
        let opened = Dispute { amount, channel, is_nobodys, lost: false, won_at: None };
        self.known.insert(moved.dispute_id, opened);
        if !is_nobodys {
            self.held_minor = self.held_minor.saturating_add(amount.amount_minor);
        }
    }

    pub(super) fn close(&mut self, outcome: DisputeOutcome, moved: &DisputeMoved) {
        if outcome == DisputeOutcome::Won && moved.funds != Funds::Suspense {
            self.held_minor = self.held_minor.saturating_sub(moved.amount.amount_minor);
        }
        if let Some(dispute) = self.known.get_mut(&moved.dispute_id) {
            match outcome {
                DisputeOutcome::Won => dispute.won_at = Some(moved.effective_at),
                DisputeOutcome::Lost => dispute.lost = true,
            }
        }
    }
}
