//! Where an attempt comes from, told without telling who: indexes, networks, countries.

use serde::{Deserialize, Serialize};

use crate::{blind_index::BlindIndex, country::Country, network::Network};

/// As far as the request told. Cards and addresses are blind indexes, made at the door: nothing personal is stored in
/// the clear. Events of releases that did not ask have none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_token: Option<BlindIndex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<BlindIndex>,
    /// What stood on a list and holds the address, the narrowest first: as operators typed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_networks: Vec<Network>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_country: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_country: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_country: Option<Country>,
}

impl Origin {
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}
