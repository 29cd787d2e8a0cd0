//! A merchant's API keys: rotated with an overlap, revoked at once, kept as a keyed hash.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    id::ApiKeyId,
    merchant::{
        Decision, Merchant, MerchantRefusal,
        event::{KeyIssued, MerchantEvent},
    },
};

/// The signing secret is derived from the key's id and generation: there is nothing here to steal. One that was taken over
/// is sealed outside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub livemode: bool,
    pub hash: String,
    pub generation: u32,
    /// Set when the next generation was issued.
    pub valid_until: Option<DateTime<Utc>>,
    pub revoked: bool,
    /// Its secret came with it, and is not derived.
    #[serde(default)]
    pub is_taken_over: bool,
}

impl ApiKey {
    pub(super) fn new(issued: &KeyIssued) -> Self {
        let KeyIssued { livemode, hash, generation, .. } = issued.clone();
        Self { livemode, hash, generation, valid_until: None, revoked: false, is_taken_over: false }
    }

    fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && self.valid_until.is_none_or(|until| now < until)
    }
}

impl Merchant {
    /// The next generation of a mode's key; the one before stays valid for a while.
    pub(super) fn rotate_key(&self, issue: &KeyIssued, old_valid_until: DateTime<Utc>, by: Actor) -> Decision {
        self.trading()?;
        if let Some(known) = self.keys.get(&issue.key_id) {
            let same = ApiKey::new(issue) == ApiKey { valid_until: None, revoked: false, ..known.clone() };
            return if same { Ok(Vec::new()) } else { Err(MerchantRefusal::ApiKeyDiffers) };
        }
        if self.generation(issue.livemode).checked_add(1) != Some(issue.generation) {
            return Err(MerchantRefusal::ApiKeyOutOfOrder);
        }
        Ok(vec![MerchantEvent::ApiKeyRotated { issued: Box::new(issue.clone()), old_valid_until, by }])
    }

    pub(super) fn revoke_key(&self, key_id: ApiKeyId, by: Actor) -> Decision {
        self.registered()?;
        let key = self.keys.get(&key_id).ok_or(MerchantRefusal::ApiKeyUnknown)?;
        if key.revoked {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::ApiKeyRevoked { key_id, by }])
    }

    /// None of the others ends by it: merchants go on with what they have.
    /// Of a closed one, too: its door stays shut.
    pub(super) fn take_over_key(&self, key_id: ApiKeyId, livemode: bool, hash: &str, by: Actor) -> Decision {
        self.registered()?;
        if let Some(known) = self.keys.get(&key_id) {
            let same = known.is_taken_over && known.livemode == livemode && known.hash == hash;
            return if same { Ok(Vec::new()) } else { Err(MerchantRefusal::ApiKeyDiffers) };
        }
        let next = self.generation(livemode).checked_add(1).ok_or(MerchantRefusal::ApiKeyOutOfOrder)?;
        let issued = Box::new(KeyIssued { key_id, livemode, hash: hash.to_owned(), generation: next });
        Ok(vec![MerchantEvent::ApiKeyTakenOver { issued, by }])
    }

    pub(super) fn fold_taken_over(&mut self, issued: &KeyIssued) {
        self.keys.insert(issued.key_id, ApiKey { is_taken_over: true, ..ApiKey::new(issued) });
    }

    fn generation(&self, livemode: bool) -> u32 {
        let of_mode = self.keys.values().filter(|key| key.livemode == livemode);
        of_mode.map(|key| key.generation).max().unwrap_or_default()
    }

    pub(super) fn fold_rotated(&mut self, issued: &KeyIssued, old_valid_until: DateTime<Utc>) {
        // A key that was to end sooner still does.
        for key in self.keys.values_mut().filter(|key| key.livemode == issued.livemode) {
            key.valid_until = Some(key.valid_until.map_or(old_valid_until, |until| until.min(old_valid_until)));
        }
        self.keys.insert(issued.key_id, ApiKey::new(issued));
    }

    pub(super) fn fold_revoked(&mut self, key_id: ApiKeyId) {
        if let Some(key) = self.keys.get_mut(&key_id) {
            key.revoked = true;
        }
    }

    /// A key that opens the door at this moment. Whether what it asks for is allowed is another question.
    #[must_use]
    pub fn valid_key(&self, key_id: ApiKeyId, now: DateTime<Utc>) -> Option<&ApiKey> {
        self.keys.get(&key_id).filter(|key| key.is_valid_at(now))
    }

    /// Every key there ever was.
    pub fn keys(&self) -> impl Iterator<Item = (ApiKeyId, &ApiKey)> {
        self.keys.iter().map(|(id, key)| (*id, key))
    }
}
