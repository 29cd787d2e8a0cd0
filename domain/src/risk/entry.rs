//! Who stands on a list: a merchant, a customer, a card, an address, a country.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{blind_index::BlindIndex, country::Country, id::MerchantId, network::Network};

/// Customers and cards by their blind index alone; addresses and countries as operators typed them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    Merchant(MerchantId),
    Customer(BlindIndex),
    CardToken(BlindIndex),
    Ip(Network),
    Country(Country),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Merchant(merchant_id) => write!(f, "merchant {merchant_id}"),
            Self::Customer(index) => write!(f, "customer {index}"),
            Self::CardToken(index) => write!(f, "card token {index}"),
            Self::Ip(network) => write!(f, "ip {network}"),
            Self::Country(country) => write!(f, "country {country}"),
        }
    }
}
