//! API keys of the platform before: found by their keyed hash, with the secret they had.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    aggregate::Aggregate as _,
    fact::Fact,
    id::OldNameId,
    old_name::{
        OldName,
        event::{OldNameEvent, StandsFor},
    },
};
use event_store::{Failure, Store};
use tokio::sync::Semaphore;
use vault::{ApiKeyName, Vault};
use zeroize::Zeroizing;

use crate::{problem::Problem, rules};

/// Names that were looked up and found are kept, up to so many: they stand for the same for ever.
const KEPT: usize = 16_384;
/// Looked up at once. What nobody ever issued costs a look at the log, so there are few of them at any time.
const LOOKS: usize = 16;
/// No key is longer.
const LENGTH_MAX: usize = 255;

/// Those that were asked for.
pub(crate) struct OldKeys {
    found: Mutex<HashMap<String, Arc<OldKey>>>,
    looks: Semaphore,
}

/// Whose it is, and its secret as it stands beside the log.
pub(crate) struct OldKey {
    pub(crate) name: ApiKeyName,
    sealed: Vec<u8>,
}

impl Default for OldKeys {
    fn default() -> Self {
        Self { found: Mutex::default(), looks: Semaphore::new(LOOKS) }
    }
}

impl OldKeys {
    /// The key behind a text that is none of ours. Whether it still opens the door is for the merchant's stream to say.
    ///
    /// # Errors
    /// The log cannot be asked, or too many ask for what nobody knows.
    pub(crate) async fn find(&self, store: &Store, vault: &Vault, text: &str) -> Result<Option<Arc<OldKey>>, Problem> {
        if text.is_empty() || text.len() > LENGTH_MAX {
            return Ok(None);
        }
        let hash = vault.credential_hash(text);
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).map(Arc::clone);
        if known.is_some() {
            return Ok(known);
        }
        let _look = self.looks.try_acquire().map_err(|_all_taken| Problem::later(rules::OVERLOADED, 1))?;
        let Some(found) = look(store, &hash).await?.map(Arc::new) else { return Ok(None) };
        let mut kept = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(hash, Arc::clone(&found));
        Ok(Some(found))
    }
}

impl OldKey {
    /// What its holder signs with.
    ///
    /// # Errors
    /// It is damaged, or was sealed under another master key.
    pub(crate) fn secret(&self, vault: &Vault) -> Result<Zeroizing<String>, Problem> {
        vault.opened_secret(self.name.key_id, &self.sealed).map_err(|_why_is_told_to_nobody| Problem::broken())
    }
}

/// Past the cache of states: what does not exist is not to take room in it.
async fn look(store: &Store, hash: &str) -> Result<Option<OldKey>, Failure> {
    let id = OldNameId::of_api_key(hash).to_string();
    let events = store.stream_events(OldName::TYPE, &id, 0, 1).await.map_err(|reason| unavailable(&reason))?;
    let Some(event) = events.first() else { return Ok(None) };
    let fact = Fact::read(OldName::TYPE, &mut serde_json::Deserializer::from_str(&event.payload));
    let fact = fact.map_err(|unreadable| unavailable(&unreadable))?;
    let Fact::OldName(OldNameEvent::Given(given)) = fact else { return Ok(None) };
    let StandsFor::ApiKey { merchant_id, livemode, key_id } = given.stands_for else { return Ok(None) };
    let sealed = store.kept_key(key_id.uuid()).await.map_err(|reason| unavailable(&reason))?;
    Ok(sealed.map(|sealed| OldKey { name: ApiKeyName { merchant_id, key_id, livemode }, sealed }))
}

fn unavailable(reason: &impl ToString) -> Failure {
    Failure::Unavailable { reason: reason.to_string() }
}
