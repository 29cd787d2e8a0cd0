//! Merchants: registered here, with what was agreed and how they stand.

use std::sync::Arc;

use domain::{
    channel::Channel,
    currency::Currency,
    fee::FeePlan,
    free_text::FreeText,
    id::{ApiKeyId, MerchantId},
    merchant::{
        Merchant, MerchantCommand,
        event::{KeyIssued, Profile, Registered},
    },
    money::BasisPoints,
};
use event_store::DataKey;
use vault::ApiKeyName;

use super::{
    plan::{Read, Takeover, of_merchant, tell},
    row::{Amiss, Row, amiss},
    tables::Table,
};

pub(super) const TABLE: Table = Table {
    name: "merchants",
    needed: &["id", "name", "email", "status"],
    may: &["contact_name", "phone", "channels", "currencies", "fee_rate_bps"],
    read,
};

const PERSONAL_MAX: usize = 254;

fn read(takeover: &mut Takeover, row: &Row<'_>) -> Result<Read, Amiss> {
    let old_id = row.id("id")?;
    let merchant_id = MerchantId::taken_over(&takeover.source, old_id);
    let (profile, data_key) = sealed(takeover, row)?;
    let keys = [false, true].map(|livemode| unseen(takeover, old_id, merchant_id, livemode));
    let by = takeover.actor();
    let registered = Registered { merchant_id, profile, keys, by };
    let mut commands = vec![MerchantCommand::Register(Box::new(registered))];
    commands.extend(terms(takeover, row)?);
    commands.extend(standing(takeover, row)?);
    let merchant: Arc<str> = merchant_id.to_string().into();
    let planned = takeover.plan(TABLE.name, row, of_merchant(merchant_id), move |books| {
        books.presume_new::<Merchant>(&merchant);
        commands.iter().try_for_each(|command| tell::<Merchant>(books, &merchant, command))?;
        books.keep_key(&data_key);
        Ok(())
    })?;
    takeover.merchants.insert(old_id.to_owned());
    Ok(Read::Act(Box::new(planned)))
}

/// The business in the open, its people sealed under a key of their own.
fn sealed(takeover: &Takeover, row: &Row<'_>) -> Result<(Profile, DataKey), Amiss> {
    let email = row.text("email", PERSONAL_MAX)?;
    if !email.contains('@') || email.chars().any(char::is_whitespace) {
        return Err(amiss("email", "is no e-mail address"));
    }
    let vault = &takeover.vault;
    let (envelope, person) = (vault.envelope(), vault.contact_index(email));
    let index = || Some(person.clone());
    let words = |column| row.maybe(column, |_text| row.ruled(column, FreeText::parse));
    let profile = Profile {
        name: row.ruled("name", FreeText::parse)?,
        contact_name: words("contact_name")?.map(|name| envelope.seal(name.as_str(), index())),
        email: envelope.seal(email, index()),
        phone: words("phone")?.map(|phone| envelope.seal(phone.as_str(), index())),
    };
    Ok((profile, vault.wrapped(&envelope, Some(person))))
}

/// Every merchant begins with a key of each mode. Nobody ever sees these: it goes on with those it has, until it has one
/// issued here.
fn unseen(takeover: &Takeover, old_id: &str, merchant_id: MerchantId, livemode: bool) -> KeyIssued {
    let mode = if livemode { "live" } else { "test" };
    let key_id = ApiKeyId::taken_over(&takeover.source, &format!("unseen {mode} {old_id}"));
    let hash = takeover.vault.issue_api_key(ApiKeyName { merchant_id, key_id, livemode }).hash;
    KeyIssued { key_id, livemode, hash, generation: 1 }
}

/// Channels and currencies, and one rate for all of them, where it is told: other plans are agreed afterwards.
fn terms(takeover: &Takeover, row: &Row<'_>) -> Result<Vec<MerchantCommand>, Amiss> {
    let by = takeover.actor();
    let channels: Vec<Channel> = listed(row, "channels")?;
    let currencies: Vec<Currency> = listed(row, "currencies")?;
    let rate = row.maybe("fee_rate_bps", |_text| rate(row, "fee_rate_bps"))?;
    let mut commands = Vec::new();
    commands.extend(channels.iter().map(|channel| MerchantCommand::AllowChannel { channel: *channel, by }));
    commands.extend(currencies.iter().map(|currency| MerchantCommand::AllowCurrency { currency: *currency, by }));
    if let Some(rate) = rate {
        let plan = FeePlan { rate, ..FeePlan::FREE };
        let pairs = channels.iter().flat_map(|channel| currencies.iter().map(|currency| (*channel, *currency)));
        commands.extend(pairs.map(|(channel, currency)| MerchantCommand::AgreeFees { channel, currency, plan, by }));
    }
    Ok(commands)
}

/// Words with spaces between them.
fn listed<T: std::str::FromStr<Err: std::fmt::Display>>(row: &Row<'_>, column: &'static str) -> Result<Vec<T>, Amiss> {
    let read = |word: &str| word.parse().map_err(|refusal: T::Err| amiss(column, &format!("`{word}`: {refusal}")));
    row.get(column).split_whitespace().map(read).collect()
}

/// Hundredths of a percent.
pub(super) fn rate(row: &Row<'_>, column: &'static str) -> Result<BasisPoints, Amiss> {
    let points: u16 = row.number(column)?;
    BasisPoints::new(points).ok_or_else(|| amiss(column, &format!("is {points}, more than all of it")))
}

fn standing(takeover: &Takeover, row: &Row<'_>) -> Result<Option<MerchantCommand>, Amiss> {
    let by = takeover.actor();
    let reason =
        || FreeText::parse("as on the platform before").map_err(|refusal| amiss("status", &refusal.to_string()));
    Ok(match row.get("status") {
        "registered" => None,
        "active" => Some(MerchantCommand::Activate { by }),
        "suspended" => Some(MerchantCommand::Suspend { by, reason: reason()? }),
        "closed" => Some(MerchantCommand::Close { by, reason: reason()? }),
        _ => return Err(amiss("status", "is none of registered, active, suspended, closed")),
    })
}
