//! Who a sealed value belongs to, as an index that tells nothing without the key.

use core::net::{IpAddr, Ipv6Addr};

use domain::id::MerchantId;

use crate::master_key::Vault;

impl Vault {
    /// The index of a customer of this merchant: the same for every way of writing the address, and another with
    /// every merchant, so that no two of them can find out whom they share.
    pub fn customer_index(&self, merchant_id: MerchantId, email: &str) -> String {
        self.index(&[b"customer", merchant_id.uuid().as_bytes(), email.trim().to_lowercase().as_bytes()])
    }

    /// The index of somebody who works with the ledger: a merchant's contact, an operator.
    pub fn contact_index(&self, email: &str) -> String {
        self.index(&[b"contact", email.trim().to_lowercase().as_bytes()])
    }

    /// The index of a card, by the token a channel knows it by: the same with every merchant, as a stolen card is used
    /// with many. Merchants are never shown it.
    pub fn card_index(&self, token: &str) -> String {
        self.index(&[b"card", token.as_bytes()])
    }

    /// The index of an address on the internet, the same with every merchant. Of an IPv6 address the first half counts:
    /// the other half is its owner's to change as they like.
    pub fn address_index(&self, address: IpAddr) -> String {
        let address = match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        };
        self.index(&[b"address", address.to_string().as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::master_key::MasterKey;

    #[test]
    fn one_person_has_one_index_with_each_merchant() {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let vault = Vault::new(&MasterKey::parse(key).unwrap());
        let [one, two] = [1, 2].map(|n| MerchantId::new(Uuid::from_u128(n)));
        let index = vault.customer_index(one, "Ann@Example.com ");
        assert_eq!(index, vault.customer_index(one, "ann@example.com"));
        assert_ne!(index, vault.customer_index(two, "ann@example.com"));
        assert_ne!(index, vault.customer_index(one, "anne@example.com"));
        assert_ne!(vault.contact_index("ann@example.com"), index);
    }

    #[test]
    fn an_address_has_one_index_and_a_card_another() {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        let vault = Vault::new(&MasterKey::parse(key).unwrap());
        let at = |address: &str| vault.address_index(address.parse().unwrap());
        assert_eq!(at("192.0.2.7"), at("::ffff:192.0.2.7"));
        assert_ne!(at("192.0.2.7"), at("192.0.2.8"));
        // Whoever has an IPv6 address has all that begin as it does.
        assert_eq!(at("2001:db8:0:1::1"), at("2001:db8:0:1:ffff::2"));
        assert_ne!(at("2001:db8:0:1::1"), at("2001:db8:0:2::1"));
        assert_ne!(vault.card_index("192.0.2.7"), at("192.0.2.7"));
        for index in [at("2001:db8::1"), vault.card_index("pm_1")] {
            assert!(index.parse::<domain::blind_index::BlindIndex>().is_ok());
        }
    }
}
