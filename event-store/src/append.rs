//! One batch, one call of `log.append`; and what its answer, or its absence, means.

use chrono::{DateTime, Utc};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgConnection, PgDatabaseError, PgSeverity};
use sqlx::{Arguments, Error, Row};
use uuid::Uuid;

use crate::batch::{Batch, Item};
use crate::books::Open;

/// Where a batch stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) first_position: i64,
    pub(crate) recorded_at: DateTime<Utc>,
}

/// The last event this process knows to stand in the log. A log that does not hold it there is not the same log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) position: i64,
    pub(crate) event_id: Option<Uuid>,
}

/// Why there is no place, when the database did say something.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing is known: the batch may be in the log or come into it yet.
    Unknown(String),
    /// Rolled back for reasons that pass: the same batch may be sent again at once.
    Again,
    /// The data of some act in the batch is refused.
    Data { code: String, reason: String },
    /// The log is not the one seen before. Whether the batch came into that one may be beyond knowing.
    Shorter { reason: String, may_be_written: bool },
    /// Rolled back, and sending it again would not help now.
    Refused(String),
}

const CALL: &str = "select first_position, recorded_at from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, \
     $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
     $26, $27, $28, $29)";

const PARAMETERS: usize = 29;

/// Sends the batch once. `None`: a key was used or a stream has moved, and nothing was written.
pub(crate) async fn send(connection: &mut PgConnection, batch: &Batch, seen: Seen) -> Result<Option<Place>, Trouble> {
    let events = &batch.events;
    let answered =
        || batch.items.iter().filter_map(|item| item.keyed_answer().map(|(key, answer)| (item, key, answer)));
    let unanswered = || batch.items.iter().filter_map(Item::unanswered_key);
    let read_only: Vec<(&str, &str, i64)> = batch
        .open
        .iter()
        .filter(|(_stream, Open { folded, read_at })| folded.version == *read_at)
        .map(|(stream, open)| (&*stream.kind, &*stream.id, open.read_at))
        .collect();

    let mut arguments = PgArguments::default();
    arguments.reserve(PARAMETERS, batch.weight());
    let row = sqlx::query_with(CALL, arguments)
        .bind(seen.position)
        .bind(events.iter().map(|event| event.event_id).collect::<Vec<Uuid>>())
        .bind(events.iter().map(|event| &*event.aggregate_type).collect::<Vec<&str>>())
        .bind(events.iter().map(|event| &*event.aggregate_id).collect::<Vec<&str>>())
        .bind(events.iter().map(|event| event.sequence).collect::<Vec<i64>>())
        .bind(events.iter().map(|event| &*event.event_type).collect::<Vec<&str>>())
        .bind(events.iter().map(|event| &*event.event_version).collect::<Vec<&str>>())
        .bind(events.iter().map(|event| &*event.payload).collect::<Vec<&str>>())
        .bind(events.iter().map(|event| &*event.metadata).collect::<Vec<&str>>())
        .bind(events.iter().map(|event| event.merchant_id).collect::<Vec<Option<Uuid>>>())
        .bind(events.iter().map(|event| event.livemode).collect::<Vec<Option<bool>>>())
        .bind(answered().map(|(_item, key, _answer)| &*key.scope).collect::<Vec<&str>>())
        .bind(answered().map(|(_item, key, _answer)| &*key.key).collect::<Vec<&str>>())
        .bind(answered().map(|(_item, key, _answer)| &key.fingerprint[..]).collect::<Vec<&[u8]>>())
        .bind(answered().map(|(item, _key, _answer)| item.queued.command_id).collect::<Vec<Uuid>>())
        .bind(answered().map(|(_item, _key, answer)| answer.status).collect::<Vec<i16>>())
        .bind(answered().map(|(_item, _key, answer)| answer.body.as_str()).collect::<Vec<&str>>())
        .bind(
            answered()
                .map(|(item, _key, _answer)| i64::try_from(item.events_upto).unwrap_or(i64::MAX))
                .collect::<Vec<i64>>(),
        )
        .bind(answered().map(|(item, _key, _answer)| item.sequence).collect::<Vec<i64>>())
        .bind(read_only.iter().map(|read| read.0).collect::<Vec<&str>>())
        .bind(read_only.iter().map(|read| read.1).collect::<Vec<&str>>())
        .bind(read_only.iter().map(|read| read.2).collect::<Vec<i64>>())
        .bind(unanswered().map(|key| &*key.scope).collect::<Vec<&str>>())
        .bind(unanswered().map(|key| &*key.key).collect::<Vec<&str>>())
        .bind(seen.event_id)
        .bind(batch.data_keys.iter().map(|(key, _event)| key.id).collect::<Vec<Uuid>>())
        .bind(batch.data_keys.iter().map(|(key, _event)| key.wrapped.as_slice()).collect::<Vec<&[u8]>>())
        .bind(batch.data_keys.iter().map(|(key, _event)| key.person.as_deref()).collect::<Vec<Option<&str>>>())
        .bind(batch.data_keys.iter().map(|(_key, event)| *event).collect::<Vec<i64>>())
        .fetch_optional(connection)
        .await
        .map_err(|error| meaning(&error))?;
    row.map(|row| Ok(Place { first_position: row.try_get(0)?, recorded_at: row.try_get(1)? }))
        .transpose()
        .map_err(|error: Error| Trouble::Unknown(error.to_string()))
}

/// Only what the database said about the statement itself is evidence. A lost connection, a server going away or an
/// answer that cannot be read leave open whether the batch was committed.
fn meaning(error: &Error) -> Trouble {
    let Some(refusal) = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) else {
        return Trouble::Unknown(error.to_string());
    };
    let reason = DatabaseError::message(refusal).to_owned();
    if !matches!(refusal.severity(), PgSeverity::Error) {
        return Trouble::Unknown(reason);
    }
    let code = refusal.code();
    match code.get(..2) {
        Some("40") => Trouble::Again,
        Some("22" | "23" | "54") => Trouble::Data { code: code.to_owned(), reason },
        Some("08" | "57") => Trouble::Unknown(reason),
        Some("DB") => Trouble::Shorter { reason, may_be_written: false },
        Some(_) | None => Trouble::Refused(format!("{code}: {reason}")),
    }
}
