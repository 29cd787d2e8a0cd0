//! Who a sealed value belongs to, as an index that tells nothing without the key.

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
}
