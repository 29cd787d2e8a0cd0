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
    settled_funds::event::Source,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlementEvent {
    Opened(Box<Opened>),
    PaymentIncluded(Box<PaymentLine>),
    EntryIncluded { source: Source, amount: Money },
    Closed(Box<Closed>),
    Approved { by: Actor },
    PayoutStarted { payout_id: PayoutId, amount: Money },
    PaidOut { payout_id: PayoutId, amount: Money },
    PayoutFailed { payout_id: PayoutId, reason: FreeText },
    Reopened { by: Actor, reason: FreeText },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub currency: Currency,
    pub period: Period,
    /// What the settlement before this one left, if it was negative.
    pub carried_over: Money,
    pub opened_by: Actor,
    /// The approver must not be the opener.
    pub two_people: bool,
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
    pub payment_id: PaymentId,
    pub captured: Money,
    pub fees: Money,
    pub refunds: Money,
    pub disputes: Money,
    pub net: Money,
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
    /// The net is negative: the next settlement begins with it.
    pub carries_over: bool,
}

events_named!(SettlementEvent {
    Opened = "opened", "1.0";
    PaymentIncluded = "payment_included", "1.0";
    EntryIncluded = "entry_included", "1.0";
    Closed = "closed", "1.0";
    Approved = "approved", "1.0";
    PayoutStarted = "payout_started", "1.0";
    PaidOut = "paid_out", "1.0";
    PayoutFailed = "payout_failed", "1.0";
    Reopened = "reopened", "1.0";
});

impl SettlementEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Opened(_) | Self::PaymentIncluded(_) | Self::EntryIncluded { .. } | Self::Closed(_) => {
                Posting::none()
            }
            Self::Approved { .. } | Self::PayoutStarted { .. } | Self::PaidOut { .. } => Posting::none(),
            Self::PayoutFailed { .. } | Self::Reopened { .. } => Posting::none(),
        }
    }
}
