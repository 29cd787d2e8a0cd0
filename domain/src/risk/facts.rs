//! What is known of a payment when its risk is assessed: looked up outside, not stored.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    blind_index::BlindIndex,
    channel::Channel,
    country::Country,
    currency::Currency,
    id::MerchantId,
    merchant::{Standing, event::Limits},
    money::Money,
    network::Network,
    risk::{
        entry::Entry,
        rule::{Per, Period, Place, SandboxToken, Window},
    },
};

#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The moment of the assessment, against which the age of counters is told.
    pub at: DateTime<Utc>,
    pub amount: Money,
    pub channel: Channel,
    pub merchant: MerchantFacts,
    pub payer: Payer,
    pub counters: Counters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MerchantFacts {
    pub merchant_id: MerchantId,
    pub standing: Standing,
    pub age_days: u32,
    /// 0 to 23, in the merchant's time zone; none where none was agreed.
    pub local_hour: Option<u8>,
    /// What was agreed in the currency of the payment.
    pub limits: Limits,
}

/// Whoever pays, as far as known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payer {
    pub customer: Option<BlindIndex>,
    pub card_token: Option<BlindIndex>,
    pub sandbox_token: Option<SandboxToken>,
    pub ip: Option<BlindIndex>,
    /// Those that stood on a list and hold the address, the narrowest first.
    pub ip_networks: Vec<Network>,
    pub ip_country: Option<Country>,
    pub card_country: Option<Country>,
    pub customer_country: Option<Country>,
}

/// What came before this payment, which is not among it. What is missing was nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub velocity: BTreeMap<(Per, Window), Tally>,
    /// Of the merchant's day and month so far, in the merchant's time zone.
    pub periods: BTreeMap<Period, Tally>,
}

/// Payments and their sums per currency, and when that was so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub sums_minor: BTreeMap<Currency, i128>,
    pub as_of: AsOf,
}

/// The last event counted: its position in the log, and when it was recorded or, of a counter that had caught up, found
/// to be the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AsOf {
    pub position: i64,
    pub at: DateTime<Utc>,
}

impl Facts {
    /// The entry of a blocklist that the payment touches, the nearest first. One of its countries is enough.
    #[must_use]
    pub fn blocked_by(&self, list: &BTreeSet<Entry>) -> Option<Entry> {
        let countries = self.countries().map(Entry::Country);
        self.own_entries().chain(countries).find(|entry| list.contains(entry))
    }

    /// The entry of an allowlist that speaks for the payment. A country does if no other is known of it: an address in
    /// the right country makes no stolen card good.
    #[must_use]
    pub fn allowed_by(&self, list: &BTreeSet<Entry>) -> Option<Entry> {
        let known: BTreeSet<Country> = self.countries().collect();
        let only = if known.len() == 1 { known.first().copied().map(Entry::Country) } else { None };
        self.own_entries().chain(only).find(|entry| list.contains(entry))
    }

    fn own_entries(&self) -> impl Iterator<Item = Entry> {
        let Payer { customer, card_token, ip_networks, .. } = &self.payer;
        let merchant = std::iter::once(Entry::Merchant(self.merchant.merchant_id));
        let people = customer.clone().map(Entry::Customer).into_iter().chain(card_token.clone().map(Entry::CardToken));
        merchant.chain(people).chain(ip_networks.iter().copied().map(Entry::Ip))
    }

    fn countries(&self) -> impl Iterator<Item = Country> {
        [Place::Ip, Place::Card, Place::Customer].into_iter().filter_map(|place| self.payer.country(place))
    }
}

impl Payer {
    #[must_use]
    pub const fn country(&self, place: Place) -> Option<Country> {
        match place {
            Place::Ip => self.ip_country,
            Place::Card => self.card_country,
            Place::Customer => self.customer_country,
        }
    }
}

impl Counters {
    /// The counter that is furthest behind.
    #[must_use]
    pub fn oldest(&self) -> Option<AsOf> {
        self.velocity.values().chain(self.periods.values()).map(|tally| tally.as_of).min_by_key(|as_of| as_of.at)
    }
}
