//! Payouts as the funds see them: set aside, gone, given back, in any order told.

use chrono::{DateTime, Utc};

use crate::{
    id::PayoutId,
    money::Money,
    payout::{Evidence, Standing},
    settled_funds::{
        Decision, Payout, SettledFunds, SettledFundsRefusal,
        event::{PayoutMoved, SettledFundsEvent},
    },
};

impl SettledFunds {
    pub(super) fn reserve(&self, payout_id: PayoutId, amount: Money, effective_at: DateTime<Utc>) -> Decision {
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
        Ok(vec![self.moved(Standing::UnderWay, payout_id, amount.amount_minor, effective_at)?])
    }

    /// Evidence is booked whenever it comes, also against what was booked before: money that left has left, and where it
    /// had been put back to what is available, that may become negative.
    pub(super) fn hear(&self, payout_id: PayoutId, evidence: Evidence, effective_at: DateTime<Utc>) -> Decision {
        self.opened()?;
        let payout = self.payouts.get(&payout_id).ok_or(SettledFundsRefusal::PayoutNotReserved)?;
        let steps = payout.standing.hear(evidence);
        let moves = |left: i64, step: &Standing| left.checked_add(moves_available(*step, payout.amount_minor));
        if steps.iter().try_fold(self.available_minor, moves).is_none() {
            return Err(SettledFundsRefusal::AmountOverflow);
        }
        steps.iter().map(|step| self.moved(*step, payout_id, payout.amount_minor, effective_at)).collect()
    }

    fn moved(
        &self,
        standing: Standing,
        payout_id: PayoutId,
        amount_minor: i64,
        effective_at: DateTime<Utc>,
    ) -> Result<SettledFundsEvent, SettledFundsRefusal> {
        let opened = self.opened()?;
        let amount = Money::new(amount_minor, opened.currency);
        let moved = Box::new(PayoutMoved { payout_id, merchant_id: opened.merchant_id, amount, effective_at });
        Ok(match standing {
            Standing::UnderWay => SettledFundsEvent::PayoutReserved(moved),
            Standing::Paid => SettledFundsEvent::PayoutConfirmed(moved),
            Standing::Failed => SettledFundsEvent::PayoutReleased(moved),
            Standing::PaidAfterAll => SettledFundsEvent::PayoutConfirmedLate(moved),
            Standing::Returned => SettledFundsEvent::PayoutReturned(moved),
        })
    }

    pub(super) fn fold_payout(&mut self, moved: &PayoutMoved, standing: Standing) {
        let amount_minor = moved.amount.amount_minor;
        self.available_minor = self.available_minor.saturating_add(moves_available(standing, amount_minor));
        self.payouts.insert(moved.payout_id, Payout { amount_minor, standing });
    }

    /// Set aside for payouts whose end is not known.
    #[must_use]
    pub fn reserved(&self) -> Option<Money> {
        let under_way = self.payouts.values().filter(|payout| payout.standing == Standing::UnderWay);
        let sum = under_way.fold(0, |sum: i64, payout| sum.saturating_add(payout.amount_minor));
        self.opened.as_ref().map(|opened| Money::new(sum, opened.currency))
    }
}

/// What coming to stand like this does to what is available. A payout's amount is positive, so it has an opposite.
const fn moves_available(standing: Standing, amount_minor: i64) -> i64 {
    match standing {
        Standing::UnderWay | Standing::PaidAfterAll => amount_minor.saturating_neg(),
        Standing::Failed | Standing::Returned => amount_minor,
        Standing::Paid => 0,
    }
}
