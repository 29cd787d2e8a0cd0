//! A posting is balanced in every currency or cannot be built: one event, one entry.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::{
    account::{Account, Side},
    id::{AdjustmentId, CaptureId, DisputeId, RefundId},
    money::{Money, Totals},
    refusal::refusals,
};

/// One line of an entry. The amount is positive; the side says where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub account: Account,
    pub side: Side,
    pub money: Money,
}

/// Money going from the account that is credited to the account that is debited.
/// A negative amount goes the other way, nothing goes nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Movement {
    pub debit: Account,
    pub credit: Account,
    pub money: Money,
}

/// The journal entry of an event. Whoever holds one holds balanced lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Posting {
    lines: Vec<Line>,
    effective_at: Option<DateTime<Utc>>,
    reverses: Option<Reversed>,
}

/// What an entry takes back: an entry before it in the same stream, by the id of what moved the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversed {
    Adjustment(AdjustmentId),
    Capture(CaptureId),
    Dispute(DisputeId),
    Refund(RefundId),
}

refusals! {
    /// Why lines are no posting.
    pub enum PostingRefusal {
        LineNotPositive = "line_not_positive", 422, "Every line must have a positive amount.", "每一行的金额必须大于零。";
        PostingUnbalanced = "posting_unbalanced", 422,
            "Debits and credits must be equal in every currency.", "每个币种的借方与贷方必须相等。";
    }
}

impl Posting {
    /// The entry of an event that moves no money.
    #[must_use]
    pub const fn none() -> Self {
        Self { lines: Vec::new(), effective_at: None, reverses: None }
    }

    /// Lines as given, where they balance.
    ///
    /// # Errors
    /// A line that is not positive, or a currency that does not balance.
    pub fn balanced(effective_at: DateTime<Utc>, lines: Vec<Line>) -> Result<Self, PostingRefusal> {
        if lines.iter().any(|line| line.money.amount_minor <= 0) {
            return Err(PostingRefusal::LineNotPositive);
        }
        if !sum(&lines).are_zero() {
            return Err(PostingRefusal::PostingUnbalanced);
        }
        Ok(Self { lines, effective_at: Some(effective_at), reverses: None })
    }

    /// Lines of movements, which balance whatever the amounts. Lines of one account and side become one.
    #[must_use]
    pub fn moving(effective_at: DateTime<Utc>, movements: &[Movement]) -> Self {
        let mut lines = Vec::new();
        for movement in movements {
            let Movement { debit, credit, money } = *movement;
            let (debit, credit) = if money.amount_minor.is_negative() { (credit, debit) } else { (debit, credit) };
            let money = Money::new(money.amount_minor.saturating_abs(), money.currency);
            if !money.is_zero() {
                enter(&mut lines, Line { account: debit, side: Side::Debit, money });
                enter(&mut lines, Line { account: credit, side: Side::Credit, money });
            }
        }
        Self { lines, effective_at: Some(effective_at), reverses: None }
    }

    /// The same money back: every line on the other side, with a link to what is reversed.
    #[must_use]
    pub fn reversing(mut self, reversed: impl Into<Reversed>) -> Self {
        for line in &mut self.lines {
            line.side = line.side.opposite();
        }
        self.reverses = Some(reversed.into());
        self
    }

    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    #[must_use]
    pub fn moves_no_money(&self) -> bool {
        self.lines.is_empty()
    }

    /// When the money moved, which may be before it was recorded.
    #[must_use]
    pub const fn effective_at(&self) -> Option<DateTime<Utc>> {
        self.effective_at
    }

    /// What this entry takes back.
    #[must_use]
    pub const fn reverses(&self) -> Option<Reversed> {
        self.reverses
    }
}

macro_rules! reversed_by_id {
    ($($variant:ident: $id:ty;)+) => {
        $(impl From<$id> for Reversed {
            fn from(id: $id) -> Self {
                Self::$variant(id)
            }
        })+

        /// The id says by its prefix what it is of.
        impl fmt::Display for Reversed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(id) => id.fmt(f),)+
                }
            }
        }
    };
}

reversed_by_id! {
    Adjustment: AdjustmentId;
    Capture: CaptureId;
    Dispute: DisputeId;
    Refund: RefundId;
}

/// Debits less credits, per currency.
fn sum(lines: &[Line]) -> Totals {
    let mut totals = Totals::default();
    for line in lines {
        match line.side {
            Side::Debit => totals.add(line.money),
            Side::Credit => totals.subtract(line.money),
        }
    }
    totals
}

/// Adds to the line of that account and side where the sum fits, else starts another: never a unit lost.
fn enter(lines: &mut Vec<Line>, new: Line) {
    for line in lines.iter_mut().filter(|line| line.account == new.account && line.side == new.side) {
        if let Ok(money) = line.money.checked_add(new.money) {
            line.money = money;
            return;
        }
    }
    lines.push(new);
}

#[cfg(test)]
mod tests;
