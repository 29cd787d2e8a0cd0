//! Paying a settlement out: one payout at a time, again under a new id after a failure.

use crate::{
    free_text::FreeText,
    id::PayoutId,
    settlement::{Decision, PayoutPhase, Phase, Settlement, SettlementRefusal, event::SettlementEvent},
};

impl Settlement {
    pub(super) fn start_payout(&self, payout_id: PayoutId) -> Decision {
        self.opened()?;
        if self.payouts.contains_key(&payout_id) {
            return Ok(Vec::new());
        }
        match self.phase {
            Phase::Open | Phase::Closed => return Err(SettlementRefusal::SettlementNotApproved),
            Phase::PayingOut => return Err(SettlementRefusal::PayoutInProgress),
            Phase::PaidOut => return Err(SettlementRefusal::PayoutAlreadyDone),
            Phase::Approved | Phase::PayoutFailed => {}
        }
        Ok(vec![SettlementEvent::PayoutStarted { payout_id, amount: self.in_minor(self.sums.net_minor)? }])
    }

    pub(super) fn hear_paid_out(&self, payout_id: PayoutId) -> Decision {
        match self.payout(payout_id)? {
            PayoutPhase::Started => {
                Ok(vec![SettlementEvent::PaidOut { payout_id, amount: self.in_minor(self.sums.net_minor)? }])
            }
            PayoutPhase::Done => Ok(Vec::new()),
            PayoutPhase::Failed => Err(SettlementRefusal::PayoutAlreadyFailed),
        }
    }

    pub(super) fn hear_payout_failed(&self, payout_id: PayoutId, reason: &FreeText) -> Decision {
        match self.payout(payout_id)? {
            PayoutPhase::Started => Ok(vec![SettlementEvent::PayoutFailed { payout_id, reason: reason.clone() }]),
            PayoutPhase::Failed => Ok(Vec::new()),
            PayoutPhase::Done => Err(SettlementRefusal::PayoutAlreadyDone),
        }
    }

    fn payout(&self, payout_id: PayoutId) -> Result<PayoutPhase, SettlementRefusal> {
        self.opened()?;
        self.payouts.get(&payout_id).copied().ok_or(SettlementRefusal::PayoutUnknown)
    }

    pub(super) fn fold_payout(&mut self, payout_id: PayoutId, payout: PayoutPhase, phase: Phase) {
        self.payouts.insert(payout_id, payout);
        self.phase = phase;
    }
}
