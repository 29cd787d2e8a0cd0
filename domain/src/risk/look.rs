//! One rule held against one payment: whether it fires, what it saw, and how old that is.

use std::{collections::BTreeMap, fmt};

use crate::{
    channel::Channel,
    country::Country,
    currency::Currency,
    merchant::Standing,
    money::Money,
    risk::{
        engine::Rulebook,
        entry::Entry,
        facts::{AsOf, Facts, Tally},
        rule::{Condition, Per, Period, SandboxToken, Window},
    },
};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look<'a> {
    pub(super) fired: bool,
    pub(super) saw: Seen<'a>,
    /// What a counter was true at, where one was looked at.
    pub(super) as_of: Option<AsOf>,
}

/// A value as a rule saw it. Never an address and never a person: only what operators wrote into lists themselves.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen<'a> {
    Unknown,
    Listed(Option<Entry>),
    /// Any sum in minor units.
    Minor(i128, Currency),
    Count(u64),
    Country(Country),
    Countries(Country, Country),
    Hour(u8),
    Merchant {
        age_days: u32,
        amount: Money,
    },
    Token(&'a SandboxToken),
    Channel(Channel),
    Standing(Standing),
    Seconds(i64),
}

impl<'a> Look<'a> {
    const fn of(fired: bool, saw: Seen<'a>) -> Self {
        Self { fired, saw, as_of: None }
    }

    const BLIND: Self = Self::of(false, Seen::Unknown);
}

pub(super) fn look<'a>(when: &Condition, book: &Rulebook<'_>, facts: &'a Facts) -> Look<'a> {
    match when {
        Condition::Blocked => listed(facts.blocked_by(book.blocked)),
        Condition::Allowed => listed(facts.allowed_by(book.allowed)),
        Condition::AmountAbove { amounts_minor } => {
            let minor = i128::from(facts.amount.amount_minor);
            Look::of(is_above(minor, amounts_minor, facts), Seen::Minor(minor, facts.amount.currency))
        }
        Condition::CountAbove { per, window, count } => counted(facts, *per, *window, *count),
        Condition::SumAbove { per, window, amounts_minor } => summed(facts, *per, *window, amounts_minor),
        Condition::CountryMismatch { one, other } => match (facts.payer.country(*one), facts.payer.country(*other)) {
            (Some(one), Some(other)) => Look::of(one != other, Seen::Countries(one, other)),
            (None, _) | (_, None) => Look::BLIND,
        },
        Condition::CountryIn { place, countries } => facts
            .payer
            .country(*place)
            .map_or(Look::BLIND, |country| Look::of(countries.contains(&country), Seen::Country(country))),
        Condition::NightHours { from_hour, until_hour } => facts
            .merchant
            .local_hour
            .map_or(Look::BLIND, |hour| Look::of(is_between(hour, *from_hour, *until_hour), Seen::Hour(hour))),
        Condition::NewMerchant { younger_than_days, amounts_minor } => {
            let (age_days, amount) = (facts.merchant.age_days, facts.amount);
            let is_large = is_above(i128::from(amount.amount_minor), amounts_minor, facts);
            Look::of(age_days < *younger_than_days && is_large, Seen::Merchant { age_days, amount })
        }
        Condition::MethodToken { tokens } => match &facts.payer.sandbox_token {
            Some(token) => Look::of(tokens.contains(token), Seen::Token(token)),
            None => Look::BLIND,
        },
        Condition::LimitExceeded { period } => limited(facts, *period),
        Condition::ChannelIn { channels } => Look::of(channels.contains(&facts.channel), Seen::Channel(facts.channel)),
        Condition::StandingIn { standings } => {
            let standing = facts.merchant.standing;
            Look::of(standings.contains(&standing), Seen::Standing(standing))
        }
        Condition::CountersOlderThan { seconds } => facts.counters.oldest().map_or(Look::BLIND, |as_of| {
            let age = facts.at.signed_duration_since(as_of.at);
            let is_older = age > chrono::TimeDelta::seconds(i64::from(*seconds));
            Look { as_of: Some(as_of), ..Look::of(is_older, Seen::Seconds(age.num_seconds())) }
        }),
    }
}

fn listed<'a>(entry: Option<Entry>) -> Look<'a> {
    Look::of(entry.is_some(), Seen::Listed(entry))
}

fn counted<'a>(facts: &Facts, per: Per, window: Window, most: u64) -> Look<'a> {
    if !is_known(facts, per) {
        return Look::BLIND;
    }
    let tally = facts.counters.velocity.get(&(per, window));
    let count = tally.map_or(0, |tally| tally.count).saturating_add(1);
    Look { as_of: tally.map(|tally| tally.as_of), ..Look::of(count > most, Seen::Count(count)) }
}

fn summed<'a>(facts: &Facts, per: Per, window: Window, most_minor: &BTreeMap<Currency, i64>) -> Look<'a> {
    if !is_known(facts, per) {
        return Look::BLIND;
    }
    let tally = facts.counters.velocity.get(&(per, window));
    let sum = with_this(facts, tally);
    let seen = Seen::Minor(sum, facts.amount.currency);
    Look { as_of: tally.map(|tally| tally.as_of), ..Look::of(is_above(sum, most_minor, facts), seen) }
}

fn limited<'a>(facts: &Facts, period: Period) -> Look<'a> {
    let tally = facts.counters.periods.get(&period);
    let sum = with_this(facts, tally);
    let fired = agreed_limit(facts, period).is_some_and(|limit_minor| sum > i128::from(limit_minor));
    Look { as_of: tally.map(|tally| tally.as_of), ..Look::of(fired, Seen::Minor(sum, facts.amount.currency)) }
}

pub(super) const fn agreed_limit(facts: &Facts, period: Period) -> Option<i64> {
    match period {
        Period::Day => facts.merchant.limits.per_day_minor,
        Period::Month => facts.merchant.limits.per_month_minor,
    }
}

pub(super) const fn is_known(facts: &Facts, per: Per) -> bool {
    match per {
        Per::Merchant => true,
        Per::Customer => facts.payer.customer.is_some(),
        Per::CardToken => facts.payer.card_token.is_some(),
        Per::Ip => facts.payer.ip.is_some(),
        Per::Country => facts.payer.ip_country.is_some(),
    }
}

/// What was counted in the payment's currency, and the payment.
fn with_this(facts: &Facts, tally: Option<&Tally>) -> i128 {
    let earlier = tally.and_then(|tally| tally.sums_minor.get(&facts.amount.currency)).copied().unwrap_or_default();
    earlier.saturating_add(i128::from(facts.amount.amount_minor))
}

fn is_above(minor: i128, most_minor: &BTreeMap<Currency, i64>, facts: &Facts) -> bool {
    most_minor.get(&facts.amount.currency).is_some_and(|most| minor > i128::from(*most))
}

const fn is_between(hour: u8, from: u8, until: u8) -> bool {
    if from <= until { from <= hour && hour < until } else { from <= hour || hour < until }
}

impl fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("not known"),
            Self::Listed(None) => f.write_str("not listed"),
            Self::Listed(Some(entry)) => write!(f, "{entry}"),
            Self::Minor(minor, currency) => match i64::try_from(*minor) {
                Ok(amount_minor) => write!(f, "{}", Money::new(amount_minor, *currency)),
                Err(_beyond) => write!(f, "{minor} minor units of {currency}"),
            },
            Self::Count(count) => write!(f, "{count}"),
            Self::Country(country) => write!(f, "{country}"),
            Self::Countries(one, other) => write!(f, "{one} and {other}"),
            Self::Hour(hour) => write!(f, "hour {hour}"),
            Self::Merchant { age_days, amount } => write!(f, "{age_days} days and {amount}"),
            Self::Token(token) => write!(f, "{token}"),
            Self::Channel(channel) => write!(f, "{channel}"),
            Self::Standing(standing) => write!(f, "{}", standing.name()),
            Self::Seconds(seconds) => write!(f, "{seconds} seconds"),
        }
    }
}
