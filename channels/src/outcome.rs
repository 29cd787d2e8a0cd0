//! What came of asking a partner: done, refused, unknown; or that nothing left the house.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use domain::{channel::Channel as Name, money::Money, payment::attempt::Decline};

/// Only the first two are evidence. `Unknown` is asked about again under the same key, never guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    Settled(T),
    Declined(Decline),
    Unknown(Unknown),
}

/// Why nobody knows yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// No answer in time.
    NoAnswer,
    /// The connection broke after the request may have gone out.
    Broken(String),
    /// An answer that does not say clearly what happened.
    NotUnderstood(String),
    /// The partner has it and is still at it.
    Pending,
    /// The partner waits for the customer (3-D Secure), who is to be sent there.
    CustomerMustAct { url: String },
}

impl Unknown {
    /// The partner did not answer as it should: it may be in trouble.
    #[must_use]
    pub const fn is_trouble(&self) -> bool {
        match self {
            Self::NoAnswer | Self::Broken(_) | Self::NotUnderstood(_) => true,
            Self::Pending | Self::CustomerMustAct { .. } => false,
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("no answer in time"),
            Self::Broken(how) => write!(f, "the connection broke: {how}"),
            Self::NotUnderstood(what) => write!(f, "an answer that was not understood: {what}"),
            Self::Pending => f.write_str("the partner is still at it"),
            Self::CustomerMustAct { .. } => f.write_str("the partner waits for the customer"),
        }
    }
}

/// This try did nothing at the partner. What became of earlier tries under the same key is another matter: after one that
/// was unknown, the request is as unknown as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    pub reason: Reason,
    /// When to try again; none where no try will ever be let out as it is.
    pub retry_after: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nobody moves real money through this channel yet.
    NoPartner(Name),
    /// The partner counts this currency in units that the amount is no whole number of, or not at all.
    AmountNotExpressible(Money),
    /// The key is no text a partner takes.
    KeyNotExpressible,
    /// The partner failed too often lately.
    BreakerOpen,
    /// The partner asked for a pause, and did nothing.
    Paused,
    /// So many requests are under way that no more is let out.
    LineBusy,
    /// So many requests went out lately that no more is let out.
    TooFast,
    /// No connection came about.
    Unreachable(String),
}

impl NotSent {
    #[must_use]
    pub const fn later(reason: Reason, retry_after: Duration) -> Self {
        Self { reason, retry_after: Some(retry_after) }
    }

    #[must_use]
    pub const fn never(reason: Reason) -> Self {
        Self { reason, retry_after: None }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::NoPartner(name) => write!(f, "no partner is configured for {name}"),
            Reason::AmountNotExpressible(money) => write!(f, "the partner has no way to say {money}"),
            Reason::KeyNotExpressible => f.write_str("the key is no text a partner takes"),
            Reason::BreakerOpen => f.write_str("the partner failed too often lately"),
            Reason::Paused => f.write_str("the partner asked for a pause"),
            Reason::LineBusy => f.write_str("too many requests are under way"),
            Reason::TooFast => f.write_str("too many requests went out lately"),
            Reason::Unreachable(why) => write!(f, "the partner cannot be reached: {why}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorised {
    pub channel_trade_no: String,
    /// As the partner says, which may be another amount than was asked.
    pub amount: Money,
    /// What was captured at once, if that was asked.
    pub captured: Option<Captured>,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub channel_trade_no: String,
    pub amount: Money,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voided {
    pub channel_trade_no: String,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    pub channel_refund_no: String,
    pub amount: Money,
    pub effective_at: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidOut {
    pub channel_payout_no: String,
    pub amount: Money,
    pub effective_at: DateTime<Utc>,
}

/// What was done, of whichever kind was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Authorised(Authorised),
    Captured(Captured),
    Voided(Voided),
    Refunded(Refunded),
    PaidOut(PaidOut),
}

/// What a partner says of an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it stands now, which may be other than it was answered: a refund that bounced is declined, and so is a payout
    /// that came back. What was let go, expired or disputed since is settled all the same. Unknown where the partner is
    /// still at it or could not be understood.
    Found(Outcome<Done>),
    /// Never heard of; evidence only past the channel's `absent_after`.
    NotFound,
}
