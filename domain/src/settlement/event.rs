//! What is stored of a settlement, for ever. None of it moves money.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::events_named,
    currency::Currency,
    free_text::FreeText,
    id::{MerchantId, PaymentId, PayoutId, SettlementId},
    money::Money,
    posting::Posting,
    settled_funds::event::Entry,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementEvent {
    Opened(Box<Opened>),
    PaymentIncluded(Box<PaymentLine>),
    EntryIncluded(Box<Entry>),
    /// Another settlement is carried over into this one.
    CarryOverIncluded(Box<CarryOver>),
    Closed(Box<Closed>),
    Approved {
        by: Actor,
    },
    PayoutStarted {
        payout_id: PayoutId,
        amount: Money,
    },
    PaidOut {
        payout_id: PayoutId,
        amount: Money,
    },
    PayoutFailed {
        payout_id: PayoutId,
        reason: FreeText,
    },
    /// Paid, and given back.
    PayoutReturned {
        payout_id: PayoutId,
        amount: Money,
        reason: FreeText,
    },
    Reopened {
        by: Actor,
        reason: FreeText,
    },
    /// Another settlement reckons with what this one leaves: it includes nothing more.
    CarriedOver(Box<CarryOver>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub currency: Currency,
    pub period: Period,
    pub opened_by: Actor,
    /// Whoever approves is an operator who neither opened nor closed it.
    pub two_people: bool,
    /// Less than this is carried over, not paid out.
    pub threshold_minor: i64,
}

/// Days in the merchant's time zone, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub from: NaiveDate,
    pub until: NaiveDate,
}

/// What a payment said when it settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLine {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    pub payment_id: PaymentId,
    pub captured: Money,
    pub fees: Money,
    pub refunds: Money,
    pub disputes: Money,
    pub net: Money,
}

/// What one settlement leaves to another: negative where the merchant owes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryOver {
    pub from: SettlementId,
    pub into: SettlementId,
    pub merchant_id: MerchantId,
    pub amount: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub by: Actor,
    pub payments_count: u64,
    pub gross: Money,
    pub fees: Money,
    pub refunds: Money,
    pub disputes: Money,
    pub adjustments: Money,
    pub carried_over: Money,
    pub net: Money,
    /// What is left to pay out is negative or below the threshold: a later settlement reckons with it.
    pub carries_over: bool,
}

events_named!(SettlementEvent {
    Opened = "opened", "1.0";
    PaymentIncluded = "payment_included", "1.0";
    EntryIncluded = "entry_included", "1.0";
    CarryOverIncluded = "carry_over_included", "1.0";
    Closed = "closed", "1.0";
    Approved = "approved", "1.0";
    PayoutStarted = "payout_started", "1.0";
    PaidOut = "paid_out", "1.0";
    PayoutFailed = "payout_failed", "1.0";
    PayoutReturned = "payout_returned", "1.0";
    Reopened = "reopened", "1.0";
    CarriedOver = "carried_over", "1.0";
});

impl SettlementEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Opened(_) | Self::PaymentIncluded(_) | Self::EntryIncluded(_) => Posting::none(),
            Self::CarryOverIncluded(_) | Self::Closed(_) | Self::CarriedOver(_) => Posting::none(),
            Self::Approved { .. } | Self::PayoutStarted { .. } | Self::PaidOut { .. } => Posting::none(),
            Self::PayoutFailed { .. } | Self::PayoutReturned { .. } | Self::Reopened { .. } => Posting::none(),
        }
    }
}
