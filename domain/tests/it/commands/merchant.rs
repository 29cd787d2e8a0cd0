//! Merchants: registered first, then everything that may be agreed.

use std::collections::BTreeMap;

use domain::{
    calendar::Schedule,
    channel::Channel,
    id::{ApiKeyId, MerchantId, WebhookEndpointId},
    merchant::{
        MerchantCommand,
        event::{KeyIssued, Limits, Profile, Registered},
    },
    sealed::Sealed,
};

use super::*;

fn channel() -> impl Strategy<Value = Channel> {
    prop::sample::select(Channel::ALL)
}

fn key(id: u128, livemode: bool, generation: u32) -> KeyIssued {
    KeyIssued { key_id: ApiKeyId::new(Uuid::from_u128(id)), livemode, hash: format!("hash-{id}"), generation }
}

fn profile(name: FreeText, email: String) -> Profile {
    Profile { name, contact_name: None, email: Sealed::new(email, None), phone: None }
}

fn register() -> MerchantCommand {
    MerchantCommand::Register(Box::new(Registered {
        merchant_id: MerchantId::new(Uuid::from_u128(1)),
        profile: profile(FreeText::parse("one").unwrap(), "one".into()),
        keys: [key(1, false, 1), key(2, true, 1)],
        by: Actor::Process,
    }))
}

fn agreements() -> impl Strategy<Value = MerchantCommand> {
    let limit = || prop::option::of(minor());
    let limits = (limit(), limit(), limit()).prop_map(|(per_payment_minor, per_day_minor, per_month_minor)| Limits {
        per_payment_minor,
        per_day_minor,
        per_month_minor,
    });
    let schedule = (
        0_u8..3,
        prop::sample::select(vec!["UTC", "Asia/Shanghai", "Mars/Olympus"]),
        currency(),
        minor(),
        any::<bool>(),
    )
        .prop_map(|(delay, zone, of, least, two_people)| {
            let thresholds = BTreeMap::from([(of, least)]);
            Schedule { delay_business_days: delay, time_zone: zone.to_owned(), thresholds, two_people }
        });
    prop_oneof![
        (channel(), currency(), fee_plan(), actor())
            .prop_map(|(channel, currency, plan, by)| MerchantCommand::AgreeFees { channel, currency, plan, by }),
        (currency(), limits, actor()).prop_map(|(currency, limits, by)| MerchantCommand::AgreeLimits {
            currency,
            limits,
            by
        }),
        (channel(), actor()).prop_map(|(channel, by)| MerchantCommand::AllowChannel { channel, by }),
        (channel(), actor()).prop_map(|(channel, by)| MerchantCommand::WithdrawChannel { channel, by }),
        (currency(), actor()).prop_map(|(currency, by)| MerchantCommand::AllowCurrency { currency, by }),
        (currency(), actor()).prop_map(|(currency, by)| MerchantCommand::WithdrawCurrency { currency, by }),
        (schedule, actor()).prop_map(|(schedule, by)| MerchantCommand::AgreeSchedule { schedule, by }),
    ]
}

fn keys_and_endpoints() -> impl Strategy<Value = MerchantCommand> {
    let endpoint = || number().prop_map(WebhookEndpointId::new);
    prop_oneof![
        (3_u128..7, any::<bool>(), 1_u32..4, at(), actor()).prop_map(
            |(id, livemode, generation, old_valid_until, by)| {
                MerchantCommand::RotateKey { issue: Box::new(key(id, livemode, generation)), old_valid_until, by }
            }
        ),
        (6_u128..9, any::<bool>(), actor()).prop_map(|(id, livemode, by)| {
            let KeyIssued { key_id, hash, .. } = key(id, livemode, 1);
            MerchantCommand::TakeOverKey { key_id, livemode, hash, by }
        }),
        (1_u128..9, actor())
            .prop_map(|(id, by)| MerchantCommand::RevokeKey { key_id: ApiKeyId::new(Uuid::from_u128(id)), by }),
        (endpoint(), any::<bool>(), word(), actor()).prop_map(|(endpoint_id, livemode, host, by)| {
            MerchantCommand::AddEndpoint { endpoint_id, livemode, url: format!("https://{host}.example"), by }
        }),
        (endpoint(), 1_u32..4, at(), actor()).prop_map(|(endpoint_id, generation, old_valid_until, by)| {
            MerchantCommand::RotateEndpointSecret { endpoint_id, generation, old_valid_until, by }
        }),
        (endpoint(), actor()).prop_map(|(endpoint_id, by)| MerchantCommand::RemoveEndpoint { endpoint_id, by }),
    ]
}

fn standing() -> impl Strategy<Value = MerchantCommand> {
    prop_oneof![
        6 => actor().prop_map(|by| MerchantCommand::Activate { by }),
        3 => (actor(), text()).prop_map(|(by, reason)| MerchantCommand::Suspend { by, reason }),
        1 => (actor(), text()).prop_map(|(by, reason)| MerchantCommand::Close { by, reason }),
        6 => (text(), word(), actor()).prop_map(|(name, email, by)| {
            MerchantCommand::ReviseProfile { profile: Box::new(profile(name, email)), by }
        }),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<MerchantCommand>> {
    let command = prop_oneof![2 => agreements(), 2 => keys_and_endpoints(), 1 => standing()];
    prop::collection::vec(command, 0..24).prop_map(|more| std::iter::once(register()).chain(more).collect())
}
