//! What the risk check knows of an attempt: the same for the live check and for a replay.

use chrono::{DateTime, Utc};
use domain::{
    blind_index::BlindIndex,
    channel::Channel,
    id::MerchantId,
    merchant::Merchant,
    money::Money,
    payment::origin::Origin,
    risk::facts::{Counters, Facts, MerchantFacts, Payer},
};

/// An attempt as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) merchant_id: MerchantId,
    pub(crate) livemode: bool,
    pub(crate) amount: Money,
    pub(crate) channel: Channel,
    pub(crate) method: Option<&'a str>,
    pub(crate) customer: Option<&'a BlindIndex>,
    pub(crate) origin: &'a Origin,
    /// When it began: as of then it is assessed, whenever that is done.
    pub(crate) begun_at: DateTime<Utc>,
}

impl Attempt<'_> {
    pub(crate) fn facts(&self, merchant: &Merchant, since: Option<DateTime<Utc>>, counters: Counters) -> Facts {
        let Self { merchant_id, amount, channel, origin, begun_at: at, .. } = *self;
        let age_days = |since| u32::try_from(at.signed_duration_since(since).num_days()).unwrap_or(0);
        Facts {
            at,
            amount,
            channel,
            merchant: MerchantFacts {
                merchant_id,
                standing: merchant.standing(),
                age_days: since.map_or(0, age_days),
                local_hour: merchant.schedule().and_then(|schedule| schedule.hour_of(at)),
                limits: merchant.limits(amount.currency),
            },
            payer: Payer {
                customer: self.customer.cloned(),
                card_token: origin.card_token.clone(),
                sandbox_token: self.method.filter(|_method| !self.livemode).and_then(|token| token.parse().ok()),
                ip: origin.ip.clone(),
                ip_networks: origin.ip_networks.clone(),
                ip_country: origin.ip_country,
                card_country: origin.card_country,
                customer_country: origin.customer_country,
            },
            counters,
        }
    }
}
