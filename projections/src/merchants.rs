//! Merchants and their API keys: who may trade, on which terms, with which keys.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::blind_index::BlindIndex;
use domain::fact::Fact;
use domain::id::MerchantId;
use domain::merchant::Merchant;
use domain::merchant::event::{KeyIssued, MerchantEvent, Profile, Registered};
use domain::operator::Operator;
use domain::operator::event::OperatorEvent;
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::books::Books;
use crate::column::{Ciphertext, Personal};
use crate::happened::Happened;
use crate::read_model::{Plan, ReadModel};
use crate::rows::Rows;
use crate::table::{Row as _, table};

pub(crate) mod resource;

table! {
    /// A merchant, with what was agreed.
    MerchantRow in "merchants", key (id: Uuid), indexes ["(email_index)", "(status, id)"] {
        /// The merchant: MER and these digits, outside.
        id: Uuid,
        /// The business, as it calls itself.
        name: String,
        /// Where it is written to; empty once its person was forgotten.
        email: Personal,
        /// Keyed index of the address, to find it by.
        email_index: Option<String>,
        /// Whom to speak to, sealed.
        contact_name: Option<Ciphertext>,
        /// The telephone number, sealed.
        phone: Option<Ciphertext>,
        /// One of registered, active, suspended, closed.
        status: String,
        /// Why it was suspended or closed.
        status_reason: Option<String>,
        /// Channels it may use, as a sorted list.
        channels: Value,
        /// Currencies it may take, as a sorted list.
        currencies: Value,
        /// Fee plans by channel and currency.
        fees: Value,
        /// Limits by currency, in minor units.
        limits: Value,
        /// When it is settled.
        schedule: Option<Value>,
        /// When it was registered.
        created_at: DateTime<Utc>,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
        /// The position of the event that changed it last.
        position: i64,
    }
}

table! {
    /// An API key of a merchant. Neither the key nor its hash stands here.
    ApiKeyRow in "api_keys", key (merchant_id: Uuid, id: Uuid), indexes ["(id)"] {
        /// Whose it is.
        merchant_id: Uuid,
        /// The key's public name: KEY and these digits, outside.
        id: Uuid,
        /// Whether it moves real money.
        livemode: bool,
        /// Counted per merchant and mode, from 1.
        generation: i32,
        /// Until when it opens the door, once a newer one was issued.
        valid_until: Option<DateTime<Utc>>,
        /// When it was revoked.
        revoked_at: Option<DateTime<Utc>>,
        /// When it was issued.
        created_at: DateTime<Utc>,
    }
}

static PLAN: Plan = Plan { name: "merchants", version: 1, tables: &[MerchantRow::TABLE, ApiKeyRow::TABLE] };

/// The read model of merchants and API keys.
pub(crate) struct Merchants;

impl ReadModel for Merchants {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        event.aggregate_type == Merchant::TYPE || is_erasure(event)
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let (mut ids, mut forgotten) = (Vec::new(), Vec::new());
            for event in events {
                match erased(event)? {
                    Some(person) => forgotten.push(person.to_string()),
                    None => ids.push(merchant(&event.recorded)?.to_string()),
                }
            }
            let mut merchants = Rows::load(books, "id", ids.clone()).await?;
            merchants.load_more(books, "email_index", forgotten).await?;
            let mut keys = Rows::load(books, "merchant_id", ids).await?;
            for event in events {
                if let Fact::Merchant(fact) = event.fact()? {
                    fold(books, &mut merchants, &mut keys, &event.recorded, fact).await?;
                } else if let Some(person) = erased(event)? {
                    forget(&mut merchants, &event.recorded, person);
                }
            }
            merchants.save(books).await?;
            keys.save(books).await
        })
    }
}

async fn fold(
    books: &mut Books<'_>,
    merchants: &mut Rows<MerchantRow>,
    keys: &mut Rows<ApiKeyRow>,
    recorded: &Recorded,
    fact: &MerchantEvent,
) -> Result<(), Poison> {
    if let MerchantEvent::Registered(registered) = fact {
        merchants.put(new(books, recorded, registered).await?);
        for issued in &registered.keys {
            keys.put(key(registered.merchant_id.uuid(), recorded, issued));
        }
        return Ok(());
    }
    let id = merchant(recorded)?;
    let row = merchants.must(&(id,))?;
    row.updated_at = recorded.recorded_at;
    row.position = recorded.position;
    match fact {
        MerchantEvent::Registered(_) => {}
        MerchantEvent::ProfileRevised { profile, .. } => {
            let email = Personal(books.open(&profile.email).await?);
            set_profile(row, profile, email);
        }
        MerchantEvent::Activated { .. } => set_status(row, "active", None),
        MerchantEvent::Suspended { reason, .. } => set_status(row, "suspended", Some(reason.as_str())),
        MerchantEvent::Closed { reason, .. } => set_status(row, "closed", Some(reason.as_str())),
        MerchantEvent::ApiKeyRotated { issued, old_valid_until, .. } => {
            let of_mode = |key: &ApiKeyRow| key.merchant_id == id && key.livemode == issued.livemode;
            for old in keys.iter_mut(of_mode) {
                // A key that was to end sooner still does.
                old.valid_until = Some(old.valid_until.map_or(*old_valid_until, |until| until.min(*old_valid_until)));
            }
            keys.put(key(id, recorded, issued));
        }
        MerchantEvent::ApiKeyTakenOver { issued, .. } => keys.put(key(id, recorded, issued)),
        MerchantEvent::ApiKeyRevoked { key_id, .. } => {
            keys.must(&(id, key_id.uuid()))?.revoked_at = Some(recorded.recorded_at);
        }
        MerchantEvent::FeesAgreed { channel, currency, plan, .. } => {
            let of_channel = entry(&mut row.fees, channel.name());
            set(of_channel, currency.code(), plan)?;
        }
        MerchantEvent::LimitsAgreed { currency, limits, .. } => set(&mut row.limits, currency.code(), limits)?,
        MerchantEvent::ChannelAllowed { channel, .. } => include(&mut row.channels, channel.name()),
        MerchantEvent::ChannelWithdrawn { channel, .. } => exclude(&mut row.channels, channel.name()),
        MerchantEvent::CurrencyAllowed { currency, .. } => include(&mut row.currencies, currency.code()),
        MerchantEvent::CurrencyWithdrawn { currency, .. } => exclude(&mut row.currencies, currency.code()),
        MerchantEvent::ScheduleAgreed { schedule, .. } => row.schedule = Some(json(schedule)?),
        MerchantEvent::EndpointAdded { .. }
        | MerchantEvent::EndpointSecretRotated { .. }
        | MerchantEvent::EndpointRemoved { .. } => {}
    }
    Ok(())
}

fn is_erasure(event: &Recorded) -> bool {
    event.aggregate_type == Operator::TYPE && &*event.event_type == "person_erased"
}

fn erased(event: &Happened) -> Result<Option<&BlindIndex>, Poison> {
    let Fact::Operator(OperatorEvent::PersonErased(erasure)) = event.fact()? else { return Ok(None) };
    Ok(Some(&erasure.person))
}

/// The address stands in the open: it goes with the keys of whom it is.
fn forget(merchants: &mut Rows<MerchantRow>, recorded: &Recorded, person: &BlindIndex) {
    for row in merchants.iter_mut(|row| row.email_index.as_deref() == Some(person.as_str())) {
        row.email = Personal(String::new());
        row.updated_at = recorded.recorded_at;
        row.position = recorded.position;
    }
}

async fn new(books: &mut Books<'_>, recorded: &Recorded, registered: &Registered) -> Result<MerchantRow, Poison> {
    let Registered { merchant_id, profile, .. } = registered;
    let email = Personal(books.open(&profile.email).await?);
    let mut row = MerchantRow {
        id: merchant_id.uuid(),
        name: String::new(),
        email: Personal(String::new()),
        email_index: None,
        contact_name: None,
        phone: None,
        status: "registered".to_owned(),
        status_reason: None,
        channels: Value::Array(Vec::new()),
        currencies: Value::Array(Vec::new()),
        fees: Value::Object(serde_json::Map::new()),
        limits: Value::Object(serde_json::Map::new()),
        schedule: None,
        created_at: recorded.recorded_at,
        updated_at: recorded.recorded_at,
        position: recorded.position,
    };
    set_profile(&mut row, profile, email);
    Ok(row)
}

fn set_profile(row: &mut MerchantRow, profile: &Profile, email: Personal) {
    row.name = profile.name.as_str().to_owned();
    row.email = email;
    row.email_index = profile.email.blind_index().map(str::to_owned);
    row.contact_name = profile.contact_name.as_ref().map(|name| Ciphertext(name.ciphertext().to_owned()));
    row.phone = profile.phone.as_ref().map(|phone| Ciphertext(phone.ciphertext().to_owned()));
}

fn set_status(row: &mut MerchantRow, status: &str, reason: Option<&str>) {
    row.status = status.to_owned();
    row.status_reason = reason.map(str::to_owned);
}

fn merchant(recorded: &Recorded) -> Result<Uuid, Poison> {
    let id = recorded.aggregate_id.parse::<MerchantId>();
    id.map(MerchantId::uuid).map_err(|reason| Poison::Event(format!("position {}: {reason}", recorded.position)))
}

fn key(merchant_id: Uuid, recorded: &Recorded, issued: &KeyIssued) -> ApiKeyRow {
    ApiKeyRow {
        merchant_id,
        id: issued.key_id.uuid(),
        livemode: issued.livemode,
        generation: i32::try_from(issued.generation).unwrap_or(i32::MAX),
        valid_until: None,
        revoked_at: None,
        created_at: recorded.recorded_at,
    }
}

fn json(value: &impl Serialize) -> Result<Value, Poison> {
    serde_json::to_value(value).map_err(|reason| Poison::Event(reason.to_string()))
}

fn entry<'v>(object: &'v mut Value, name: &str) -> &'v mut Value {
    if let Value::Object(fields) = object {
        return fields.entry(name).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    object
}

fn set(object: &mut Value, name: &str, value: &impl Serialize) -> Result<(), Poison> {
    *entry(object, name) = json(value)?;
    Ok(())
}

fn include(list: &mut Value, name: &str) {
    if let Value::Array(names) = list
        && let Err(at) = names.binary_search_by(|known| known.as_str().cmp(&Some(name)))
    {
        names.insert(at, name.into());
    }
}

fn exclude(list: &mut Value, name: &str) {
    if let Value::Array(names) = list {
        names.retain(|known| known != name);
    }
}
