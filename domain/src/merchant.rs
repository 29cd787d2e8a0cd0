//! A merchant: whether they may trade, with which keys, at which fees and limits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    aggregate::Aggregate,
    calendar::Schedule,
    channel::Channel,
    currency::Currency,
    fee::FeePlan,
    free_text::FreeText,
    id::{ApiKeyId, WebhookEndpointId},
    refusal::refusals,
    terms::Terms,
};

mod agreement;
mod endpoint;
pub mod event;
mod key;
pub use endpoint::Endpoint;
use event::{KeyIssued, Limits, MerchantEvent, Profile, Registered};
pub use key::ApiKey;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Merchant {
    registered: Option<Registered>,
    standing: Standing,
    keys: BTreeMap<ApiKeyId, ApiKey>,
    channels: BTreeSet<Channel>,
    currencies: BTreeSet<Currency>,
    fees: BTreeMap<Channel, BTreeMap<Currency, FeePlan>>,
    limits: BTreeMap<Currency, Limits>,
    schedule: Option<Schedule>,
    endpoints: BTreeMap<WebhookEndpointId, Endpoint>,
    /// A removed endpoint stays removed: its id is not used again.
    endpoints_removed: BTreeSet<WebhookEndpointId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// May try things out in test mode.
    #[default]
    Registered,
    Active,
    Suspended,
    Closed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MerchantCommand {
    Register(Box<Registered>),
    ReviseProfile {
        profile: Box<Profile>,
        by: Actor,
    },
    Activate {
        by: Actor,
    },
    Suspend {
        by: Actor,
        reason: FreeText,
    },
    Close {
        by: Actor,
        reason: FreeText,
    },
    RotateKey {
        issue: Box<KeyIssued>,
        old_valid_until: DateTime<Utc>,
        by: Actor,
    },
    RevokeKey {
        key_id: ApiKeyId,
        by: Actor,
    },
    /// A key of the platform before, beside those there are.
    TakeOverKey {
        key_id: ApiKeyId,
        livemode: bool,
        hash: String,
        by: Actor,
    },
    AgreeFees {
        channel: Channel,
        currency: Currency,
        plan: FeePlan,
        by: Actor,
    },
    AgreeLimits {
        currency: Currency,
        limits: Limits,
        by: Actor,
    },
    AllowChannel {
        channel: Channel,
        by: Actor,
    },
    WithdrawChannel {
        channel: Channel,
        by: Actor,
    },
    AllowCurrency {
        currency: Currency,
        by: Actor,
    },
    WithdrawCurrency {
        currency: Currency,
        by: Actor,
    },
    AgreeSchedule {
        schedule: Schedule,
        by: Actor,
    },
    AddEndpoint {
        endpoint_id: WebhookEndpointId,
        livemode: bool,
        url: String,
        by: Actor,
    },
    RotateEndpointSecret {
        endpoint_id: WebhookEndpointId,
        generation: u32,
        old_valid_until: DateTime<Utc>,
        by: Actor,
    },
    RemoveEndpoint {
        endpoint_id: WebhookEndpointId,
        by: Actor,
    },
}

refusals! {
    /// Why a merchant says no, in the order the rules are tried.
    pub enum MerchantRefusal {
        MerchantAbsent = "merchant_absent", 404, "There is no such merchant.", "该商户不存在。";
        MerchantDiffers = "merchant_differs", 409,
            "This merchant was already registered otherwise.", "该商户已以不同内容登记。";
        MerchantClosed = "merchant_closed", 409, "The merchant's account is closed.", "该商户账户已关闭。";
        ApiKeysMalformed = "api_keys_malformed", 422,
            "A merchant begins with one test and one production key.", "商户须以一个测试密钥和一个生产密钥开始。";
        ApiKeyUnknown = "api_key_unknown", 404, "The merchant has no such API key.", "该商户没有这个密钥。";
        ApiKeyDiffers = "api_key_differs", 409, "This API key was already issued otherwise.", "该密钥已以不同内容签发。";
        ApiKeyOutOfOrder = "api_key_out_of_order", 409,
            "This is not the next generation of the API key.", "这不是密钥的下一代。";
        FeeNegative = "fee_negative", 422, "Fees must not be negative.", "费用不能为负数。";
        FeeBoundsCrossed = "fee_bounds_crossed", 422,
            "The minimum fee is larger than the maximum.", "最低费用大于最高费用。";
        LimitNegative = "limit_negative", 422, "Limits must not be negative.", "限额不能为负数。";
        TimeZoneUnknown = "time_zone_unknown", 422, "There is no time zone of this name.", "没有这个名称的时区。";
        ThresholdNegative = "threshold_negative", 422, "The threshold must not be negative.", "起结金额不能为负数。";
        EndpointUnknown = "endpoint_unknown", 404, "The merchant has no such endpoint.", "该商户没有这个回调地址。";
        EndpointDiffers = "endpoint_differs", 409,
            "This endpoint was already added otherwise.", "该回调地址已以不同内容登记。";
        EndpointRemoved = "endpoint_removed", 409,
            "This endpoint was removed; add another under a new id.", "该回调地址已移除，请以新编号添加。";
        EndpointNotSecure = "endpoint_not_secure", 422,
            "An endpoint's address must begin with https.", "回调地址必须以 https 开头。";
        EndpointsTooMany = "endpoints_too_many", 422, "There may be at most 16 endpoints.", "回调地址最多 16 个。";
        EndpointSecretOutOfOrder = "endpoint_secret_out_of_order", 409,
            "This is not the next generation of the endpoint's secret.", "这不是回调密钥的下一代。";
    }
}

type Decision = Result<Vec<MerchantEvent>, MerchantRefusal>;

impl Standing {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

impl Aggregate for Merchant {
    const TYPE: &'static str = "merchant";
    const STATE_VERSION: i32 = 3;
    type Command = MerchantCommand;
    type Event = MerchantEvent;
    type Refusal = MerchantRefusal;

    fn decide(&self, command: &MerchantCommand) -> Decision {
        match command {
            MerchantCommand::Register(registration) => self.register(registration),
            MerchantCommand::ReviseProfile { profile, by } => self.revise_profile(profile, *by),
            MerchantCommand::Activate { by } => self.activate(*by),
            MerchantCommand::Suspend { by, reason } => self.suspend(*by, reason),
            MerchantCommand::Close { by, reason } => self.close(*by, reason),
            MerchantCommand::RotateKey { issue, old_valid_until, by } => self.rotate_key(issue, *old_valid_until, *by),
            MerchantCommand::RevokeKey { key_id, by } => self.revoke_key(*key_id, *by),
            MerchantCommand::TakeOverKey { key_id, livemode, hash, by } => {
                self.take_over_key(*key_id, *livemode, hash, *by)
            }
            MerchantCommand::AgreeFees { channel, currency, plan, by } => {
                self.agree_fees(*channel, *currency, *plan, *by)
            }
            MerchantCommand::AgreeLimits { currency, limits, by } => self.agree_limits(*currency, *limits, *by),
            MerchantCommand::AllowChannel { channel, by } => self.allow_channel(*channel, *by),
            MerchantCommand::WithdrawChannel { channel, by } => self.withdraw_channel(*channel, *by),
            MerchantCommand::AllowCurrency { currency, by } => self.allow_currency(*currency, *by),
            MerchantCommand::WithdrawCurrency { currency, by } => self.withdraw_currency(*currency, *by),
            MerchantCommand::AgreeSchedule { schedule, by } => self.agree_schedule(schedule, *by),
            MerchantCommand::AddEndpoint { endpoint_id, livemode, url, by } => {
                self.add_endpoint(*endpoint_id, *livemode, url, *by)
            }
            MerchantCommand::RotateEndpointSecret { endpoint_id, generation, old_valid_until, by } => {
                self.rotate_endpoint_secret(*endpoint_id, *generation, *old_valid_until, *by)
            }
            MerchantCommand::RemoveEndpoint { endpoint_id, by } => self.remove_endpoint(*endpoint_id, *by),
        }
    }

    fn apply(&mut self, event: &MerchantEvent) {
        match event {
            MerchantEvent::Registered(registered) => self.fold_registered(registered),
            MerchantEvent::ProfileRevised { profile, .. } => {
                if let Some(registered) = &mut self.registered {
                    registered.profile = profile.as_ref().clone();
                }
            }
            MerchantEvent::Activated { .. } => self.standing = Standing::Active,
            MerchantEvent::Suspended { .. } => self.standing = Standing::Suspended,
            MerchantEvent::Closed { .. } => self.standing = Standing::Closed,
            MerchantEvent::ApiKeyRotated { issued, old_valid_until, .. } => self.fold_rotated(issued, *old_valid_until),
            MerchantEvent::ApiKeyRevoked { key_id, .. } => self.fold_revoked(*key_id),
            MerchantEvent::ApiKeyTakenOver { issued, .. } => self.fold_taken_over(issued),
            MerchantEvent::FeesAgreed { channel, currency, plan, .. } => {
                self.fees.entry(*channel).or_default().insert(*currency, *plan);
            }
            MerchantEvent::LimitsAgreed { currency, limits, .. } => {
                self.limits.insert(*currency, *limits);
            }
            MerchantEvent::ChannelAllowed { channel, .. } => {
                self.channels.insert(*channel);
            }
            MerchantEvent::ChannelWithdrawn { channel, .. } => {
                self.channels.remove(channel);
            }
            MerchantEvent::CurrencyAllowed { currency, .. } => {
                self.currencies.insert(*currency);
            }
            MerchantEvent::CurrencyWithdrawn { currency, .. } => {
                self.currencies.remove(currency);
            }
            MerchantEvent::ScheduleAgreed { schedule, .. } => self.schedule = Some(schedule.clone()),
            MerchantEvent::EndpointAdded { endpoint_id, livemode, url, .. } => {
                self.endpoints.insert(*endpoint_id, Endpoint::new(*livemode, url));
            }
            MerchantEvent::EndpointSecretRotated { endpoint_id, generation, old_valid_until, .. } => {
                self.fold_endpoint_rotated(*endpoint_id, *generation, *old_valid_until);
            }
            MerchantEvent::EndpointRemoved { endpoint_id, .. } => {
                self.endpoints.remove(endpoint_id);
                self.endpoints_removed.insert(*endpoint_id);
            }
        }
    }
}

impl Merchant {
    fn register(&self, registration: &Registered) -> Decision {
        match &self.registered {
            Some(known) if known.merchant_id == registration.merchant_id && known.keys == registration.keys => {
                return Ok(Vec::new());
            }
            Some(_) => return Err(MerchantRefusal::MerchantDiffers),
            None => {}
        }
        let modes: Vec<bool> = registration.keys.iter().map(|key| key.livemode).collect();
        let first_generation = registration.keys.iter().all(|key| key.generation == 1);
        let [test, live] = &registration.keys;
        if modes != [false, true] || !first_generation || test.key_id == live.key_id {
            return Err(MerchantRefusal::ApiKeysMalformed);
        }
        Ok(vec![MerchantEvent::Registered(Box::new(registration.clone()))])
    }

    fn revise_profile(&self, profile: &Profile, by: Actor) -> Decision {
        let registered = self.trading()?;
        // Only the very same sealed values are known to be the same: sealing gives another ciphertext each time, and the
        // index is the person's, whatever of theirs it stands on. Told twice is less than a number lost.
        if registered.profile == *profile {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::ProfileRevised { profile: Box::new(profile.clone()), by }])
    }

    fn activate(&self, by: Actor) -> Decision {
        self.trading()?;
        if self.standing == Standing::Active {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::Activated { by }])
    }

    fn suspend(&self, by: Actor, reason: &FreeText) -> Decision {
        self.trading()?;
        if self.standing == Standing::Suspended {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::Suspended { by, reason: reason.clone() }])
    }

    fn close(&self, by: Actor, reason: &FreeText) -> Decision {
        self.registered()?;
        if self.standing == Standing::Closed {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::Closed { by, reason: reason.clone() }])
    }

    fn registered(&self) -> Result<&Registered, MerchantRefusal> {
        self.registered.as_ref().ok_or(MerchantRefusal::MerchantAbsent)
    }

    /// Registered and not closed: something may still be agreed.
    fn trading(&self) -> Result<&Registered, MerchantRefusal> {
        let registered = self.registered()?;
        if self.standing == Standing::Closed { Err(MerchantRefusal::MerchantClosed) } else { Ok(registered) }
    }

    fn fold_registered(&mut self, registered: &Registered) {
        self.registered = Some(registered.clone());
        for issued in &registered.keys {
            self.keys.insert(issued.key_id, ApiKey::new(issued));
        }
    }

    /// What a payment may do that starts now. Test mode asks for no activation, only for an open account.
    #[must_use]
    pub fn terms(&self, livemode: bool, channel: Channel, currency: Currency) -> Terms {
        let standing_allows = match self.standing {
            Standing::Active => true,
            Standing::Registered => !livemode,
            Standing::Suspended | Standing::Closed => false,
        };
        Terms {
            merchant_active: self.registered.is_some() && standing_allows,
            channel_allowed: self.channels.contains(&channel),
            currency_allowed: self.currencies.contains(&currency),
            payment_limit_minor: self.limits.get(&currency).and_then(|limits| limits.per_payment_minor),
            fee_plan: self.fees.get(&channel).and_then(|plans| plans.get(&currency)).copied(),
        }
    }

    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Counted against by the risk step, per day and month.
    #[must_use]
    pub fn limits(&self, currency: Currency) -> Limits {
        self.limits.get(&currency).copied().unwrap_or_default()
    }

    #[must_use]
    pub const fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_ref()
    }
}

#[cfg(test)]
mod tests;
