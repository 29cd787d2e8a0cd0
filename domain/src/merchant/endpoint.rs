//! Where a merchant wants to be told: endpoints, each with a derived secret.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    id::WebhookEndpointId,
    merchant::{Decision, Merchant, MerchantRefusal, event::MerchantEvent},
};

const ENDPOINT_COUNT_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub livemode: bool,
    pub url: String,
    pub generation: u32,
    /// Until when the secret of the generation before signs too.
    pub old_valid_until: Option<DateTime<Utc>>,
}

impl Endpoint {
    pub(super) fn new(livemode: bool, url: &str) -> Self {
        Self { livemode, url: url.to_owned(), generation: 1, old_valid_until: None }
    }
}

impl Merchant {
    pub(super) fn add_endpoint(
        &self,
        endpoint_id: WebhookEndpointId,
        livemode: bool,
        url: &str,
        by: Actor,
    ) -> Decision {
        self.trading()?;
        if let Some(known) = self.endpoints.get(&endpoint_id) {
            let same = known.livemode == livemode && known.url == url;
            return if same { Ok(Vec::new()) } else { Err(MerchantRefusal::EndpointDiffers) };
        }
        if self.endpoints_removed.contains(&endpoint_id) {
            return Err(MerchantRefusal::EndpointRemoved);
        }
        if !url.starts_with("https://") {
            return Err(MerchantRefusal::EndpointNotSecure);
        }
        if self.endpoints.len() >= ENDPOINT_COUNT_MAX {
            return Err(MerchantRefusal::EndpointsTooMany);
        }
        Ok(vec![MerchantEvent::EndpointAdded { endpoint_id, livemode, url: url.to_owned(), by }])
    }

    /// `generation` is the one to come: asking again for the one there is changes nothing.
    pub(super) fn rotate_endpoint_secret(
        &self,
        endpoint_id: WebhookEndpointId,
        generation: u32,
        old_valid_until: DateTime<Utc>,
        by: Actor,
    ) -> Decision {
        self.trading()?;
        let endpoint = self.endpoints.get(&endpoint_id).ok_or(MerchantRefusal::EndpointUnknown)?;
        if endpoint.generation == generation {
            return Ok(Vec::new());
        }
        if endpoint.generation.checked_add(1) != Some(generation) {
            return Err(MerchantRefusal::EndpointSecretOutOfOrder);
        }
        Ok(vec![MerchantEvent::EndpointSecretRotated { endpoint_id, generation, old_valid_until, by }])
    }

    pub(super) fn remove_endpoint(&self, endpoint_id: WebhookEndpointId, by: Actor) -> Decision {
        self.registered()?;
        if !self.endpoints.contains_key(&endpoint_id) {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::EndpointRemoved { endpoint_id, by }])
    }

    pub(super) fn fold_endpoint_rotated(
        &mut self,
        endpoint_id: WebhookEndpointId,
        generation: u32,
        old_valid_until: DateTime<Utc>,
    ) {
        if let Some(endpoint) = self.endpoints.get_mut(&endpoint_id) {
            endpoint.generation = generation;
            endpoint.old_valid_until = Some(old_valid_until);
        }
    }

    pub fn endpoints(&self) -> impl Iterator<Item = (WebhookEndpointId, &Endpoint)> {
        self.endpoints.iter().map(|(id, endpoint)| (*id, endpoint))
    }
}
