//! A settlement: what a merchant is owed for a period; closed, approved, paid out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::Aggregate,
    free_text::FreeText,
    id::{PaymentId, PayoutId, SettlementId},
    money::Money,
    payout::{Evidence, Standing},
    refusal::refusals,
    settled_funds::event::{Entry, Source},
};

pub mod event;
mod lines;
mod payout;
use event::{CarryOver, Destination, Opened, PaymentLine, SettlementEvent};
use lines::{Parts, Sums, parts};
pub use payout::PayoutSeen;

/// Its own events move no money: payments settle themselves, and payouts leave from the settled funds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    opened: Option<Opened>,
    phase: Phase,
    payments: BTreeMap<PaymentId, Parts>,
    #[serde(with = "crate::pairs")]
    entries: BTreeMap<Source, i64>,
    /// By where it comes from, and which of what that one leaves it is.
    #[serde(with = "crate::pairs")]
    carried_in: BTreeMap<(SettlementId, u32), i64>,
    sums: Sums,
    /// Who opened, closed and reopened it.
    hands: Vec<Actor>,
    /// As it stands now: opened again it waits for approval again.
    approved: bool,
    payouts: BTreeMap<PayoutId, Payout>,
    /// In order: the first is number 1.
    carried_out: Vec<(SettlementId, i64)>,
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
    CarriedOver,
    /// Closed, and there never was anything to pay out or to carry over.
    NothingOwed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Payout {
    amount_minor: i64,
    standing: Standing,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SettlementCommand {
    Open(Box<Opened>),
    IncludePayment(Box<PaymentLine>),
    /// As settled funds assigned it.
    IncludeEntry(Box<Entry>),
    /// As the other settlement decided it.
    IncludeCarryOver(Box<CarryOver>),
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
    /// It was paid and has come back.
    ReportPayoutReturned {
        payout_id: PayoutId,
        reason: FreeText,
    },
    Reopen {
        by: Actor,
        reason: FreeText,
    },
    /// The first is number 1; opened again since, what is left goes under the next number.
    CarryOver {
        number: u32,
        into: Destination,
    },
}

refusals! {
    /// Why a settlement says no, in the order the rules are tried.
    pub enum SettlementRefusal {
        SettlementAbsent = "settlement_absent", 404, "There is no such settlement.", "该结算不存在。";
        SettlementDiffers = "settlement_differs", 409,
            "This settlement was already opened otherwise.", "该结算已以不同内容开立。";
        PeriodBackwards = "period_backwards", 422, "The period ends before it begins.", "结算周期的结束早于开始。";
        ThresholdNegative = "threshold_negative", 422, "The threshold must not be negative.", "起结金额不能为负数。";
        LineOfAnother = "line_of_another", 422,
            "This line is of another settlement, merchant or mode.", "该明细属于其他结算、商户或模式。";
        PaymentIsNoEntry = "payment_is_no_entry", 422,
            "A payment is settled by its own line.", "支付只能以其自身的明细结算。";
        LineDiffers = "line_differs", 409,
            "This line was already included with other amounts.", "该明细已以不同金额计入。";
        PayoutUnknown = "payout_unknown", 404, "The settlement has no such payout.", "该结算没有这笔出款。";
        AlreadyCarriedOver = "already_carried_over", 409,
            "The settlement was carried over into another.", "该结算已结转至其他结算。";
        CarryOverOutOfOrder = "carry_over_out_of_order", 409,
            "This is not the next time it is carried over.", "这不是下一次结转。";
        SettlementNotOpen = "settlement_not_open", 409, "The settlement is closed.", "该结算已关闭。";
        SettlementNotClosed = "settlement_not_closed", 409, "The settlement is still open.", "该结算尚未关闭。";
        SettlementNotApproved = "settlement_not_approved", 409,
            "The settlement has not been approved.", "该结算尚未审批。";
        PayoutInProgress = "payout_in_progress", 409, "A payout is under way.", "有一笔出款正在进行。";
        PayoutAlreadyDone = "payout_already_done", 409, "The settlement was paid out.", "该结算已出款。";
        ApproverNotOperator = "approver_not_operator", 403,
            "Only an operator may be the second person.", "第二人必须是操作员。";
        ApproverTookPart = "approver_took_part", 403,
            "Whoever opened or closed the settlement may not approve it.", "开立或关闭结算的人不能审批该结算。";
        NothingToPayOut = "nothing_to_pay_out", 409,
            "There is nothing to pay out: the balance is carried over.", "没有可出款的金额：余额结转至下期。";
        SettlementOfAnother = "settlement_of_another", 422,
            "The settlement is of another merchant, currency or mode.", "该结算属于其他商户、币种或模式。";
        NothingToCarryOver = "nothing_to_carry_over", 409,
            "There is nothing to carry over into another settlement.", "没有可结转至其他结算的金额。";
        CurrencyMismatch = "currency_mismatch", 422,
            "The two amounts are in different currencies.", "两笔金额的币种不同。";
        LinePartNegative = "line_part_negative", 422,
            "Captures, fees, refunds and disputes must not be negative.", "请款、费用、退款与争议金额不能为负数。";
        LineDoesNotAddUp = "line_does_not_add_up", 422,
            "Captures less fees, refunds and disputes are not the net.", "请款减去费用、退款与争议不等于净额。";
        AmountOverflow = "amount_overflow", 422,
            "The amount is beyond what the ledger can hold.", "金额超出账本可以记录的范围。";
    }
}

type Decision = Result<Vec<SettlementEvent>, SettlementRefusal>;

impl Aggregate for Settlement {
    const TYPE: &'static str = "settlement";
    const STATE_VERSION: i32 = 3;
    type Command = SettlementCommand;
    type Event = SettlementEvent;
    type Refusal = SettlementRefusal;

    fn decide(&self, command: &SettlementCommand) -> Decision {
        match command {
            SettlementCommand::Open(opening) => self.open(opening),
            SettlementCommand::IncludePayment(line) => self.include_payment(line),
            SettlementCommand::IncludeEntry(entry) => self.include_entry(entry),
            SettlementCommand::IncludeCarryOver(carried) => self.include_carry_over(carried),
            SettlementCommand::Close { by } => self.close(*by),
            SettlementCommand::Approve { by } => self.approve(*by),
            SettlementCommand::StartPayout { payout_id } => self.start_payout(*payout_id),
            SettlementCommand::ReportPaidOut { payout_id } => self.hear_paid_out(*payout_id),
            SettlementCommand::ReportPayoutFailed { payout_id, reason } => {
                self.hear_not_paid(*payout_id, Evidence::Failed, reason)
            }
            SettlementCommand::ReportPayoutReturned { payout_id, reason } => {
                self.hear_not_paid(*payout_id, Evidence::Returned, reason)
            }
            SettlementCommand::Reopen { by, reason } => self.reopen(*by, reason),
            SettlementCommand::CarryOver { number, into } => self.carry_over(*number, *into),
        }
    }

    fn apply(&mut self, event: &SettlementEvent) {
        match event {
            SettlementEvent::Opened(opened) => {
                self.opened = Some(opened.as_ref().clone());
                self.hands.push(opened.opened_by);
            }
            SettlementEvent::PaymentIncluded(line) => {
                self.payments.insert(line.payment_id, parts(line));
                self.sums = self.sums.with_payment(line).unwrap_or(self.sums);
            }
            SettlementEvent::EntryIncluded(entry) => {
                self.entries.insert(entry.source, entry.amount.amount_minor);
                self.sums = self.sums.with_entry(entry).unwrap_or(self.sums);
            }
            SettlementEvent::CarryOverIncluded(carried) => {
                self.carried_in.insert((carried.from, carried.number), carried.amount.amount_minor);
                self.sums = self.sums.with_carry_over(carried).unwrap_or(self.sums);
            }
            SettlementEvent::Closed(closed) => self.fold_closed(closed.by),
            SettlementEvent::Approved { .. } => {
                self.phase = Phase::Approved;
                self.approved = true;
            }
            SettlementEvent::PayoutStarted { payout_id, amount } => self.fold_started(*payout_id, *amount),
            SettlementEvent::PaidOut { payout_id, .. } => self.fold_heard(*payout_id, Evidence::Paid),
            SettlementEvent::PayoutFailed { payout_id, .. } => self.fold_heard(*payout_id, Evidence::Failed),
            SettlementEvent::PayoutReturned { payout_id, .. } => self.fold_heard(*payout_id, Evidence::Returned),
            SettlementEvent::Reopened { by, .. } => self.fold_reopened(*by),
            SettlementEvent::CarriedOver(carried) => {
                self.carried_out.push((carried.into, carried.amount.amount_minor));
                self.phase = Phase::CarriedOver;
            }
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
        if opening.threshold_minor < 0 {
            return Err(SettlementRefusal::ThresholdNegative);
        }
        Ok(vec![SettlementEvent::Opened(Box::new(opening.clone()))])
    }

    fn approve(&self, by: Actor) -> Decision {
        let opened = self.opened()?;
        match self.phase {
            Phase::CarriedOver => return Err(SettlementRefusal::AlreadyCarriedOver),
            Phase::Open => return Err(SettlementRefusal::SettlementNotClosed),
            Phase::Approved | Phase::PayingOut | Phase::PayoutFailed | Phase::PaidOut => return Ok(Vec::new()),
            Phase::Closed | Phase::NothingOwed => {}
        }
        if opened.two_people && !matches!(by, Actor::Operator(_)) {
            return Err(SettlementRefusal::ApproverNotOperator);
        }
        if opened.two_people && self.hands.contains(&by) {
            return Err(SettlementRefusal::ApproverTookPart);
        }
        if !self.is_to_pay_out()? {
            return Err(SettlementRefusal::NothingToPayOut);
        }
        Ok(vec![SettlementEvent::Approved { by }])
    }

    /// Open again to include more, unless money is leaving. Also once it was paid out or carried over: a line that was
    /// on its way when it closed has nowhere else to go, and what has left is not owed again.
    fn reopen(&self, by: Actor, reason: &FreeText) -> Decision {
        self.opened()?;
        match self.phase {
            Phase::Open => Ok(Vec::new()),
            Phase::PayingOut => Err(SettlementRefusal::PayoutInProgress),
            Phase::Closed
            | Phase::Approved
            | Phase::PayoutFailed
            | Phase::PaidOut
            | Phase::CarriedOver
            | Phase::NothingOwed => Ok(vec![SettlementEvent::Reopened { by, reason: reason.clone() }]),
        }
    }

    fn fold_closed(&mut self, by: Actor) {
        self.fold_took_part(by);
        self.phase = if self.owes_nothing() { self.ended() } else { Phase::Closed };
    }

    fn fold_reopened(&mut self, by: Actor) {
        self.fold_took_part(by);
        self.phase = Phase::Open;
        self.approved = false;
    }

    fn fold_took_part(&mut self, by: Actor) {
        if !self.hands.contains(&by) {
            self.hands.push(by);
        }
    }

    fn opened(&self) -> Result<&Opened, SettlementRefusal> {
        self.opened.as_ref().ok_or(SettlementRefusal::SettlementAbsent)
    }

    fn in_minor(&self, amount_minor: i64) -> Result<Money, SettlementRefusal> {
        Ok(Money::new(amount_minor, self.opened()?.currency))
    }

    /// Whose it is and what was agreed, once it exists.
    #[must_use]
    pub const fn agreement(&self) -> Option<&Opened> {
        self.opened.as_ref()
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
