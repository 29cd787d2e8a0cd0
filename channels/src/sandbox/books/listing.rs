//! The books as others may read them: what really happened, to compare with.

use chrono::NaiveDate;
use domain::{
    channel::Channel as Name,
    id::{CaptureId, PaymentId},
};
use serde::{Deserialize, Serialize};

use crate::request::Kind;

/// All of it, in the channels' minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub totals: Vec<Totals>,
    pub payments: Vec<TradeLine>,
    pub effects: Vec<EffectLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub channel: Name,
    pub currency: String,
    pub captured_minor: i64,
    /// Less what came back.
    pub refunded_minor: i64,
    /// Taken back by disputes that were lost.
    pub disputed_minor: i64,
    pub fees_minor: i64,
    /// Less what came back.
    pub paid_out_minor: i64,
}

/// One trade: an attempt that got a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeLine {
    pub channel: Name,
    pub trade_no: String,
    pub payment_id: PaymentId,
    pub attempt: u32,
    pub currency: String,
    pub authorised_minor: i64,
    pub captured_minor: i64,
    pub refunded_minor: i64,
    /// Nothing more can be captured.
    pub released: bool,
    /// How often, which is once each at most.
    pub captures: Vec<(CaptureId, u32)>,
}

/// How often a request had its effect. More than once would be money moved twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectLine {
    pub channel: Name,
    pub key: String,
    pub kind: Kind,
    pub count: u32,
}

/// What a channel pays into the bank for a day, per currency; negative after a day of refunds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemittanceLine {
    pub channel: Name,
    pub currency: String,
    pub date: NaiveDate,
    pub gross_minor: i64,
    pub fee_minor: i64,
    pub net_minor: i64,
}
