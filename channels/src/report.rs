//! What a partner tells us unasked, once it is verified.

use chrono::{DateTime, Utc};
use domain::{
    channel::Channel as Name,
    id::{DisputeId, PaymentId, PayoutId, RefundId},
    money::Money,
    payment::{Report, attempt::Decline, dispute::DisputeOutcome},
    payout,
};
use uuid::Uuid;

/// A report that is true: of what, told when, as evidence an aggregate takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The partner's own id of the report: the same when it is sent again.
    pub report_id: String,
    pub evidence: Evidence,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    Attempt {
        payment_id: PaymentId,
        attempt: u32,
        report: Report,
    },
    RefundSucceeded {
        refund_id: RefundId,
        channel_refund_no: String,
        amount: Money,
    },
    /// It failed; after a success that is a bounce, and the refund knows which.
    RefundFailed {
        refund_id: RefundId,
        decline: Decline,
    },
    Payout {
        payout_id: PayoutId,
        evidence: payout::Evidence,
        amount: Money,
    },
    DisputeOpened {
        payment_id: PaymentId,
        attempt: u32,
        dispute_id: DisputeId,
        amount: Money,
    },
    DisputeClosed {
        payment_id: PaymentId,
        attempt: u32,
        dispute_id: DisputeId,
        outcome: DisputeOutcome,
    },
    /// Worth knowing, and no money moved: an inquiry, a warning of fraud.
    Notice {
        payment_id: PaymentId,
        attempt: u32,
        notice: String,
    },
}

/// Not signed by a secret of ours, too old, of another channel, or not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverifiable {
    pub why: &'static str,
    /// What it claims to be about: whom to ask for, and nothing more.
    pub hint: Option<Subject>,
}

/// Whom to ask about what, because somebody who may be anybody spoke of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    pub channel: Name,
    pub livemode: bool,
    pub subject: Subject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Attempt { payment_id: PaymentId, attempt: u32 },
    Refund(RefundId),
    Payout(PayoutId),
}

/// What reports of a channel are signed with.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Disputes named here keep their id in every release.
const DISPUTES: Uuid = Uuid::from_u128(0x3d5c_21e8_77b0_5f4a_8e19_b6a2_0c4d_9f13);

/// Our id of a dispute that a partner opened under a number of its own.
#[must_use]
pub fn dispute_id(channel: Name, dispute_no: &str) -> DisputeId {
    DisputeId::new(Uuid::new_v5(&DISPUTES, format!("{channel}:{dispute_no}").as_bytes()))
}
