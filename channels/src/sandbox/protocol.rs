//! The sandbox's own words on the wire, the same for both of its sides.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    channel::Channel as Name,
    id::{CaptureId, MerchantId, PaymentId, PayoutId, RefundId},
    payment::attempt::Decline,
};
use serde::{Deserialize, Serialize};

use crate::request::Kind;

pub(super) const KEY_HEADER: &str = "idempotency-key";

/// The path of a kind of request, and of what is said of it.
pub(super) const fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Authorise => "payments",
        Kind::Capture => "captures",
        Kind::Void => "voids",
        Kind::Refund => "refunds",
        Kind::PayOut => "payouts",
    }
}

/// What is asked. Amounts are in the partner's minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payment_id: Option<PaymentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<u32>,
    /// With a payment: captured at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capture_id: Option<CaptureId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refund_id: Option<RefundId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payout_id: Option<PayoutId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) merchant_id: Option<MerchantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trade_no: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amount_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<String>,
}

impl Order {
    /// The same under the same key: the number of the trade alone may have become known since.
    pub(super) fn is_repeated_by(&self, other: &Self) -> bool {
        let number = match (&self.trade_no, &other.trade_no) {
            (Some(one), Some(another)) => one == another,
            (None, _) | (_, None) => true,
        };
        let other = Self { trade_no: self.trade_no.clone(), ..other.clone() };
        number && *self == other
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Succeeded,
    Declined,
    Pending,
    RequiresAction,
    NotFound,
}

/// How a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) state: State,
    /// The number of what was done: a trade, a refund, a payout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) no: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amount_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) captured_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) decline: Option<Decline>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    pub(super) at: DateTime<Utc>,
}

/// What a report says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    #[serde(rename = "payment.authorised")]
    Authorised,
    #[serde(rename = "payment.captured")]
    Captured,
    #[serde(rename = "payment.declined")]
    Declined,
    #[serde(rename = "payment.capture_declined")]
    CaptureDeclined,
    #[serde(rename = "payment.voided")]
    Voided,
    #[serde(rename = "payment.expired")]
    Expired,
    #[serde(rename = "payment.notice")]
    Notice,
    #[serde(rename = "refund.succeeded")]
    RefundSucceeded,
    #[serde(rename = "refund.failed")]
    RefundFailed,
    #[serde(rename = "payout.paid")]
    PaidOut,
    #[serde(rename = "payout.failed")]
    PayoutFailed,
    #[serde(rename = "payout.returned")]
    PayoutReturned,
    #[serde(rename = "dispute.opened")]
    DisputeOpened,
    #[serde(rename = "dispute.won")]
    DisputeWon,
    #[serde(rename = "dispute.lost")]
    DisputeLost,
}

/// A report, as signed and sent. What it is about it names by our ids; a trade it names by the partner's number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReportBody {
    pub(super) id: String,
    pub(super) channel: Name,
    pub(super) what: What,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payment_id: Option<PaymentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capture_id: Option<CaptureId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refund_id: Option<RefundId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payout_id: Option<PayoutId>,
    /// The number of the trade, the refund, the payout or the dispute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) no: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amount_minor: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) decline: Option<Decline>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notice: Option<String>,
    pub(super) at: DateTime<Utc>,
}

/// What a line of a day's remittance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Booked {
    Captured,
    Refunded,
    RefundReturned,
    DisputeLost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LineBody {
    pub(super) number: u64,
    pub(super) what: Booked,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) payment_id: Option<PaymentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capture_id: Option<CaptureId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refund_id: Option<RefundId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) no: Option<String>,
    pub(super) currency: String,
    pub(super) gross_minor: i64,
    pub(super) fee_minor: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SumBody {
    pub(super) currency: String,
    pub(super) gross_minor: i64,
    pub(super) fee_minor: i64,
    pub(super) net_minor: i64,
    pub(super) lines_count: u64,
}

/// A page of a day's remittance; of one that has not ended, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageBody {
    pub(super) is_closed: bool,
    pub(super) sums: Vec<SumBody>,
    pub(super) lines: Vec<LineBody>,
    pub(super) has_more: bool,
}

/// The day that is to end now, whatever the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Close {
    pub(super) date: NaiveDate,
}
