//! Secrets that came with a key from elsewhere: sealed beside the data keys.

use domain::id::ApiKeyId;
use event_store::DataKey;
use zeroize::Zeroizing;

use crate::{
    OpenFailure, Vault,
    data_key::{decrypt, encrypt},
};

impl Vault {
    /// What stands in the database of a signing secret that cannot be derived. It is of no person: nobody is forgotten
    /// with it.
    pub fn sealed_secret(&self, key_id: ApiKeyId, secret: &str) -> DataKey {
        let id = key_id.uuid();
        DataKey { id, wrapped: encrypt(self.secrets_key(), id, secret.as_bytes()), person: None }
    }

    /// The secret again.
    ///
    /// # Errors
    /// It was sealed under another master key or for another key, or damaged.
    pub fn opened_secret(&self, key_id: ApiKeyId, sealed: &[u8]) -> Result<Zeroizing<String>, OpenFailure> {
        let opened = Zeroizing::new(decrypt(self.secrets_key(), key_id.uuid(), sealed)?);
        let text = std::str::from_utf8(&opened).map_err(|_not_text| OpenFailure::Damaged)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::MasterKey;

    #[test]
    fn a_secret_opens_for_its_key_and_for_no_other() {
        let vault = |first: &str| {
            let key = format!("{first}0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
            Vault::new(&MasterKey::parse(&key).unwrap())
        };
        let [one, two] = [1, 2].map(|number| ApiKeyId::new(Uuid::from_u128(number)));
        let sealed = vault("00").sealed_secret(one, "sk_live_4eC39HqLyjWDarjtT1zdp7dc");
        assert_eq!((sealed.id, &sealed.person), (one.uuid(), &None));
        assert!(!sealed.wrapped.windows(7).any(|bytes| bytes == b"sk_live"));
        let opened = vault("00").opened_secret(one, &sealed.wrapped).unwrap();
        assert_eq!(opened.as_str(), "sk_live_4eC39HqLyjWDarjtT1zdp7dc");
        for (vault, key_id) in [(vault("00"), two), (vault("ff"), one)] {
            assert_eq!(vault.opened_secret(key_id, &sealed.wrapped).err(), Some(OpenFailure::Damaged));
        }
        // Nor does it open as the key of somebody's values.
        assert!(vault("00").unwrap(one.uuid(), &sealed.wrapped).is_err());
    }
}
