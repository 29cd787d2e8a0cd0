//! API keys and bearer tokens: they name whose they are and are kept as hashes.

use domain::id::{ApiKeyId, MerchantId, OperatorId, TokenId};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{master_key::Vault, random::random};

const KINDS: [&str; 3] = ["dbk_live", "dbk_test", "dbt"];
/// Bytes drawn at random, and of the tag behind them: both in hexadecimal.
const DRAWN: usize = 24;
const TAG: usize = 8;

/// Whether a text begins as our keys and tokens do.
pub fn is_written_like_ours(text: &str) -> bool {
    KINDS.iter().any(|kind| text.strip_prefix(kind).is_some_and(|rest| rest.starts_with('_')))
}

/// A new credential: shown once, then only its hash is known.
pub struct Credential {
    pub text: Zeroizing<String>,
    pub hash: String,
}

/// Whose API key a text is. Whether it still opens the door is for the merchant's stream to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKeyName {
    pub merchant_id: MerchantId,
    pub key_id: ApiKeyId,
    pub livemode: bool,
}

/// Whose token a text is.
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

    /// Reads an API key. One that was made up is told apart here, before it costs a look at the log.
    pub fn api_key_name(&self, text: &str) -> Option<ApiKeyName> {
        let (kind, owner, id) = self.names(text)?;
        let livemode = kind == "dbk_live";
        let name = ApiKeyName { merchant_id: MerchantId::new(owner), key_id: ApiKeyId::new(id), livemode };
        kind.starts_with("dbk").then_some(name)
    }

    /// Reads a token, as [`Vault::api_key_name`] does a key.
    pub fn token_name(&self, text: &str) -> Option<TokenName> {
        let (kind, owner, id) = self.names(text)?;
        (kind == "dbt").then_some(TokenName { operator_id: OperatorId::new(owner), token_id: TokenId::new(id) })
    }

    fn issue(&self, kind: &str, owner: Uuid, id: Uuid) -> Credential {
        let drawn = Zeroizing::new(hex::encode(random::<DRAWN>().as_slice()));
        let untagged = Zeroizing::new(format!("{kind}_{}{}_{}", owner.simple(), id.simple(), drawn.as_str()));
        let text = Zeroizing::new(format!("{}{}", untagged.as_str(), self.tag(&untagged)));
        Credential { hash: self.credential_hash(&text), text }
    }

    fn tag(&self, untagged: &str) -> String {
        self.credential_hash(untagged).get(..TAG * 2).unwrap_or_default().to_owned()
    }

    /// The kind, whose it is, and which.
    fn names(&self, text: &str) -> Option<(&'static str, Uuid, Uuid)> {
        let (untagged, tag) = text.split_at_checked(text.len().checked_sub(TAG * 2)?)?;
        if !bool::from(self.tag(untagged).as_bytes().ct_eq(tag.as_bytes())) {
            return None;
        }
        let (front, _drawn) = untagged.rsplit_once('_')?;
        let (kind, ids) = front.rsplit_once('_')?;
        let (owner, id) = ids.split_at_checked(32)?;
        let kind = KINDS.into_iter().find(|known| *known == kind)?;
        Some((kind, Uuid::try_parse(owner).ok()?, Uuid::try_parse(id).ok()?))
    }
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
        assert_eq!(vault().api_key_name(&issued.text), Some(name));
        assert!(vault().is_credential(&issued.text, &issued.hash));
        assert!(!issued.hash.contains(&issued.text[80..]));
        let name =
            TokenName { operator_id: OperatorId::new(Uuid::from_u128(7)), token_id: TokenId::new(Uuid::from_u128(9)) };
        let issued = vault().issue_token(name);
        assert_eq!(vault().token_name(&issued.text), Some(name));
        assert_eq!(vault().api_key_name(&issued.text), None);
    }

    #[test]
    fn no_two_are_alike_and_none_is_read_that_is_not_one() {
        let name = TokenName { operator_id: OperatorId::new(Uuid::nil()), token_id: TokenId::new(Uuid::nil()) };
        let [one, two] = [(); 2].map(|()| vault().issue_token(name));
        assert_ne!(one.text, two.text);
        let long = format!("{}0", one.text.as_str());
        let other = one.text.replacen('0', "1", 1);
        for text in
            ["", "dbt_", "dbt__", "test-api-key", &one.text[1..], &long, &other, "dbk_live_x_y", &"é".repeat(40)]
        {
            assert_eq!(vault().token_name(text), None, "{text}");
            assert_eq!(vault().api_key_name(text), None, "{text}");
        }
    }
}
