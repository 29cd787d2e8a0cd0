//! A manual adjustment of the books, and its reversal: each with a reason and two people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    account::Account, aggregate::Aggregate, free_text::FreeText, id::OperatorId, month::Month, periods::is_closed,
    refusal::refusals, settled_funds::SettledFundsCommand,
};

pub mod event;
use event::{Adjusted, AdjustmentEvent, Proposed, TakenOver};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adjustment {
    proposed: Option<Proposed>,
    phase: Phase,
    /// Who asked for the reversal, while it waits for the second person.
    reversal_proposed_by: Option<OperatorId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    #[default]
    Proposed,
    Rejected,
    Approved,
    ReversalProposed,
    Reversed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AdjustmentCommand {
    /// Through which month the books are closed is known when it is decided, and so it is below.
    Propose {
        proposal: Box<Proposed>,
        closed_through: Option<Month>,
    },
    /// An opening balance of what came from the platform before.
    TakeOver(Box<TakenOver>),
    /// `effective_at` is now: when it takes effect, unless the proposal says otherwise.
    Approve {
        by: OperatorId,
        effective_at: DateTime<Utc>,
        closed_through: Option<Month>,
    },
    Reject {
        by: OperatorId,
        reason: FreeText,
    },
    ProposeReversal {
        by: OperatorId,
        reason: FreeText,
    },
    ApproveReversal {
        by: OperatorId,
        effective_at: DateTime<Utc>,
        closed_through: Option<Month>,
    },
    RejectReversal {
        by: OperatorId,
        reason: FreeText,
    },
}

refusals! {
    /// Why an adjustment says no, in the order the rules are tried.
    pub enum AdjustmentRefusal {
        AdjustmentAbsent = "adjustment_absent", 404, "There is no such adjustment.", "该调账不存在。";
        AdjustmentDiffers = "adjustment_differs", 409,
            "This adjustment was already proposed otherwise.", "该调账已以不同内容提出。";
        AccountsEqual = "accounts_equal", 422, "The two accounts must differ.", "两个科目不能相同。";
        ReservedMovesByPayouts = "reserved_moves_by_payouts", 422,
            "What is set aside for payouts moves by payouts alone.", "预留出款资金只能由出款变动。";
        MigrationNotTouched = "migration_not_touched", 422,
            "An opening balance goes against suspense:migration.", "期初余额必须以 suspense:migration 为对方科目。";
        AmountNotPositive = "amount_not_positive", 422, "The amount must be greater than zero.", "金额必须大于零。";
        AdjustmentRejected = "adjustment_rejected", 409, "The adjustment was rejected.", "该调账已被驳回。";
        AdjustmentApproved = "adjustment_approved", 409,
            "The adjustment was approved; reverse it instead.", "该调账已批准，请改用冲销。";
        AdjustmentNotApproved = "adjustment_not_approved", 409,
            "The adjustment has not been approved.", "该调账尚未批准。";
        ReversalNotProposed = "reversal_not_proposed", 409, "No reversal was proposed.", "尚未提出冲销。";
        AlreadyReversed = "already_reversed", 409, "The adjustment was reversed.", "该调账已冲销。";
        SecondPersonNeeded = "second_person_needed", 403,
            "Whoever proposed it may not approve it.", "提出的人不能批准。";
        EffectiveLater = "effective_later", 409,
            "It takes effect later; approve it when that moment has come.", "尚未到生效时间，请届时再批准。";
        PeriodClosed = "period_closed", 409,
            "The month in which it would take effect is closed.", "生效月份已关账。";
    }
}

type Decision = Result<Vec<AdjustmentEvent>, AdjustmentRefusal>;

impl Aggregate for Adjustment {
    const TYPE: &'static str = "adjustment";
    const STATE_VERSION: i32 = 1;
    type Command = AdjustmentCommand;
    type Event = AdjustmentEvent;
    type Refusal = AdjustmentRefusal;

    fn decide(&self, command: &AdjustmentCommand) -> Decision {
        match command {
            AdjustmentCommand::Propose { proposal, closed_through } => self.propose(proposal, *closed_through),
            AdjustmentCommand::TakeOver(opening) => self.take_over(opening),
            AdjustmentCommand::Approve { by, effective_at, closed_through } => {
                self.approve(*by, *effective_at, *closed_through)
            }
            AdjustmentCommand::Reject { by, reason } => self.reject(*by, reason),
            AdjustmentCommand::ProposeReversal { by, reason } => self.propose_reversal(*by, reason),
            AdjustmentCommand::ApproveReversal { by, effective_at, closed_through } => {
                self.approve_reversal(*by, *effective_at, *closed_through)
            }
            AdjustmentCommand::RejectReversal { by, reason } => self.reject_reversal(*by, reason),
        }
    }

    fn apply(&mut self, event: &AdjustmentEvent) {
        match event {
            AdjustmentEvent::Proposed(proposed) => self.proposed = Some(proposed.as_ref().clone()),
            AdjustmentEvent::TakenOver(opening) => {
                self.proposed = Some(opening.proposed());
                self.phase = Phase::Approved;
            }
            AdjustmentEvent::Approved(_) => self.phase = Phase::Approved,
            AdjustmentEvent::Rejected { .. } => self.phase = Phase::Rejected,
            AdjustmentEvent::ReversalProposed { by, .. } => {
                self.phase = Phase::ReversalProposed;
                self.reversal_proposed_by = Some(*by);
            }
            AdjustmentEvent::Reversed(_) => self.phase = Phase::Reversed,
            AdjustmentEvent::ReversalRejected { .. } => self.phase = Phase::Approved,
        }
    }
}

impl Adjustment {
    /// How far it has come.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it is about real money, once it exists.
    #[must_use]
    pub fn livemode(&self) -> Option<bool> {
        self.proposed.as_ref().map(|proposed| proposed.livemode)
    }

    /// What settled funds are to know of it, whether or not they do.
    #[must_use]
    pub fn moves_of_funds(&self) -> Vec<SettledFundsCommand> {
        let Some(proposed) = &self.proposed else { return Vec::new() };
        // Who approved it, and when, is nothing to the funds.
        let adjusted = || Box::new(proposed.adjusted(proposed.by, DateTime::UNIX_EPOCH));
        let events = match self.phase {
            Phase::Proposed | Phase::Rejected => Vec::new(),
            Phase::Approved | Phase::ReversalProposed => vec![AdjustmentEvent::Approved(adjusted())],
            Phase::Reversed => vec![AdjustmentEvent::Approved(adjusted()), AdjustmentEvent::Reversed(adjusted())],
        };
        let moves = events.iter().flat_map(|event| SettledFundsCommand::of_adjustment(proposed.livemode, event));
        moves.collect()
    }

    fn propose(&self, proposal: &Proposed, closed_through: Option<Month>) -> Decision {
        match &self.proposed {
            Some(proposed) if proposed == proposal => return Ok(Vec::new()),
            Some(_) => return Err(AdjustmentRefusal::AdjustmentDiffers),
            None => {}
        }
        if proposal.debit == proposal.credit {
            return Err(AdjustmentRefusal::AccountsEqual);
        }
        if [proposal.debit, proposal.credit].iter().any(|account| matches!(account, Account::MerchantReserved(_))) {
            return Err(AdjustmentRefusal::ReservedMovesByPayouts);
        }
        if proposal.amount.amount_minor <= 0 {
            return Err(AdjustmentRefusal::AmountNotPositive);
        }
        if let Some(effective_at) = proposal.effective_at {
            must_be_open(closed_through, effective_at)?;
        }
        Ok(vec![AdjustmentEvent::Proposed(Box::new(proposal.clone()))])
    }

    fn take_over(&self, opening: &TakenOver) -> Decision {
        match &self.proposed {
            Some(proposed) if *proposed == opening.proposed() => return Ok(Vec::new()),
            Some(_) => return Err(AdjustmentRefusal::AdjustmentDiffers),
            None => {}
        }
        if opening.debit == opening.credit {
            return Err(AdjustmentRefusal::AccountsEqual);
        }
        let sides = [opening.debit, opening.credit];
        if sides.iter().any(|account| matches!(account, Account::MerchantReserved(_))) {
            return Err(AdjustmentRefusal::ReservedMovesByPayouts);
        }
        if !sides.contains(&Account::SuspenseMigration) {
            return Err(AdjustmentRefusal::MigrationNotTouched);
        }
        if opening.amount.amount_minor <= 0 {
            return Err(AdjustmentRefusal::AmountNotPositive);
        }
        Ok(vec![AdjustmentEvent::TakenOver(Box::new(opening.clone()))])
    }

    fn approve(&self, by: OperatorId, now: DateTime<Utc>, closed_through: Option<Month>) -> Decision {
        let proposed = self.proposed()?;
        match self.phase {
            Phase::Rejected => return Err(AdjustmentRefusal::AdjustmentRejected),
            Phase::Approved | Phase::ReversalProposed | Phase::Reversed => return Ok(Vec::new()),
            Phase::Proposed => {}
        }
        if by == proposed.by {
            return Err(AdjustmentRefusal::SecondPersonNeeded);
        }
        let effective_at = proposed.effective_at.unwrap_or(now);
        if effective_at > now {
            return Err(AdjustmentRefusal::EffectiveLater);
        }
        must_be_open(closed_through, effective_at)?;
        Ok(vec![AdjustmentEvent::Approved(Box::new(proposed.adjusted(by, effective_at)))])
    }

    fn reject(&self, by: OperatorId, reason: &FreeText) -> Decision {
        self.proposed()?;
        match self.phase {
            Phase::Rejected => Ok(Vec::new()),
            Phase::Approved | Phase::ReversalProposed | Phase::Reversed => Err(AdjustmentRefusal::AdjustmentApproved),
            Phase::Proposed => Ok(vec![AdjustmentEvent::Rejected { by, reason: reason.clone() }]),
        }
    }

    fn propose_reversal(&self, by: OperatorId, reason: &FreeText) -> Decision {
        self.proposed()?;
        match self.phase {
            Phase::Proposed | Phase::Rejected => Err(AdjustmentRefusal::AdjustmentNotApproved),
            Phase::ReversalProposed => Ok(Vec::new()),
            Phase::Reversed => Err(AdjustmentRefusal::AlreadyReversed),
            Phase::Approved => Ok(vec![AdjustmentEvent::ReversalProposed { by, reason: reason.clone() }]),
        }
    }

    fn approve_reversal(&self, by: OperatorId, effective_at: DateTime<Utc>, closed_through: Option<Month>) -> Decision {
        let proposed = self.proposed()?;
        match self.phase {
            Phase::Proposed | Phase::Rejected | Phase::Approved => return Err(AdjustmentRefusal::ReversalNotProposed),
            Phase::Reversed => return Ok(Vec::new()),
            Phase::ReversalProposed => {}
        }
        if self.reversal_proposed_by == Some(by) {
            return Err(AdjustmentRefusal::SecondPersonNeeded);
        }
        must_be_open(closed_through, effective_at)?;
        Ok(vec![AdjustmentEvent::Reversed(Box::new(proposed.adjusted(by, effective_at)))])
    }

    fn reject_reversal(&self, by: OperatorId, reason: &FreeText) -> Decision {
        self.proposed()?;
        match self.phase {
            Phase::Proposed | Phase::Rejected => Err(AdjustmentRefusal::ReversalNotProposed),
            Phase::Approved => Ok(Vec::new()),
            Phase::Reversed => Err(AdjustmentRefusal::AlreadyReversed),
            Phase::ReversalProposed => Ok(vec![AdjustmentEvent::ReversalRejected { by, reason: reason.clone() }]),
        }
    }

    fn proposed(&self) -> Result<&Proposed, AdjustmentRefusal> {
        self.proposed.as_ref().ok_or(AdjustmentRefusal::AdjustmentAbsent)
    }
}

/// What people enter by hand they may enter elsewhere: unlike a fact, it is refused.
fn must_be_open(closed_through: Option<Month>, effective_at: DateTime<Utc>) -> Result<(), AdjustmentRefusal> {
    if is_closed(closed_through, Month::of(effective_at)) { Err(AdjustmentRefusal::PeriodClosed) } else { Ok(()) }
}

impl TakenOver {
    /// What two people may take back later.
    fn proposed(&self) -> Proposed {
        let Self { adjustment_id, livemode, debit, credit, amount, by, effective_at, .. } = *self;
        let (reason, effective_at) = (self.reason.clone(), Some(effective_at));
        Proposed { adjustment_id, livemode, debit, credit, amount, by, reason, effective_at }
    }
}

impl Proposed {
    fn adjusted(&self, approved_by: OperatorId, effective_at: DateTime<Utc>) -> Adjusted {
        let Self { adjustment_id, debit, credit, amount, .. } = *self;
        Adjusted { adjustment_id, debit, credit, amount, approved_by, effective_at }
    }
}

#[cfg(test)]
mod tests;
