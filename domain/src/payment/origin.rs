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

/// How channels begin the tokens that stand for one card. Other methods (`wallet`) stand for nobody in particular.
const OF_CARDS: [&str; 4] = ["pm_", "card_", "tok_", "src_"];
/// No card stands behind these.
const OF_THE_SANDBOX: &str = "pm_sandbox_";

/// Whether a method is the token of one card.
#[must_use]
pub fn names_a_card(method: &str) -> bool {
    OF_CARDS.iter().any(|prefix| method.starts_with(prefix)) && !method.starts_with(OF_THE_SANDBOX)
}

impl Origin {
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_card_is_counted_as_one() {
        for card in ["pm_card_visa", "pm_1PgafF", "tok_visa", "card_1", "src_1"] {
            assert!(names_a_card(card), "{card}");
        }
        for other in ["wallet", "pm_sandbox_visa", "", "alipay", "PM_1"] {
            assert!(!names_a_card(other), "{other}");
        }
    }
}
