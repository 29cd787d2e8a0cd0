//! What a settlement owes: paid out, one payout at a time, or carried over, once.

use crate::{
    free_text::FreeText,
    id::PayoutId,
    money::Money,
    payout::{Evidence, Standing},
    settlement::{
        Decision, Payout, Phase, Settlement, SettlementRefusal,
        event::{CarryOver, Destination, Opened, SettlementEvent},
    },
};

/// A payout, as those see it who act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayoutSeen {
    pub payout_id: PayoutId,
    pub amount: Money,
    pub standing: Standing,
}

impl Settlement {
    pub(super) fn start_payout(&self, payout_id: PayoutId) -> Decision {
        self.opened()?;
        if self.payouts.contains_key(&payout_id) {
            return Ok(Vec::new());
        }
        match self.phase {
            Phase::CarriedOver => return Err(SettlementRefusal::AlreadyCarriedOver),
            Phase::Open | Phase::Closed | Phase::NothingOwed => return Err(SettlementRefusal::SettlementNotApproved),
            Phase::PayingOut => return Err(SettlementRefusal::PayoutInProgress),
            Phase::PaidOut => return Err(SettlementRefusal::PayoutAlreadyDone),
            Phase::Approved | Phase::PayoutFailed => {}
        }
        if !self.is_to_pay_out()? {
            return Err(SettlementRefusal::NothingToPayOut);
        }
        Ok(vec![SettlementEvent::PayoutStarted { payout_id, amount: self.in_minor(self.owed_minor()?)? }])
    }

    /// Evidence counts whenever it comes. A payout that was paid after all, when another had been made in its place,
    /// leaves a negative sum, which is carried over.
    pub(super) fn hear_paid_out(&self, payout_id: PayoutId) -> Decision {
        let (standing, amount) = self.payout(payout_id)?;
        let steps = standing.hear(Evidence::Paid).iter();
        Ok(steps.map(|_| SettlementEvent::PaidOut { payout_id, amount }).collect())
    }

    /// It failed, or was given back.
    pub(super) fn hear_not_paid(&self, payout_id: PayoutId, evidence: Evidence, reason: &FreeText) -> Decision {
        let (standing, amount) = self.payout(payout_id)?;
        let told = |step: &Standing| match step {
            Standing::UnderWay => SettlementEvent::PayoutStarted { payout_id, amount },
            Standing::Paid | Standing::PaidAfterAll => SettlementEvent::PaidOut { payout_id, amount },
            Standing::Failed => SettlementEvent::PayoutFailed { payout_id, reason: reason.clone() },
            Standing::Returned => SettlementEvent::PayoutReturned { payout_id, amount, reason: reason.clone() },
        };
        Ok(standing.hear(evidence).iter().map(told).collect())
    }

    fn payout(&self, payout_id: PayoutId) -> Result<(Standing, Money), SettlementRefusal> {
        self.opened()?;
        let payout = self.payouts.get(&payout_id).ok_or(SettlementRefusal::PayoutUnknown)?;
        Ok((payout.standing, self.in_minor(payout.amount_minor)?))
    }

    /// Each time to one other settlement, and never to a second one.
    pub(super) fn carry_over(&self, number: u32, into: Destination) -> Decision {
        let Opened { settlement_id: from, merchant_id, livemode, currency, .. } = *self.opened()?;
        let numbered = (1..).zip(&self.carried_out);
        if let Some((_, (carried_into, _))) = numbered.into_iter().find(|(known, _)| *known == number) {
            let same = *carried_into == into.settlement_id;
            return if same { Ok(Vec::new()) } else { Err(SettlementRefusal::AlreadyCarriedOver) };
        }
        if usize::try_from(number).ok() != self.carried_out.len().checked_add(1) {
            return Err(SettlementRefusal::CarryOverOutOfOrder);
        }
        match self.phase {
            Phase::Open => return Err(SettlementRefusal::SettlementNotClosed),
            Phase::PayingOut => return Err(SettlementRefusal::PayoutInProgress),
            Phase::Closed
            | Phase::Approved
            | Phase::PayoutFailed
            | Phase::PaidOut
            | Phase::CarriedOver
            | Phase::NothingOwed => {}
        }
        if !into.takes(merchant_id, livemode, currency) {
            return Err(SettlementRefusal::SettlementOfAnother);
        }
        if into.settlement_id == from || !self.is_to_carry_over()? {
            return Err(SettlementRefusal::NothingToCarryOver);
        }
        let (into, livemode, amount) = (into.settlement_id, Some(livemode), self.in_minor(self.owed_minor()?)?);
        let carried = CarryOver { from, into, merchant_id, livemode, number, amount };
        Ok(vec![SettlementEvent::CarriedOver(Box::new(carried))])
    }

    /// The net less what was paid out and what was carried over.
    fn owed_minor(&self) -> Result<i64, SettlementRefusal> {
        let paid = self.payouts.values().filter(|payout| payout.standing.is_paid()).map(|payout| payout.amount_minor);
        let gone = paid.chain(self.carried_out.iter().map(|(_, amount_minor)| *amount_minor));
        let owed = gone.fold(i128::from(self.sums.net_minor), |owed, gone| owed.saturating_sub(i128::from(gone)));
        i64::try_from(owed).ok().ok_or(SettlementRefusal::AmountOverflow)
    }

    pub(super) fn is_to_pay_out(&self) -> Result<bool, SettlementRefusal> {
        let owed_minor = self.owed_minor()?;
        Ok(owed_minor > 0 && owed_minor >= self.opened()?.threshold_minor)
    }

    pub(super) fn is_to_carry_over(&self) -> Result<bool, SettlementRefusal> {
        Ok(self.owed_minor()? != 0 && !self.is_to_pay_out()?)
    }

    pub(super) fn fold_started(&mut self, payout_id: PayoutId, amount: Money) {
        let payout = Payout { amount_minor: amount.amount_minor, standing: Standing::UnderWay };
        self.payouts.insert(payout_id, payout);
        self.phase = Phase::PayingOut;
    }

    pub(super) fn fold_heard(&mut self, payout_id: PayoutId, evidence: Evidence) {
        if let Some(payout) = self.payouts.get_mut(&payout_id) {
            payout.standing = payout.standing.hear(evidence).last().copied().unwrap_or(payout.standing);
        }
        let is_under_way = self.payouts.values().any(|payout| payout.standing == Standing::UnderWay);
        let owes = self.owed_minor().is_ok_and(|owed_minor| owed_minor > 0);
        self.phase = match self.phase {
            // Opened again since: it is closed and approved on what is left, if anything is.
            Phase::Open => Phase::Open,
            Phase::Closed | Phase::Approved | Phase::NothingOwed if self.owes_nothing() => self.ended(),
            Phase::Closed | Phase::NothingOwed => Phase::Closed,
            Phase::Approved => Phase::Approved,
            Phase::PayingOut | Phase::PayoutFailed | Phase::PaidOut if is_under_way => Phase::PayingOut,
            Phase::PayingOut | Phase::PayoutFailed | Phase::PaidOut | Phase::CarriedOver if owes && self.approved => {
                Phase::PayoutFailed
            }
            // What comes back of it was approved as it stood before.
            Phase::PayingOut | Phase::PayoutFailed | Phase::PaidOut | Phase::CarriedOver if owes => Phase::Closed,
            Phase::PayingOut | Phase::PayoutFailed | Phase::PaidOut => Phase::PaidOut,
            Phase::CarriedOver => Phase::CarriedOver,
        };
    }

    pub(super) fn owes_nothing(&self) -> bool {
        self.owed_minor() == Ok(0)
    }

    /// How it ends that owes nothing any more.
    pub(super) fn ended(&self) -> Phase {
        if self.payouts.values().any(|payout| payout.standing.is_paid()) {
            Phase::PaidOut
        } else if self.carried_out.is_empty() {
            Phase::NothingOwed
        } else {
            Phase::CarriedOver
        }
    }

    /// All that was started to pay it, whatever became of it.
    #[must_use]
    pub fn payouts(&self) -> Vec<PayoutSeen> {
        let seen = |(payout_id, payout): (&PayoutId, &Payout)| {
            let amount = self.in_minor(payout.amount_minor).ok()?;
            Some(PayoutSeen { payout_id: *payout_id, amount, standing: payout.standing })
        };
        self.payouts.iter().filter_map(seen).collect()
    }

    /// It comes to enough for a payout.
    #[must_use]
    pub fn may_be_paid_out(&self) -> bool {
        self.is_to_pay_out().unwrap_or_default()
    }

    /// What it leaves to another settlement, and under which number; none while it is open or money is leaving.
    #[must_use]
    pub fn to_carry_over(&self) -> Option<(u32, Money)> {
        let is_still = !matches!(self.phase, Phase::Open | Phase::PayingOut);
        let number = u32::try_from(self.carried_out.len()).ok()?.checked_add(1)?;
        let owed = self.owed()?;
        (is_still && self.is_to_carry_over().unwrap_or_default()).then_some((number, owed))
    }

    /// What is left to pay out or to carry over; negative where the merchant owes it.
    #[must_use]
    pub fn owed(&self) -> Option<Money> {
        self.in_minor(self.owed_minor().ok()?).ok()
    }
}
