//! Credentials: API keys and bearer tokens, which name whose they are and are kept as hashes.

use chacha20poly1305::aead::{OsRng, rand_core::RngCore as _};
use domain::id::{ApiKeyId, MerchantId, OperatorId, TokenId};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::master_key::Vault;

/// A new credential: shown once, then only its hash is known.
pub struct Credential {
    pub text: Zeroizing<String>,
    pub hash: String,
}

/// Whose API key a text says it is. Whether it is one, only the hash tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKeyName {
    pub merchant_id: MerchantId,
    pub key_id: ApiKeyId,
    pub livemode: bool,
}

/// Whose token a text says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenName {
    pub operator_id: OperatorId,
    pub token_id: TokenId,
}

impl Vault {
    /// Draws the text of an API key.
    pub fn issue_api_key(&self, name: ApiKeyName) -> Credential {
        let mode = if name.livemode { "live" } else { "test" };
        self.issue(&format!("dbk_{mode}"), name.merchant_id.uuid(), name.key_id.uuid())
    }

    /// Draws the text of an operator's token.
    pub fn issue_token(&self, name: TokenName) -> Credential {
        self.issue("dbt", name.operator_id.uuid(), name.token_id.uuid())
    }

    fn issue(&self, kind: &str, owner: Uuid, id: Uuid) -> Credential {
        let mut secret = Zeroizing::new([0_u8; 32]);
        OsRng.fill_bytes(secret.as_mut_slice());
        let secret = Zeroizing::new(hex::encode(secret.as_slice()));
        let text = Zeroizing::new(format!("{kind}_{}{}_{}", owner.simple(), id.simple(), secret.as_str()));
        Credential { hash: self.credential_hash(&text), text }
    }
}

impl ApiKeyName {
    pub fn parse(text: &str) -> Option<Self> {
        let (mode, rest) = text.strip_prefix("dbk_")?.split_once('_')?;
        let livemode = match mode {
            "live" => true,
            "test" => false,
            _ => return None,
        };
        let (merchant, key) = names(rest)?;
        Some(Self { merchant_id: MerchantId::new(merchant), key_id: ApiKeyId::new(key), livemode })
    }
}

impl TokenName {
    pub fn parse(text: &str) -> Option<Self> {
        let (operator, token) = names(text.strip_prefix("dbt_")?)?;
        Some(Self { operator_id: OperatorId::new(operator), token_id: TokenId::new(token) })
    }
}

/// Two ids and a secret.
fn names(text: &str) -> Option<(Uuid, Uuid)> {
    let (ids, secret) = text.split_once('_')?;
    let (owner, id) = ids.split_at_checked(32)?;
    let is_well_formed =
        secret.len() == 64 && id.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_well_formed {
        return None;
    }
    Some((Uuid::try_parse(owner).ok()?, Uuid::try_parse(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master_key::MasterKey;

    fn vault() -> Vault {
        let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        Vault::new(&MasterKey::parse(key).unwrap())
    }

    #[test]
    fn a_credential_names_whose_it_is() {
        let name = ApiKeyName {
            merchant_id: MerchantId::new(Uuid::from_u128(7)),
            key_id: ApiKeyId::new(Uuid::from_u128(9)),
            livemode: true,
        };
        let issued = vault().issue_api_key(name);
        assert!(issued.text.starts_with("dbk_live_"));
        assert_eq!(ApiKeyName::parse(&issued.text), Some(name));
        assert!(vault().is_credential(&issued.text, &issued.hash));
        assert!(!issued.hash.contains(&issued.text[80..]));
        let name =
            TokenName { operator_id: OperatorId::new(Uuid::from_u128(7)), token_id: TokenId::new(Uuid::from_u128(9)) };
        let issued = vault().issue_token(name);
        assert_eq!(TokenName::parse(&issued.text), Some(name));
        assert_eq!(ApiKeyName::parse(&issued.text), None);
    }

    #[test]
    fn no_two_are_alike_and_none_is_read_that_is_not_one() {
        let name = TokenName { operator_id: OperatorId::new(Uuid::nil()), token_id: TokenId::new(Uuid::nil()) };
        let [one, two] = [(); 2].map(|()| vault().issue_token(name));
        assert_ne!(one.text, two.text);
        let long = format!("{}0", one.text.as_str());
        for text in ["", "dbt_", "dbt__", "test-api-key", &one.text[..one.text.len() - 1], &long, "dbk_live_x_y"] {
            assert_eq!(TokenName::parse(text), None, "{text}");
            assert_eq!(ApiKeyName::parse(text), None, "{text}");
        }
    }
}
