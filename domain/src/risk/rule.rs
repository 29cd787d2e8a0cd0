//! A rule: a condition on a payment, with a score and perhaps a decision of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    country::Country,
    currency::Currency,
    id::IdRefusal,
    merchant::Standing,
    risk::{RiskDecision, Score},
    text::stored_as_text,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: RuleId,
    /// What the rule adds to the score when it fires.
    pub score: Score,
    /// What the rule decides when it fires, whatever the score; where it says nothing its kind may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RiskDecision>,
    pub when: Condition,
}

/// What fires a rule. In minor units; a currency that is not named never fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// The payment touches an entry of the blocklist.
    Blocked,
    /// The payment touches an entry of the allowlist.
    Allowed,
    AmountAbove {
        amounts_minor: BTreeMap<Currency, i64>,
    },
    /// More payments than this in the window, this one included.
    CountAbove {
        per: Per,
        window: Window,
        count: u64,
    },
    /// More money than this in the window, this payment included.
    SumAbove {
        per: Per,
        window: Window,
        amounts_minor: BTreeMap<Currency, i64>,
    },
    /// Both are known and differ.
    CountryMismatch {
        one: Place,
        other: Place,
    },
    CountryIn {
        place: Place,
        countries: BTreeSet<Country>,
    },
    /// The hour where the merchant is, from the first to before the second, over midnight where need be.
    NightHours {
        from_hour: u8,
        until_hour: u8,
    },
    NewMerchant {
        younger_than_days: u32,
        amounts_minor: BTreeMap<Currency, i64>,
    },
    MethodToken {
        tokens: BTreeSet<SandboxToken>,
    },
    /// With this payment the merchant is beyond what was agreed for the day or the month.
    LimitExceeded {
        period: Period,
    },
    ChannelIn {
        channels: BTreeSet<Channel>,
    },
    StandingIn {
        standings: BTreeSet<Standing>,
    },
    /// Some counter was given as of longer ago than this.
    CountersOlderThan {
        seconds: u32,
    },
}

/// Whose payments are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    Merchant,
    Customer,
    CardToken,
    Ip,
    /// The country of the address.
    Country,
}

/// How far back they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Window {
    #[serde(rename = "1m")]
    Minute,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
    #[serde(rename = "7d")]
    Week,
}

/// Where a country is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Ip,
    Card,
    Customer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Month,
}

/// Lower-case letters, digits and underscores, beginning with a letter: what reasons are told by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(String);

/// A method that only the sandbox plays: no card stands behind it, so rules may name it in the clear.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SandboxToken(String);

impl Rule {
    /// What the rule decides by itself when it fires.
    #[must_use]
    pub fn outright(&self) -> Option<RiskDecision> {
        self.decision.or(match &self.when {
            Condition::Blocked | Condition::LimitExceeded { .. } => Some(RiskDecision::Reject),
            Condition::Allowed => Some(RiskDecision::Approve),
            Condition::AmountAbove { .. } | Condition::CountAbove { .. } | Condition::SumAbove { .. } => None,
            Condition::CountryMismatch { .. } | Condition::CountryIn { .. } | Condition::NightHours { .. } => None,
            Condition::NewMerchant { .. } | Condition::MethodToken { .. } | Condition::ChannelIn { .. } => None,
            Condition::StandingIn { .. } | Condition::CountersOlderThan { .. } => None,
        })
    }
}

impl Condition {
    /// No approval stands against it.
    #[must_use]
    pub const fn is_hard(&self) -> bool {
        matches!(self, Self::Blocked | Self::LimitExceeded { .. })
    }

    /// Every kind, as it is written.
    pub const KINDS: &'static [&'static str] = &[
        "blocked",
        "allowed",
        "amount_above",
        "count_above",
        "sum_above",
        "country_mismatch",
        "country_in",
        "night_hours",
        "new_merchant",
        "method_token",
        "limit_exceeded",
        "channel_in",
        "standing_in",
        "counters_older_than",
    ];

    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Allowed => "allowed",
            Self::AmountAbove { .. } => "amount_above",
            Self::CountAbove { .. } => "count_above",
            Self::SumAbove { .. } => "sum_above",
            Self::CountryMismatch { .. } => "country_mismatch",
            Self::CountryIn { .. } => "country_in",
            Self::NightHours { .. } => "night_hours",
            Self::NewMerchant { .. } => "new_merchant",
            Self::MethodToken { .. } => "method_token",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::ChannelIn { .. } => "channel_in",
            Self::StandingIn { .. } => "standing_in",
            Self::CountersOlderThan { .. } => "counters_older_than",
        }
    }
}

impl RuleId {
    /// One that this crate names itself; a test reads them all back.
    pub(super) fn ours(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl SandboxToken {
    const PREFIX: &'static str = "pm_sandbox_";

    pub(super) fn ours(behaviour: &str) -> Self {
        Self(format!("{}{behaviour}", Self::PREFIX))
    }
}

const LENGTH_MAX: usize = 63;

fn is_word(text: &str) -> bool {
    let letters = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    letters && text.len() <= LENGTH_MAX && text.starts_with(|first: char| first.is_ascii_lowercase())
}

impl FromStr for RuleId {
    type Err = IdRefusal;

    fn from_str(text: &str) -> Result<Self, IdRefusal> {
        if is_word(text) { Ok(Self(text.to_owned())) } else { Err(IdRefusal::IdMalformed) }
    }
}

impl FromStr for SandboxToken {
    type Err = IdRefusal;

    fn from_str(text: &str) -> Result<Self, IdRefusal> {
        let behaviour = text.strip_prefix(Self::PREFIX).unwrap_or_default();
        if is_word(behaviour) { Ok(Self(text.to_owned())) } else { Err(IdRefusal::IdMalformed) }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SandboxToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

stored_as_text!(RuleId);
stored_as_text!(SandboxToken);
