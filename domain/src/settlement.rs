//! A settlement: what a merchant is owed for a period; closed, approved, paid out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::Aggregate,
    free_text::FreeText,
    id::{PaymentId, PayoutId},
    money::Money,
    refusal::refusals,
    settled_funds::event::Source,
};

pub mod event;
mod lines;
mod payout;
use event::{Opened, PaymentLine, SettlementEvent};
use lines::Sums;

/// Its own events move no money: payments settle themselves, and payouts leave from the settled funds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    opened: Option<Opened>,
    phase: Phase,
    payments: BTreeSet<PaymentId>,
    entries: BTreeSet<Source>,
    sums: Sums,
    payouts: BTreeMap<PayoutId, PayoutPhase>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Open,
    Closed,
    Approved,
    PayingOut,
    PayoutFailed,
    PaidOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PayoutPhase {
    Started,
    Failed,
    Done,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SettlementCommand {
    Open(Box<Opened>),
    IncludePayment(Box<PaymentLine>),
    /// What came upon settled funds outside a payment's own settling: positive for the merchant, negative against.
    IncludeEntry {
        source: Source,
        amount: Money,
    },
    Close {
        by: Actor,
    },
    Approve {
        by: Actor,
    },
    StartPayout {
        payout_id: PayoutId,
    },
    ReportPaidOut {
        payout_id: PayoutId,
    },
    ReportPayoutFailed {
        payout_id: PayoutId,
        reason: FreeText,
    },
    Reopen {
        by: Actor,
        reason: FreeText,
    },
}

refusals! {
    /// Why a settlement says no, in the order the rules are tried.
    pub enum SettlementRefusal {
        SettlementAbsent = "settlement_absent", 404, "There is no such settlement.", "该结算不存在。";
        SettlementDiffers = "settlement_differs", 409,
            "This settlement was already opened otherwise.", "该结算已以不同内容开立。";
        PeriodBackwards = "period_backwards", 422, "The period ends before it begins.", "结算周期的结束早于开始。";
        PayoutUnknown = "payout_unknown", 404, "The settlement has no such payout.", "该结算没有这笔出款。";
        SettlementNotOpen = "settlement_not_open", 409, "The settlement is closed.", "该结算已关闭。";
        SettlementNotClosed = "settlement_not_closed", 409, "The settlement is still open.", "该结算尚未关闭。";
        SettlementNotApproved = "settlement_not_approved", 409,
            "The settlement has not been approved.", "该结算尚未审批。";
        PayoutInProgress = "payout_in_progress", 409, "A payout is under way.", "有一笔出款正在进行。";
        PayoutAlreadyDone = "payout_already_done", 409, "The settlement was paid out.", "该结算已出款。";
        PayoutAlreadyFailed = "payout_already_failed", 409, "This payout has failed.", "这笔出款已失败。";
        ApproverIsOpener = "approver_is_opener", 403,
            "Whoever opened the settlement may not approve it.", "开立结算的人不能审批该结算。";
        NothingToPayOut = "nothing_to_pay_out", 409,
            "There is nothing to pay out: the balance is carried over.", "没有可出款的金额：余额结转至下期。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        LineDoesNotAddUp = "line_does_not_add_up", 422,
            "Captures less fees, refunds and disputes are not the net.", "请款减去费用、退款与争议不等于净额。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
    }
}

type Decision = Result<Vec<SettlementEvent>, SettlementRefusal>;

impl Aggregate for Settlement {
    const TYPE: &'static str = "settlement";
    const STATE_VERSION: i32 = 1;
    type Command = SettlementCommand;
    type Event = SettlementEvent;
    type Refusal = SettlementRefusal;

    fn decide(&self, command: &SettlementCommand) -> Decision {
        match command {
            SettlementCommand::Open(opening) => self.open(opening),
            SettlementCommand::IncludePayment(line) => self.include_payment(line),
            SettlementCommand::IncludeEntry { source, amount } => self.include_entry(*source, *amount),
            SettlementCommand::Close { by } => self.close(*by),
            SettlementCommand::Approve { by } => self.approve(*by),
            SettlementCommand::StartPayout { payout_id } => self.start_payout(*payout_id),
            SettlementCommand::ReportPaidOut { payout_id } => self.hear_paid_out(*payout_id),
            SettlementCommand::ReportPayoutFailed { payout_id, reason } => self.hear_payout_failed(*payout_id, reason),
            SettlementCommand::Reopen { by, reason } => self.reopen(*by, reason),
        }
    }

    fn apply(&mut self, event: &SettlementEvent) {
        match event {
            SettlementEvent::Opened(opened) => {
                self.opened = Some(opened.as_ref().clone());
                self.sums.net_minor = opened.carried_over.amount_minor;
            }
            SettlementEvent::PaymentIncluded(line) => {
                self.payments.insert(line.payment_id);
                self.sums = self.sums.with_payment(line).unwrap_or(self.sums);
            }
            SettlementEvent::EntryIncluded { source, amount } => {
                self.entries.insert(*source);
                self.sums = self.sums.with_entry(*source, amount.amount_minor).unwrap_or(self.sums);
            }
            SettlementEvent::Closed(_) => self.phase = Phase::Closed,
            SettlementEvent::Approved { .. } => self.phase = Phase::Approved,
            SettlementEvent::PayoutStarted { payout_id, .. } => {
                self.fold_payout(*payout_id, PayoutPhase::Started, Phase::PayingOut);
            }
            SettlementEvent::PaidOut { payout_id, .. } => {
                self.fold_payout(*payout_id, PayoutPhase::Done, Phase::PaidOut);
            }
            SettlementEvent::PayoutFailed { payout_id, .. } => {
                self.fold_payout(*payout_id, PayoutPhase::Failed, Phase::PayoutFailed);
            }
            SettlementEvent::Reopened { .. } => self.phase = Phase::Open,
        }
    }
}

impl Settlement {
    fn open(&self, opening: &Opened) -> Decision {
        match &self.opened {
            Some(opened) if opened == opening => return Ok(Vec::new()),
            Some(_) => return Err(SettlementRefusal::SettlementDiffers),
            None => {}
        }
        if opening.period.until < opening.period.from {
            return Err(SettlementRefusal::PeriodBackwards);
        }
        if opening.carried_over.currency != opening.currency {
            return Err(SettlementRefusal::CurrencyMismatch);
        }
        Ok(vec![SettlementEvent::Opened(Box::new(opening.clone()))])
    }

    fn approve(&self, by: Actor) -> Decision {
        let opened = self.opened()?;
        match self.phase {
            Phase::Open => return Err(SettlementRefusal::SettlementNotClosed),
            Phase::Approved | Phase::PayingOut | Phase::PayoutFailed | Phase::PaidOut => return Ok(Vec::new()),
            Phase::Closed => {}
        }
        if opened.two_people && by == opened.opened_by {
            return Err(SettlementRefusal::ApproverIsOpener);
        }
        if self.sums.net_minor <= 0 {
            return Err(SettlementRefusal::NothingToPayOut);
        }
        Ok(vec![SettlementEvent::Approved { by }])
    }

    /// Open again to include more, unless money has left or is leaving.
    fn reopen(&self, by: Actor, reason: &FreeText) -> Decision {
        self.opened()?;
        match self.phase {
            Phase::Open => Ok(Vec::new()),
            Phase::PayingOut => Err(SettlementRefusal::PayoutInProgress),
            Phase::PaidOut => Err(SettlementRefusal::PayoutAlreadyDone),
            Phase::Closed | Phase::Approved | Phase::PayoutFailed => {
                Ok(vec![SettlementEvent::Reopened { by, reason: reason.clone() }])
            }
        }
    }

    fn opened(&self) -> Result<&Opened, SettlementRefusal> {
        self.opened.as_ref().ok_or(SettlementRefusal::SettlementAbsent)
    }

    fn in_minor(&self, amount_minor: i64) -> Result<Money, SettlementRefusal> {
        Ok(Money::new(amount_minor, self.opened()?.currency))
    }

    /// How far it has come, once it exists.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.opened.as_ref().map(|_| self.phase)
    }

    /// What the merchant is owed so far; negative where it carries over.
    #[must_use]
    pub fn net(&self) -> Option<Money> {
        self.in_minor(self.sums.net_minor).ok()
    }
}

#[cfg(test)]
mod tests;
