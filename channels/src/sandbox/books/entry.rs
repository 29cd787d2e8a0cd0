//! What is written into the sandbox's books, one line each, never altered.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{channel::Channel as Name, payment::attempt::Decline};
use serde::{Deserialize, Serialize};

use crate::{
    request::Kind,
    sandbox::protocol::{Answer, Order},
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum Entry {
    Done(Box<Deed>),
    Turned(Turned),
    Closed(Closed),
}

/// A day whose remittance has been told: nothing is booked on it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Closed {
    pub(in crate::sandbox) channel: Name,
    pub(in crate::sandbox) date: NaiveDate,
}

/// A request, once and for all as it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Deed {
    pub(in crate::sandbox) channel: Name,
    pub(in crate::sandbox) kind: Kind,
    pub(in crate::sandbox) key: String,
    pub(in crate::sandbox) order: Order,
    pub(in crate::sandbox) answer: Answer,
    pub(in crate::sandbox) fee_minor: i64,
    /// What will happen to it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::sandbox) later: Option<Later>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Later {
    pub(in crate::sandbox) at: DateTime<Utc>,
    pub(in crate::sandbox) turn: Turn,
}

/// Something that happened to an earlier request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Turned {
    pub(in crate::sandbox) channel: Name,
    pub(in crate::sandbox) key: String,
    pub(in crate::sandbox) turn: Turn,
    pub(in crate::sandbox) at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum Turn {
    /// Late, or after the customer authenticated, or a refund that was pending.
    Succeeded,
    /// Not authenticated; or a refund that was pending, or had succeeded.
    Declined(Decline),
    /// An authorisation nobody captured in time.
    Expired,
    Disputed,
    DisputeWon,
    DisputeLost,
    Notice(String),
    /// A payout that comes back.
    Returned,
}
