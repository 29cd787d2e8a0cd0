//! What is stored of a merchant, for ever. None of it moves money.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::events_named,
    calendar::Schedule,
    channel::Channel,
    currency::Currency,
    fee::FeePlan,
    free_text::FreeText,
    id::{ApiKeyId, MerchantId, WebhookEndpointId},
    posting::Posting,
    sealed::{Email, PersonName, Phone, Sealed},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MerchantEvent {
    Registered(Box<Registered>),
    ProfileRevised {
        profile: Box<Profile>,
        by: Actor,
    },
    Activated {
        by: Actor,
    },
    Suspended {
        by: Actor,
        reason: FreeText,
    },
    Closed {
        by: Actor,
        reason: FreeText,
    },
    ApiKeyRotated {
        issued: Box<KeyIssued>,
        old_valid_until: DateTime<Utc>,
        by: Actor,
    },
    ApiKeyRevoked {
        key_id: ApiKeyId,
        by: Actor,
    },
    /// A key of the platform before opens the door here as well, with the secret it had: that is sealed outside the log.
    ApiKeyTakenOver {
        issued: Box<KeyIssued>,
        by: Actor,
    },
    FeesAgreed {
        channel: Channel,
        currency: Currency,
        plan: FeePlan,
        by: Actor,
    },
    LimitsAgreed {
        currency: Currency,
        limits: Limits,
        by: Actor,
    },
    ChannelAllowed {
        channel: Channel,
        by: Actor,
    },
    ChannelWithdrawn {
        channel: Channel,
        by: Actor,
    },
    CurrencyAllowed {
        currency: Currency,
        by: Actor,
    },
    CurrencyWithdrawn {
        currency: Currency,
        by: Actor,
    },
    ScheduleAgreed {
        schedule: Schedule,
        by: Actor,
    },
    EndpointAdded {
        endpoint_id: WebhookEndpointId,
        livemode: bool,
        url: String,
        by: Actor,
    },
    EndpointSecretRotated {
        endpoint_id: WebhookEndpointId,
        generation: u32,
        old_valid_until: DateTime<Utc>,
        by: Actor,
    },
    EndpointRemoved {
        endpoint_id: WebhookEndpointId,
        by: Actor,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    pub merchant_id: MerchantId,
    pub profile: Profile,
    /// The test key, then the production key.
    pub keys: [KeyIssued; 2],
    pub by: Actor,
}

/// The business in the open, its people sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub name: FreeText,
    pub contact_name: Option<Sealed<PersonName>>,
    pub email: Sealed<Email>,
    pub phone: Option<Sealed<Phone>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyIssued {
    pub key_id: ApiKeyId,
    pub livemode: bool,
    /// Keyed hash of the key; the key itself is shown once and kept nowhere.
    pub hash: String,
    /// Counted per mode, from 1.
    pub generation: u32,
}

/// In minor units of one currency; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub per_payment_minor: Option<i64>,
    pub per_day_minor: Option<i64>,
    pub per_month_minor: Option<i64>,
}

events_named!(MerchantEvent {
    Registered = "registered", "1.0";
    ProfileRevised = "profile_revised", "1.0";
    Activated = "activated", "1.0";
    Suspended = "suspended", "1.0";
    Closed = "closed", "1.0";
    ApiKeyRotated = "api_key_rotated", "1.0";
    ApiKeyRevoked = "api_key_revoked", "1.0";
    ApiKeyTakenOver = "api_key_taken_over", "1.0";
    FeesAgreed = "fees_agreed", "1.0";
    LimitsAgreed = "limits_agreed", "1.0";
    ChannelAllowed = "channel_allowed", "1.0";
    ChannelWithdrawn = "channel_withdrawn", "1.0";
    CurrencyAllowed = "currency_allowed", "1.0";
    CurrencyWithdrawn = "currency_withdrawn", "1.0";
    ScheduleAgreed = "schedule_agreed", "1.0";
    EndpointAdded = "endpoint_added", "1.0";
    EndpointSecretRotated = "endpoint_secret_rotated", "1.0";
    EndpointRemoved = "endpoint_removed", "1.0";
});

impl MerchantEvent {
    #[must_use]
    pub const fn posting(&self) -> Posting {
        match self {
            Self::Registered(_) | Self::ProfileRevised { .. } | Self::Activated { .. } => Posting::none(),
            Self::Suspended { .. } | Self::Closed { .. } => Posting::none(),
            Self::ApiKeyRotated { .. } | Self::ApiKeyRevoked { .. } => Posting::none(),
            Self::ApiKeyTakenOver { .. } => Posting::none(),
            Self::FeesAgreed { .. } | Self::LimitsAgreed { .. } | Self::ScheduleAgreed { .. } => Posting::none(),
            Self::ChannelAllowed { .. } | Self::ChannelWithdrawn { .. } => Posting::none(),
            Self::CurrencyAllowed { .. } | Self::CurrencyWithdrawn { .. } => Posting::none(),
            Self::EndpointAdded { .. } | Self::EndpointSecretRotated { .. } => Posting::none(),
            Self::EndpointRemoved { .. } => Posting::none(),
        }
    }
}
