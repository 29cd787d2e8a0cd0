//! Periods of one mode: closed through which month; opened again by two people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{aggregate::Aggregate, free_text::FreeText, id::OperatorId, month::Month, refusal::refusals};

pub mod event;
use event::{PeriodsEvent, ReopeningProposed};

/// Months are closed in order: with a month, all before it. To open one again opens the last one closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Periods {
    closed_through: Option<Month>,
    /// What waits for the second person: which month, and who asked.
    reopening: Option<(Month, OperatorId)>,
    /// The month opened again last.
    reopened: Option<Month>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PeriodsCommand {
    /// `at` is now: a month is closed when it is over.
    Close {
        livemode: bool,
        month: Month,
        by: OperatorId,
        at: DateTime<Utc>,
    },
    ProposeReopening {
        month: Month,
        by: OperatorId,
        reason: FreeText,
    },
    ApproveReopening {
        month: Month,
        by: OperatorId,
    },
    RejectReopening {
        month: Month,
        by: OperatorId,
        reason: FreeText,
    },
}

refusals! {
    /// Why periods say no, in the order the rules are tried.
    pub enum PeriodsRefusal {
        MonthNotOver = "month_not_over", 422, "The month is not over yet.", "该月份尚未结束。";
        MonthNotClosed = "month_not_closed", 409, "The month is not closed.", "该月份未关账。";
        LaterMonthClosed = "later_month_closed", 409,
            "A later month is closed; open that one again first.", "其后的月份已关账，请先重新开放后面的月份。";
        ReopeningNotProposed = "reopening_not_proposed", 409,
            "Nobody has proposed to open this month again.", "尚未提出重新开放该月份。";
        SecondPersonNeeded = "second_person_needed", 403,
            "Whoever proposed it may not approve it.", "提出的人不能批准。";
    }
}

type Decision = Result<Vec<PeriodsEvent>, PeriodsRefusal>;

impl Aggregate for Periods {
    const TYPE: &'static str = "periods";
    const STATE_VERSION: i32 = 1;
    type Command = PeriodsCommand;
    type Event = PeriodsEvent;
    type Refusal = PeriodsRefusal;

    fn decide(&self, command: &PeriodsCommand) -> Decision {
        match command {
            PeriodsCommand::Close { livemode, month, by, at } => self.close(*livemode, *month, *by, *at),
            PeriodsCommand::ProposeReopening { month, by, reason } => self.propose_reopening(*month, *by, reason),
            PeriodsCommand::ApproveReopening { month, by } => self.approve_reopening(*month, *by),
            PeriodsCommand::RejectReopening { month, by, reason } => self.reject_reopening(*month, *by, reason),
        }
    }

    fn apply(&mut self, event: &PeriodsEvent) {
        match event {
            PeriodsEvent::Closed { month, .. } => self.closed_through = Some(*month),
            PeriodsEvent::ReopeningProposed(proposed) => self.reopening = Some((proposed.month, proposed.by)),
            PeriodsEvent::ReopeningRejected { .. } => self.reopening = None,
            PeriodsEvent::Reopened { month, .. } => {
                self.closed_through = Some(month.previous());
                self.reopening = None;
                self.reopened = Some(*month);
            }
        }
    }
}

impl Periods {
    /// The last month that is closed, with all before it.
    #[must_use]
    pub const fn closed_through(&self) -> Option<Month> {
        self.closed_through
    }

    /// The month that somebody wants opened again, until a second person has said yes or no.
    #[must_use]
    pub fn reopening(&self) -> Option<Month> {
        self.reopening.map(|(month, _by)| month)
    }

    fn close(&self, livemode: bool, month: Month, by: OperatorId, at: DateTime<Utc>) -> Decision {
        if self.is_closed(month) {
            return Ok(Vec::new());
        }
        if at < month.end() {
            return Err(PeriodsRefusal::MonthNotOver);
        }
        Ok(vec![PeriodsEvent::Closed { livemode, month, by }])
    }

    fn propose_reopening(&self, month: Month, by: OperatorId, reason: &FreeText) -> Decision {
        self.last_closed(month)?;
        if self.reopening() == Some(month) {
            return Ok(Vec::new());
        }
        Ok(vec![PeriodsEvent::ReopeningProposed(Box::new(ReopeningProposed { month, by, reason: reason.clone() }))])
    }

    fn approve_reopening(&self, month: Month, by: OperatorId) -> Decision {
        if !self.is_closed(month) && self.reopened == Some(month) {
            return Ok(Vec::new());
        }
        self.last_closed(month)?;
        let (_month, proposed_by) =
            self.reopening.filter(|(asked, _by)| *asked == month).ok_or(PeriodsRefusal::ReopeningNotProposed)?;
        if proposed_by == by {
            return Err(PeriodsRefusal::SecondPersonNeeded);
        }
        Ok(vec![PeriodsEvent::Reopened { month, proposed_by, approved_by: by }])
    }

    fn reject_reopening(&self, month: Month, by: OperatorId, reason: &FreeText) -> Decision {
        if !self.is_closed(month) {
            return Err(PeriodsRefusal::MonthNotClosed);
        }
        if self.reopening() != Some(month) {
            return Ok(Vec::new());
        }
        Ok(vec![PeriodsEvent::ReopeningRejected { month, by, reason: reason.clone() }])
    }

    fn is_closed(&self, month: Month) -> bool {
        is_closed(self.closed_through, month)
    }

    fn last_closed(&self, month: Month) -> Result<(), PeriodsRefusal> {
        if !self.is_closed(month) {
            return Err(PeriodsRefusal::MonthNotClosed);
        }
        if self.closed_through > Some(month) { Err(PeriodsRefusal::LaterMonthClosed) } else { Ok(()) }
    }
}

/// Whether a month is closed in books that are closed through some month.
#[must_use]
pub fn is_closed(closed_through: Option<Month>, month: Month) -> bool {
    closed_through.is_some_and(|closed| month <= closed)
}

/// The moment under which the books keep what happened at another: the same while its month is open, else the first
/// moment that is. What was closed when it was recorded decides, and nothing that comes later.
#[must_use]
pub fn kept_under(closed_through: Option<Month>, occurred_at: DateTime<Utc>) -> DateTime<Utc> {
    match closed_through {
        Some(closed) if is_closed(closed_through, Month::of(occurred_at)) => closed.end(),
        Some(_) | None => occurred_at,
    }
}

#[cfg(test)]
mod tests;
