//! What is stored of a payment, for ever.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::events_named,
    channel::Channel,
    fee::FeePlan,
    free_text::{FreeText, OrderNo},
    id::{CaptureId, DisputeId, MerchantId, OperatorId, PaymentId, RefundId, SettlementId},
    money::Money,
    payment::{
        attempt::{CaptureMode, Decline, Stage},
        dispute::DisputeOutcome,
        origin::Origin,
        suspense::Source,
        taken_over::TakenOver,
    },
    risk::Assessment,
    sealed::{Email, Note, Sealed},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentEvent {
    Initiated(Box<Initiated>),
    /// It began on the platform before, and stands like this.
    TakenOver(Box<TakenOver>),
    /// Another try after one that failed with evidence.
    AttemptOpened(AttemptOpened),
    RiskApproved {
        attempt: u32,
        assessment: Assessment,
    },
    RiskRejected {
        attempt: u32,
        assessment: Assessment,
    },
    ReviewRequested {
        attempt: u32,
        assessment: Assessment,
    },
    ReviewApproved {
        attempt: u32,
        by: OperatorId,
        reason: FreeText,
    },
    ReviewRejected {
        attempt: u32,
        by: OperatorId,
        reason: FreeText,
    },
    /// Nobody decided it in time.
    ReviewLapsed {
        attempt: u32,
    },
    /// Recorded before the channel is called: from here on its answer may be lost.
    Submitted {
        attempt: u32,
        channel: Channel,
    },
    Authorised {
        attempt: u32,
        channel: Channel,
        amount: Money,
        channel_trade_no: String,
    },
    OutcomeUnknown {
        attempt: u32,
    },
    /// The channel refused, and said so.
    Failed {
        attempt: u32,
        decline: Decline,
    },
    CaptureRequested {
        attempt: u32,
        capture_id: CaptureId,
        amount: Money,
    },
    /// Which one, unless the channel took back an authorisation that was to be captured without being asked for.
    CaptureDeclined {
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture_id: Option<CaptureId>,
        decline: Decline,
    },
    Captured(Box<Captured>),
    CancellationRequested {
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<FreeText>,
    },
    /// With a reason where one was given and it was done at once.
    Cancelled {
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<FreeText>,
    },
    /// The channel let go of what was authorised and not captured.
    Voided {
        attempt: u32,
        released: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_trade_no: Option<String>,
    },
    AuthorisationExpired {
        attempt: u32,
        released: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_trade_no: Option<String>,
    },
    /// An attempt that had ended, or had another authorisation, was authorised all the same: held for nobody until the
    /// channel lets go.
    AuthorisedLate {
        attempt: u32,
        channel: Channel,
        amount: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_trade_no: Option<String>,
    },
    LateAuthorisationReleased {
        attempt: u32,
        channel: Channel,
        released: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel_trade_no: Option<String>,
    },
    /// The channel let go of an authorisation that the attempt does not rest on and that was never told of: when it is,
    /// nothing is held.
    AuthorisationLetGo {
        attempt: u32,
        channel: Channel,
        channel_trade_no: String,
    },
    /// The channel moved money that nobody expected it to: nobody's until it is returned.
    MoneySuspended(Box<Suspended>),
    SuspenseReturned(Box<Suspended>),
    /// The channel reports an amount that cannot be true: kept, and no money is booked.
    AmountMismatched(Box<Mismatched>),
    RefundReserved {
        refund_id: RefundId,
        amount: Money,
        by: Actor,
        reason: FreeText,
    },
    RefundConfirmed(Box<RefundMoved>),
    RefundReleased {
        refund_id: RefundId,
        amount: Money,
        reason: FreeText,
    },
    /// The channel gave back a refund it had confirmed.
    RefundBounced(Box<RefundMoved>),
    Disputed(Box<DisputeMoved>),
    DisputeClosed {
        outcome: DisputeOutcome,
        moved: Box<DisputeMoved>,
    },
    /// Lost, and then won all the same: the channel gives back what it had taken.
    DisputeWonAfterAll(Box<DisputeMoved>),
    Settled(Box<Settled>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Initiated {
    pub payment_id: PaymentId,
    pub merchant_id: MerchantId,
    pub livemode: bool,
    pub order_no: OrderNo,
    pub amount: Money,
    pub route: Route,
    pub purpose: Purpose,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
}

/// How an attempt goes: through which channel, when captured, at which fee. Pinned when the attempt opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub channel: Channel,
    pub capture_mode: CaptureMode,
    pub fee_plan: FeePlan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<FreeText>,
}

/// What the merchant says about the payment, and where to tell of it. No rule looks at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Purpose {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<FreeText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Sealed<Note>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_email: Option<Sealed<Email>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_url: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<FreeText, FreeText>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptOpened {
    pub attempt: u32,
    pub route: Route,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    pub attempt: u32,
    pub capture_id: CaptureId,
    pub merchant_id: MerchantId,
    pub channel: Channel,
    pub amount: Money,
    pub fee: Money,
    /// The amount less the fee: what the merchant is owed.
    pub net: Money,
    pub channel_trade_no: String,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspended {
    pub source: Source,
    pub channel: Channel,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_trade_no: Option<String>,
    pub effective_at: DateTime<Utc>,
}

/// What a channel reported that cannot be true. The first events did not say who told it, and of what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mismatched {
    pub attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_id: Option<CaptureId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_trade_no: Option<String>,
    pub expected: Money,
    pub reported: Money,
}

/// Whose money a refund or a dispute takes: the merchant's, pending until the payment is settled and available after, or
/// nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Funds {
    Pending,
    Available,
    Suspense,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefundMoved {
    pub refund_id: RefundId,
    pub merchant_id: MerchantId,
    pub channel: Channel,
    pub amount: Money,
    pub fee_returned: Money,
    /// The amount less the fee returned: what the merchant pays.
    pub net: Money,
    pub funds: Funds,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DisputeMoved {
    pub dispute_id: DisputeId,
    pub merchant_id: MerchantId,
    pub channel: Channel,
    pub amount: Money,
    pub funds: Funds,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    pub settlement_id: SettlementId,
    pub merchant_id: MerchantId,
    pub captured: Money,
    pub fees: Money,
    /// Refunded to customers, less the fees returned with it.
    pub refunds: Money,
    /// In dispute or lost.
    pub disputes: Money,
    pub net: Money,
    /// How many events of this payment the net takes into account.
    pub as_of_sequence: u64,
    pub effective_at: DateTime<Utc>,
}

impl Mismatched {
    /// The same was told of the same, whatever was expected then.
    pub(super) fn is_same_report(&self, other: &Self) -> bool {
        (self.attempt, self.channel, self.stage, self.capture_id, self.reported, &self.channel_trade_no)
            == (other.attempt, other.channel, other.stage, other.capture_id, other.reported, &other.channel_trade_no)
    }
}

events_named!(PaymentEvent {
    Initiated = "initiated", "1.0";
    TakenOver = "taken_over", "1.0";
    AttemptOpened = "attempt_opened", "1.0";
    RiskApproved = "risk_approved", "1.0";
    RiskRejected = "risk_rejected", "1.0";
    ReviewRequested = "review_requested", "1.0";
    ReviewApproved = "review_approved", "1.0";
    ReviewRejected = "review_rejected", "1.0";
    ReviewLapsed = "review_lapsed", "1.0";
    Submitted = "submitted", "1.0";
    Authorised = "authorised", "1.0";
    OutcomeUnknown = "outcome_unknown", "1.0";
    Failed = "failed", "1.0";
    CaptureRequested = "capture_requested", "1.0";
    CaptureDeclined = "capture_declined", "1.0";
    Captured = "captured", "1.0";
    CancellationRequested = "cancellation_requested", "1.0";
    Cancelled = "cancelled", "1.0";
    Voided = "voided", "1.0";
    AuthorisationExpired = "authorisation_expired", "1.0";
    AuthorisedLate = "authorised_late", "1.0";
    LateAuthorisationReleased = "late_authorisation_released", "1.0";
    AuthorisationLetGo = "authorisation_let_go", "1.0";
    MoneySuspended = "money_suspended", "1.0";
    SuspenseReturned = "suspense_returned", "1.0";
    AmountMismatched = "amount_mismatched", "1.0";
    RefundReserved = "refund_reserved", "1.0";
    RefundConfirmed = "refund_confirmed", "1.0";
    RefundReleased = "refund_released", "1.0";
    RefundBounced = "refund_bounced", "1.0";
    Disputed = "disputed", "1.0";
    DisputeClosed = "dispute_closed", "1.0";
    DisputeWonAfterAll = "dispute_won_after_all", "1.0";
    Settled = "settled", "1.0";
});
