//! Merchants, as operators keep them: terms agreed, keys shown once.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    calendar::Schedule,
    channel::Channel,
    currency::Currency,
    fee::{FeeOnRefund, FeePlan},
    free_text::FreeText,
    id::{ApiKeyId, MerchantId},
    merchant::{
        Merchant, MerchantCommand, MerchantRefusal,
        event::{KeyIssued, Limits, Profile, Registered},
    },
    money::BasisPoints,
    refusal::Listed as _,
};
use event_store::{DataKey, Tenant};
use futures_util::future::BoxFuture;
use gate::{Amount, Body as _, Call, Count, Email, FlatText, Problem, body};
use serde_json::{Value, json};
use vault::{ApiKeyName, Credential, Vault};

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{at_version, stream},
};

body! {
    pub(crate) struct RegisterMerchant {
        required name: FreeText = "Corner Theatre", "The business.";
        required email: Email = "owner@example.com", "Whom to write to. Kept sealed.";
        optional contact_name: FreeText = "A. Lee", "Whom to ask for. Kept sealed.";
        optional phone: FreeText = "+44 20 7946 0000", "Kept sealed.";
    }
}

body! {
    pub(crate) struct Activate {}
}

body! {
    pub(crate) struct ForAReason {
        required reason: FreeText = "Asked for by the merchant", "Why.";
    }
}

body! {
    pub(crate) struct AgreeFees {
        required channel: Channel = "stripe", "The channel whose payments cost this.";
        required currency: Currency = "USD", "The currency of those payments, and of the amounts here.";
        required rate_bps: Count = 290, "Hundredths of a percent of what is captured.";
        optional fixed: Amount = 30, "A fixed part for each payment, in minor units.";
        optional minimum: Amount = 30, "Never less than this for a payment, in minor units.";
        optional maximum: Amount = 5000, "Never more than this for a payment, in minor units.";
        optional returned_on_refund: bool = false, "Whether the fee comes back with a refund.";
    }
}

body! {
    pub(crate) struct AgreeLimits {
        required currency: Currency = "USD", "The currency that is limited. What is absent is no limit.";
        optional per_payment: Amount = 1000000, "The most in one payment, in minor units.";
        optional per_day: Amount = 10000000, "The most in a day, in minor units.";
        optional per_month: Amount = 100000000, "The most in a month, in minor units.";
    }
}

body! {
    pub(crate) struct AllowChannel {
        required channel: Channel = "stripe", "Which channel.";
        required allowed: bool = true, "False withdraws it.";
    }
}

body! {
    pub(crate) struct AllowCurrency {
        required currency: Currency = "USD", "Which currency.";
        required allowed: bool = true, "False withdraws it.";
    }
}

body! {
    pub(crate) struct AgreeSchedule {
        required delay_business_days: Count = 2, "The n of T+n.";
        required time_zone: FlatText = "Europe/London", "In which the merchant's days begin.";
        required two_people: bool = true, "Whether a second person approves each settlement.";
        optional thresholds: Vec<Threshold> = [{ "currency": "USD", "amount": 10000 }], "Less than this is carried over.";
    }
}

body! {
    pub(crate) struct Threshold {
        required currency: Currency = "USD", "Of the amount.";
        required amount: Amount = 10000, "In minor units.";
    }
}

body! {
    pub(crate) struct RotateKey {
        required livemode: bool = true, "The production key, or the test key.";
        optional overlap_hours: Count = 24, "How long the key before stays valid; 24 when absent, at most 720.";
    }
}

const REGISTERED: Words = ("the merchant was registered", "商户已登记");
const AGREED: Words = ("it is so agreed", "已生效");
const OVERLAP_HOURS: u32 = 24;
const OVERLAP_HOURS_MAX: u32 = 720;

pub(crate) fn register<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let body = RegisterMerchant::parse(&call.body)?;
        let scope = call.caller.idempotency_scope();
        let merchant_id = MerchantId::asked_for(&scope, call.key_text());
        let (profile, data_key) = sealed(&api.gate.vault, body);
        let issue = |livemode: bool| {
            let which = if livemode { "live" } else { "test" };
            let key_id = ApiKeyId::asked_for(&scope, &format!("{which} {}", call.key_text()));
            issue(&api.gate.vault, ApiKeyName { merchant_id, key_id, livemode }, 1)
        };
        let (test, live) = (issue(false), issue(true));
        let told = json!({ "merchant_id": merchant_id, "status": "registered", "keys": [test.told(), live.told()] });
        let once = json!({ "keys": [test.once(), live.once()] });
        let registered = Registered { merchant_id, profile, keys: [test.issued, live.issued], by: call.caller.actor() };
        let command = MerchantCommand::Register(Box::new(registered));
        let (merchant, teller) = (stream(merchant_id), Teller::of(call));
        let plan = Plan::new(tenant(merchant_id), move |books| {
            books.presume_new::<Merchant>(&merchant);
            if let Err(refusal) = books.tell::<Merchant>(&merchant, &command)? {
                return Ok(teller.refused(refusal));
            }
            books.keep_key(&data_key);
            Ok(teller.done(REGISTERED, &told))
        });
        Ok(Plan { once: Some(once), ..plan })
    })
}

/// What stands in the events of the business's people: sealed under a key of their own.
fn sealed(vault: &Vault, body: RegisterMerchant) -> (Profile, DataKey) {
    let (envelope, person) = (vault.envelope(), vault.contact_index(&body.email.0));
    let index = || Some(person.clone());
    let profile = Profile {
        name: body.name,
        contact_name: body.contact_name.map(|name| envelope.seal(name.as_str(), index())),
        email: envelope.seal(&body.email.0, index()),
        phone: body.phone.map(|phone| envelope.seal(phone.as_str(), index())),
    };
    (profile, vault.wrapped(&envelope, Some(person)))
}

/// A key just drawn.
struct Issue {
    issued: KeyIssued,
    credential: Credential,
    signing_secret: String,
}

fn issue(vault: &Vault, name: ApiKeyName, generation: u32) -> Issue {
    let credential = vault.issue_api_key(name);
    let ApiKeyName { key_id, livemode, .. } = name;
    let issued = KeyIssued { key_id, livemode, hash: credential.hash.clone(), generation };
    Issue { issued, signing_secret: vault.signing_secret(key_id, generation).to_string(), credential }
}

impl Issue {
    fn told(&self) -> Value {
        json!({ "key_id": self.issued.key_id, "livemode": self.issued.livemode, "generation": self.issued.generation })
    }

    fn once(&self) -> Value {
        json!({
            "key_id": self.issued.key_id,
            "api_key": self.credential.text.as_str(),
            "signing_secret": self.signing_secret,
        })
    }
}

pub(crate) fn activate<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let Activate {} = Activate::parse(&call.body)?;
        agree(call, MerchantCommand::Activate { by: call.caller.actor() }, json!({ "status": "active" }))
    })
}

pub(crate) fn suspend<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let ForAReason { reason } = ForAReason::parse(&call.body)?;
        let command = MerchantCommand::Suspend { by: call.caller.actor(), reason };
        agree(call, command, json!({ "status": "suspended" }))
    })
}

pub(crate) fn close<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let ForAReason { reason } = ForAReason::parse(&call.body)?;
        let command = MerchantCommand::Close { by: call.caller.actor(), reason };
        agree(call, command, json!({ "status": "closed" }))
    })
}

pub(crate) fn agree_fees<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let body = AgreeFees::parse(&call.body)?;
        let rate = u16::try_from(body.rate_bps.0).ok().and_then(BasisPoints::new);
        let minor = |amount: Option<Amount>| amount.map_or(0, |Amount(minor)| minor);
        let plan = FeePlan {
            rate: rate.ok_or_else(|| malformed("/rate_bps"))?,
            fixed_minor: minor(body.fixed),
            minimum_minor: minor(body.minimum),
            maximum_minor: body.maximum.map(|Amount(minor)| minor),
            on_refund: if body.returned_on_refund == Some(true) { FeeOnRefund::Returned } else { FeeOnRefund::Kept },
        };
        let (channel, currency) = (body.channel, body.currency);
        let told = json!({ "channel": channel, "currency": currency });
        agree(call, MerchantCommand::AgreeFees { channel, currency, plan, by: call.caller.actor() }, told)
    })
}

pub(crate) fn agree_limits<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let body = AgreeLimits::parse(&call.body)?;
        let minor = |amount: Option<Amount>| amount.map(|Amount(minor)| minor);
        let limits = Limits {
            per_payment_minor: minor(body.per_payment),
            per_day_minor: minor(body.per_day),
            per_month_minor: minor(body.per_month),
        };
        let told = json!({ "currency": body.currency });
        agree(call, MerchantCommand::AgreeLimits { currency: body.currency, limits, by: call.caller.actor() }, told)
    })
}

pub(crate) fn allow_channel<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let AllowChannel { channel, allowed } = AllowChannel::parse(&call.body)?;
        let by = call.caller.actor();
        let command = if allowed {
            MerchantCommand::AllowChannel { channel, by }
        } else {
            MerchantCommand::WithdrawChannel { channel, by }
        };
        agree(call, command, json!({ "channel": channel, "allowed": allowed }))
    })
}

pub(crate) fn allow_currency<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let AllowCurrency { currency, allowed } = AllowCurrency::parse(&call.body)?;
        let by = call.caller.actor();
        let command = if allowed {
            MerchantCommand::AllowCurrency { currency, by }
        } else {
            MerchantCommand::WithdrawCurrency { currency, by }
        };
        agree(call, command, json!({ "currency": currency, "allowed": allowed }))
    })
}

pub(crate) fn agree_schedule<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let AgreeSchedule { delay_business_days, time_zone, two_people, thresholds } =
            AgreeSchedule::parse(&call.body)?;
        let delay = u8::try_from(delay_business_days.0).map_err(|_too_many| malformed("/delay_business_days"))?;
        let thresholds = thresholds.unwrap_or_default().into_iter();
        let schedule = Schedule {
            delay_business_days: delay,
            time_zone: time_zone.0,
            thresholds: thresholds.map(|Threshold { currency, amount }| (currency, amount.0)).collect(),
            two_people,
        };
        let told = json!({ "delay_business_days": delay, "two_people": two_people });
        agree(call, MerchantCommand::AgreeSchedule { schedule, by: call.caller.actor() }, told)
    })
}

pub(crate) fn rotate_key<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let RotateKey { livemode, overlap_hours } = RotateKey::parse(&call.body)?;
        let hours = overlap_hours.map_or(OVERLAP_HOURS, |Count(hours)| hours);
        let overlap = TimeDelta::try_hours(i64::from(hours)).filter(|_hours| hours <= OVERLAP_HOURS_MAX);
        let old_valid_until: DateTime<Utc> = Utc::now() + overlap.ok_or_else(|| malformed("/overlap_hours"))?;
        let merchant_id = named(call)?;
        let (merchant, _version) = api.gate.store.read::<Merchant>(&stream(merchant_id)).await?;
        let of_mode = merchant.keys().filter(|(_id, key)| key.livemode == livemode);
        let generation = of_mode.map(|(_id, key)| key.generation).max().unwrap_or_default().saturating_add(1);
        let key_id = ApiKeyId::asked_for(&call.caller.idempotency_scope(), call.key_text());
        let issue = issue(&api.gate.vault, ApiKeyName { merchant_id, key_id, livemode }, generation);
        let (told, once) = (issue.told(), issue.once());
        let by = call.caller.actor();
        let command = MerchantCommand::RotateKey { issue: Box::new(issue.issued), old_valid_until, by };
        Ok(Plan { once: Some(json!({ "keys": [once] })), ..agree(call, command, told)? })
    })
}

pub(crate) fn revoke_key<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let Activate {} = Activate::parse(&call.body)?;
        let absent = |_not_an_id| Problem::turned_away(MerchantRefusal::ApiKeyUnknown.rule());
        let key_id = call.path("key_id").parse::<ApiKeyId>().map_err(absent)?;
        let command = MerchantCommand::RevokeKey { key_id, by: call.caller.actor() };
        agree(call, command, json!({ "key_id": key_id, "revoked": true }))
    })
}

/// One command on the merchant named in the path.
fn agree(call: &Call, command: MerchantCommand, told: Value) -> Result<Plan, Problem> {
    let merchant_id = named(call)?;
    let (merchant, teller, demanded) = (stream(merchant_id), Teller::of(call), call.if_match);
    Ok(Plan::new(tenant(merchant_id), move |books| {
        at_version::<Merchant>(books, &merchant, demanded)?;
        Ok(match books.tell::<Merchant>(&merchant, &command)? {
            Ok(()) => teller.done(AGREED, json!({ "merchant_id": merchant_id, "agreed": told })),
            Err(refusal) => teller.refused(refusal),
        })
    }))
}

fn named(call: &Call) -> Result<MerchantId, Problem> {
    let absent = |_not_an_id| Problem::turned_away(MerchantRefusal::MerchantAbsent.rule());
    call.path("merchant_id").parse().map_err(absent)
}

/// A merchant's own stream belongs to both its worlds.
const fn tenant(merchant_id: MerchantId) -> Tenant {
    Tenant { merchant_id: Some(merchant_id.uuid()), livemode: None }
}

fn malformed(pointer: &str) -> Problem {
    Problem::field(pointer, gate::rules::FIELD_MALFORMED)
}
