//! What a partner is asked: under a key that is the same over retries and crashes.
//!
//! `key` is made by the caller. `traceparent` is passed on as it is and is no part of what is asked.

use domain::{
    id::{CaptureId, MerchantId, PaymentId, PayoutId, RefundId},
    money::Money,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorise {
    pub key: String,
    pub payment_id: PaymentId,
    pub attempt: u32,
    pub amount: Money,
    /// Captured at once and whole, under this id; else only authorised.
    pub capture: Option<CaptureId>,
    /// The token of the customer's means of payment, `pm_…`.
    pub method: Option<String>,
    pub traceparent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub key: String,
    pub payment_id: PaymentId,
    pub attempt: u32,
    pub capture_id: CaptureId,
    /// The partner's number of the authorisation, where it gave one.
    pub channel_trade_no: Option<String>,
    pub amount: Money,
    pub traceparent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void {
    pub key: String,
    pub payment_id: PaymentId,
    pub attempt: u32,
    pub channel_trade_no: Option<String>,
    pub traceparent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub key: String,
    pub payment_id: PaymentId,
    pub attempt: u32,
    pub refund_id: RefundId,
    pub channel_trade_no: Option<String>,
    pub amount: Money,
    pub traceparent: Option<String>,
}

/// To the bank account the partner knows the merchant by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayOut {
    pub key: String,
    pub payout_id: PayoutId,
    pub merchant_id: MerchantId,
    pub amount: Money,
    pub traceparent: Option<String>,
}

/// What became of the request with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub key: String,
    pub kind: Kind,
    pub traceparent: Option<String>,
}

/// What an earlier request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Authorise,
    Capture,
    Void,
    Refund,
    PayOut,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Authorise, Self::Capture, Self::Void, Self::Refund, Self::PayOut];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorise => "authorise",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::PayOut => "pay_out",
        }
    }
}
