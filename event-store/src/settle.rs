//! After an append that wrote nothing: what the log says of what was assumed.

use ahash::HashMap;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::act::{Answer, Key};
use crate::append::Place;
use crate::batch::{Batch, KeyName};
use crate::books::Open;
use crate::cache::Stream;
use crate::kind::Kind;
use crate::outcome::Outcome;

/// What the log remembers under a key.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) fingerprint: [u8; 32],
    pub(crate) position: i64,
    pub(crate) sequence: i64,
    pub(crate) answer: Answer,
}

impl Stored {
    /// The outcome for a request that comes with this key.
    pub(crate) fn outcome(&self, key: &Key) -> Outcome {
        if self.fingerprint == key.fingerprint {
            Outcome::Replayed { position: self.position, sequence: self.sequence, answer: self.answer.clone() }
        } else {
            Outcome::KeyReused
        }
    }
}

const STORED: &str = "select a.scope, a.key, a.fingerprint, a.position, a.sequence, a.status, a.body \
     from unnest($1::text[], $2::text[]) as k (scope, key) \
     cross join lateral (select * from log.answers a where a.scope = k.scope and a.key = k.key offset 0) a";

type StoredRow = (String, String, Vec<u8>, i64, i64, i16, String);

/// The answers already stored under the keys of this batch.
pub(crate) async fn stored_answers(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<HashMap<KeyName, Stored>, sqlx::Error> {
    let (scopes, keys): (Vec<&str>, Vec<&str>) =
        batch.items.iter().filter_map(|item| item.queued.act.key.as_ref()).map(|key| (&*key.scope, &*key.key)).unzip();
    if keys.is_empty() {
        return Ok(HashMap::default());
    }
    let rows: Vec<StoredRow> = sqlx::query_as(STORED).bind(scopes).bind(keys).fetch_all(connection).await?;
    rows.into_iter()
        .map(|(scope, key, fingerprint, position, sequence, status, body)| {
            let fingerprint = <[u8; 32]>::try_from(fingerprint)
                .map_err(|bytes| sqlx::Error::Decode(format!("a fingerprint of {} bytes", bytes.len()).into()))?;
            let stored = Stored { fingerprint, position, sequence, answer: Answer { status, body } };
            Ok(((scope.into(), key.into()), stored))
        })
        .collect()
}

/// Where this very batch stands in the log, if an earlier sending of it was committed after all. One batch is one
/// transaction: finding its first event, or its first key, is finding it whole.
pub(crate) async fn find_own(connection: &mut PgConnection, batch: &Batch) -> Result<Option<Place>, sqlx::Error> {
    if let Some(event) = batch.events.first() {
        let row: Option<(i64, Uuid, DateTime<Utc>)> = sqlx::query_as(
            "select position, event_id, recorded_at from log.events \
             where aggregate_type = $1 and aggregate_id = $2 and sequence = $3",
        )
        .bind(&*event.aggregate_type)
        .bind(&*event.aggregate_id)
        .bind(event.sequence)
        .fetch_optional(connection)
        .await?;
        return Ok(row
            .filter(|(_position, event_id, _recorded_at)| *event_id == event.event_id)
            .map(|(first_position, _event_id, recorded_at)| Place { first_position, recorded_at }));
    }
    let Some((item, key)) = batch.items.iter().find_map(|item| item.keyed_answer().map(|(key, _answer)| (item, key)))
    else {
        return Ok(None);
    };
    let row: Option<(i64, DateTime<Utc>)> = sqlx::query_as(
        "select position, recorded_at from log.answers where scope = $1 and key = $2 and command_id = $3",
    )
    .bind(&*key.scope)
    .bind(&*key.key)
    .bind(item.queued.command_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(position, recorded_at)| Place { first_position: position.saturating_add(1), recorded_at }))
}

/// The streams of this batch that do not end where they were read.
pub(crate) async fn moved_streams(
    connection: &mut PgConnection,
    batch: &Batch,
) -> Result<Vec<(Stream, Kind)>, sqlx::Error> {
    let opened: Vec<(&Stream, &Open)> = batch.open.iter().collect();
    let ordinals: Vec<i64> = sqlx::query_scalar(
        "select s.n from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as s (type, id, sequence, n) \
         cross join lateral (select from log.events e where e.aggregate_type = s.type and e.aggregate_id = s.id \
                                and e.sequence = s.sequence + 1 offset 0) as moved",
    )
    .bind(opened.iter().map(|(stream, _open)| &*stream.kind).collect::<Vec<&str>>())
    .bind(opened.iter().map(|(stream, _open)| &*stream.id).collect::<Vec<&str>>())
    .bind(opened.iter().map(|(_stream, open)| open.read_at).collect::<Vec<i64>>())
    .fetch_all(connection)
    .await?;
    Ok(ordinals
        .into_iter()
        .filter_map(|n| usize::try_from(n.saturating_sub(1)).ok())
        .filter_map(|n| opened.get(n).map(|(stream, open)| ((*stream).clone(), open.folded.kind)))
        .collect())
}
