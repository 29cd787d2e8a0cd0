//! What a partner has remitted for a day: the sums that came to the bank, and each line.

use chrono::NaiveDate;
use domain::{
    id::{CaptureId, DisputeId, PaymentId, RefundId},
    money::Money,
};

use crate::outcome::Unknown;

/// A page of the report of a day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskRemittance {
    pub date: NaiveDate,
    /// Lines after this one; after none of them at first.
    pub after: u64,
}

/// A day that has ended never changes again: whoever asks twice is told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remitted {
    /// The day has not ended there.
    NotYet,
    Found(Page),
    Unknown(Unknown),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Of the whole day, one for each currency.
    pub sums: Vec<Sum>,
    pub lines: Vec<Line>,
    pub has_more: bool,
}

/// Negative amounts are what we pay the channel, after a day of refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub gross: Money,
    /// What the channel kept.
    pub fee: Money,
    /// What came to the bank.
    pub net: Money,
    pub lines_count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1, over the whole day.
    pub number: u64,
    pub moved: Moved,
    /// The partner's number of it.
    pub no: Option<String>,
    pub gross: Money,
    pub fee: Money,
}

/// What moved, by the names we gave it; whether we know of it is another matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Captured {
        payment_id: PaymentId,
        attempt: u32,
        capture_id: CaptureId,
    },
    Refunded {
        payment_id: PaymentId,
        attempt: u32,
        refund_id: RefundId,
    },
    /// It had succeeded, and came back.
    RefundReturned {
        payment_id: PaymentId,
        attempt: u32,
        refund_id: RefundId,
    },
    DisputeLost {
        payment_id: PaymentId,
        attempt: u32,
        dispute_id: DisputeId,
    },
}

impl Moved {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Captured { .. } => "captured",
            Self::Refunded { .. } => "refunded",
            Self::RefundReturned { .. } => "refund_returned",
            Self::DisputeLost { .. } => "dispute_lost",
        }
    }

    /// The payment it names, and the attempt.
    #[must_use]
    pub const fn attempt(self) -> (PaymentId, u32) {
        match self {
            Self::Captured { payment_id, attempt, .. }
            | Self::Refunded { payment_id, attempt, .. }
            | Self::RefundReturned { payment_id, attempt, .. }
            | Self::DisputeLost { payment_id, attempt, .. } => (payment_id, attempt),
        }
    }
}
