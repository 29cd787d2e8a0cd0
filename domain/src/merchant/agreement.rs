//! What is agreed with a merchant: fees, limits, channels, currencies, when to settle.

use crate::{
    actor::Actor,
    calendar::{Schedule, ScheduleRefusal},
    channel::Channel,
    currency::Currency,
    fee::{FeePlan, FeeRefusal},
    merchant::{
        Decision, Merchant, MerchantRefusal,
        event::{Limits, MerchantEvent},
    },
};

impl Merchant {
    pub(super) fn agree_fees(&self, channel: Channel, currency: Currency, plan: FeePlan, by: Actor) -> Decision {
        self.trading()?;
        if self.fees.get(&channel).and_then(|plans| plans.get(&currency)) == Some(&plan) {
            return Ok(Vec::new());
        }
        match plan.check() {
            Err(FeeRefusal::FeeNegative) => Err(MerchantRefusal::FeeNegative),
            Err(FeeRefusal::FeeBoundsCrossed) => Err(MerchantRefusal::FeeBoundsCrossed),
            Ok(()) => Ok(vec![MerchantEvent::FeesAgreed { channel, currency, plan, by }]),
        }
    }

    pub(super) fn agree_limits(&self, currency: Currency, limits: Limits, by: Actor) -> Decision {
        self.trading()?;
        if self.limits.get(&currency) == Some(&limits) {
            return Ok(Vec::new());
        }
        let Limits { per_payment_minor, per_day_minor, per_month_minor } = limits;
        if [per_payment_minor, per_day_minor, per_month_minor].into_iter().flatten().any(|limit| limit < 0) {
            return Err(MerchantRefusal::LimitNegative);
        }
        Ok(vec![MerchantEvent::LimitsAgreed { currency, limits, by }])
    }

    pub(super) fn allow_channel(&self, channel: Channel, by: Actor) -> Decision {
        self.trading()?;
        if self.channels.contains(&channel) {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::ChannelAllowed { channel, by }])
    }

    pub(super) fn withdraw_channel(&self, channel: Channel, by: Actor) -> Decision {
        self.trading()?;
        if !self.channels.contains(&channel) {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::ChannelWithdrawn { channel, by }])
    }

    pub(super) fn allow_currency(&self, currency: Currency, by: Actor) -> Decision {
        self.trading()?;
        if self.currencies.contains(&currency) {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::CurrencyAllowed { currency, by }])
    }

    pub(super) fn withdraw_currency(&self, currency: Currency, by: Actor) -> Decision {
        self.trading()?;
        if !self.currencies.contains(&currency) {
            return Ok(Vec::new());
        }
        Ok(vec![MerchantEvent::CurrencyWithdrawn { currency, by }])
    }

    pub(super) fn agree_schedule(&self, schedule: &Schedule, by: Actor) -> Decision {
        self.trading()?;
        if self.schedule.as_ref() == Some(schedule) {
            return Ok(Vec::new());
        }
        match schedule.check() {
            Err(ScheduleRefusal::TimeZoneUnknown) => Err(MerchantRefusal::TimeZoneUnknown),
            Err(ScheduleRefusal::ThresholdNegative) => Err(MerchantRefusal::ThresholdNegative),
            Ok(()) => Ok(vec![MerchantEvent::ScheduleAgreed { schedule: schedule.clone(), by }]),
        }
    }
}
