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
    payment::event::Settled,
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
    /// Another settlement reckons with what this one leaves.
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

/// Which settlement, and whose money it takes. Whoever sends money there looks at all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub currency: Currency,
}

/// What a payment said when it settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLine {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    /// Said by every line that is included; the first events did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
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
    /// Said by every one that is included; the first events did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub livemode: Option<bool>,
    /// Counted from 1: what is opened again may leave something once more.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub number: u32,
    pub amount: Money,
}

const fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_first(number: &u32) -> bool {
    *number == 1
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

impl Opened {
    #[must_use]
    pub const fn destination(&self) -> Destination {
        let Self { settlement_id, merchant_id, livemode, currency, .. } = *self;
        Destination { settlement_id, merchant_id, livemode, currency }
    }
}

impl Destination {
    /// Money of this merchant, mode and currency may go there.
    #[must_use]
    pub fn takes(&self, merchant_id: MerchantId, livemode: bool, currency: Currency) -> bool {
        (self.merchant_id, self.livemode, self.currency) == (merchant_id, livemode, currency)
    }
}

impl PaymentLine {
    /// The line of a payment that has settled.
    #[must_use]
    pub const fn of(payment_id: PaymentId, livemode: bool, settled: &Settled) -> Self {
        let Settled { settlement_id, merchant_id, captured, fees, refunds, disputes, net, .. } = *settled;
        let livemode = Some(livemode);
        Self { settlement_id, merchant_id, livemode, payment_id, captured, fees, refunds, disputes, net }
    }
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
