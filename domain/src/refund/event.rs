//! What is stored of a refund, for ever; the money moves with the payment's own events.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::events_named,
    channel::Channel,
    free_text::FreeText,
    id::{MerchantId, PaymentId, RefundId},
    money::Money,
    payment::attempt::Decline,
    posting::Posting,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundEvent {
    Requested(Box<Requested>),
    Sent {
        channel: Channel,
    },
    OutcomeUnknown,
    /// When the money went, where the channel says so; the first events did not say it.
    Succeeded {
        channel_refund_no: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_at: Option<DateTime<Utc>>,
    },
    /// When it failed, where that is known.
    Failed {
        decline: Decline,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_at: Option<DateTime<Utc>>,
    },
    /// When the money came back, where the channel says so.
    Bounced {
        payment_id: PaymentId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_at: Option<DateTime<Utc>>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    pub refund_id: RefundId,
    pub payment_id: PaymentId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub channel: Channel,
    pub amount: Money,
    pub reason: FreeText,
}

events_named!(RefundEvent {
    Requested = "requested", "1.0";
    Sent = "sent", "1.0";
    OutcomeUnknown = "outcome_unknown", "1.0";
    Succeeded = "succeeded", "1.0";
    Failed = "failed", "1.0";
    Bounced = "bounced", "1.0";
});

impl RefundEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Requested(_) | Self::Sent { .. } | Self::OutcomeUnknown => Posting::none(),
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Bounced { .. } => Posting::none(),
        }
    }
}
