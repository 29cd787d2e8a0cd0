//! API keys: they open the door here as they did there, with the secrets they had.

use std::sync::Arc;

use domain::{
    id::{ApiKeyId, OldNameId},
    merchant::{Merchant, MerchantCommand},
    old_name::event::StandsFor,
};

use super::{
    plan::{Read, Takeover, given, name, of_merchant, tell},
    row::{Amiss, Row, amiss},
    tables::Table,
};

pub(super) const TABLE: Table =
    Table { name: "api_keys", needed: &["id", "merchant", "livemode", "api_key", "secret"], may: &[], read };

/// What can be guessed opens nothing here.
const KEY: std::ops::RangeInclusive<usize> = 12..=255;
const SECRET: std::ops::RangeInclusive<usize> = 16..=255;

fn read(takeover: &mut Takeover, row: &Row<'_>) -> Result<Read, Amiss> {
    let (merchant_id, livemode) = (takeover.merchant(row)?, row.flag("livemode")?);
    let (api_key, secret) = (secret(row, "api_key", KEY)?, secret(row, "secret", SECRET)?);
    if vault::is_written_like_ours(api_key) {
        return Err(amiss("api_key", "is written like a key of this program"));
    }
    let key_id = ApiKeyId::taken_over(&takeover.source, row.id("id")?);
    let (hash, by) = (takeover.vault.credential_hash(api_key), takeover.actor());
    let sealed = takeover.vault.sealed_secret(key_id, secret);
    let stands_for = StandsFor::ApiKey { merchant_id, livemode, key_id };
    let source = takeover.source_of(TABLE.name, row.id("id")?);
    let given = given(OldNameId::of_api_key(&hash), source, stands_for);
    let merchant: Arc<str> = merchant_id.to_string().into();
    let command = MerchantCommand::TakeOverKey { key_id, livemode, hash, by };
    let planned = takeover.plan(TABLE.name, row, of_merchant(merchant_id), move |books| {
        tell::<Merchant>(books, &merchant, &command)?;
        name(books, &given)?;
        books.keep_key(&sealed);
        Ok(())
    })?;
    Ok(Read::Act(Box::new(planned)))
}

/// It is never shown, whatever is wrong with it.
fn secret<'r>(row: &Row<'r>, column: &'static str, length: std::ops::RangeInclusive<usize>) -> Result<&'r str, Amiss> {
    let text = row.get(column);
    if !length.contains(&text.len()) {
        let what = format!("has {} characters, not {} to {}", text.len(), length.start(), length.end());
        return Err(amiss(column, &what));
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { Ok(text) } else { Err(amiss(column, "has other characters than visible ASCII")) }
}
