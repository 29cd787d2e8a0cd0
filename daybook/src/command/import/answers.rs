//! Idempotency keys that still live there: asked again, a request is answered as it was.

use chrono::Utc;
use domain::{
    id::{ApiKeyId, OldNameId},
    old_name::event::StandsFor,
};
use event_store::{Answer, Key};
use gate::{Caller, IdempotencyKey, fingerprint_before};
use serde_json::Value;
use uuid::Uuid;

use super::{
    csv::FIELD_MAX,
    plan::{Read, Takeover, given, name, of_mode},
    row::{Amiss, Row, amiss, shown},
    tables::Table,
};

pub(super) const TABLE: Table = Table {
    name: "idempotency",
    needed: &["id", "merchant", "livemode", "key", "method", "path", "status", "answer", "expires_at"],
    may: &["request_sha256"],
    read,
};

const PATH_MAX: usize = 2_048;

fn read(takeover: &mut Takeover, row: &Row<'_>) -> Result<Read, Amiss> {
    let (merchant_id, livemode) = (takeover.merchant(row)?, row.flag("livemode")?);
    let key = IdempotencyKey::parse(row.get("key")).ok_or_else(|| amiss("key", "is no idempotency key"))?;
    let method = match row.get("method") {
        method @ ("POST" | "PUT" | "PATCH") => method,
        other => return Err(amiss("method", &format!("is `{}`, none of POST, PUT, PATCH", shown(other)))),
    };
    let path = row.text("path", PATH_MAX)?;
    if !path.starts_with('/') {
        return Err(amiss("path", "does not begin with /"));
    }
    let sent = row.maybe("request_sha256", |text| {
        let digest = hex_of(text).filter(|digest| digest.len() == 32);
        digest.ok_or_else(|| amiss("request_sha256", "is not 64 hexadecimal digits"))
    })?;
    let status: u16 = row.number("status")?;
    let body = row.text("answer", FIELD_MAX)?;
    if serde_json::from_str::<Value>(body).is_err() {
        return Err(amiss("answer", "is no JSON"));
    }
    let status_kept = i16::try_from(status).ok().filter(|status| (100..=599).contains(status));
    let status_kept = status_kept.ok_or_else(|| amiss("status", "is no status of HTTP"))?;
    if row.moment("expires_at")? <= Utc::now() {
        return Ok(Read::Expired);
    }
    let stands_for = StandsFor::Answer { merchant_id, livemode, key: key.0.to_string(), status };
    let source = takeover.source_of(TABLE.name, row.id("id")?);
    let given = given(OldNameId::of_answer(merchant_id, livemode, &key.0), source, stands_for);
    let mut planned =
        takeover.plan(TABLE.name, row, of_mode(merchant_id, livemode), move |books| name(books, &given))?;
    // It is remembered under the merchant's own key, as an answer of this ledger would be.
    let caller = Caller::Merchant { merchant_id, livemode, key_id: ApiKeyId::new(Uuid::nil()) };
    let fingerprint = fingerprint_before(&takeover.vault, method, path, sent.as_deref());
    planned.key = Key { scope: caller.idempotency_scope(), key: key.0, fingerprint };
    planned.answer = Answer { status: status_kept, body: body.to_owned() };
    Ok(Read::Act(Box::new(planned)))
}

fn hex_of(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
