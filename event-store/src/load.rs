//! Streams into memory: the newest snapshot that fits, then the events after it.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sqlx::postgres::PgPool;

use crate::cache::{Folded, Stream};
use crate::crash;
use crate::kind::Kind;
use crate::outcome::Failure;
use crate::recorded::{COLUMNS, Recorded};
use crate::upcast::Upcasters;

const SNAPSHOTS: &str = "select k.n, s.sequence, s.state::text \
     from unnest($1::text[], $2::text[], $3::int[]) with ordinality as k (type, id, version, n) \
     cross join lateral (select * from log.snapshots s where s.aggregate_type = k.type and s.aggregate_id = k.id \
                            and s.state_version = k.version offset 0) as s";

/// Reads and folds streams; those without events come back empty, at version zero.
pub(crate) async fn load(
    pool: &PgPool,
    upcasters: &Upcasters,
    streams: &[(Stream, Kind)],
) -> Result<Vec<(Stream, Folded)>, Failure> {
    crash::point("load.before_read");
    let mut folded = from_snapshots(pool, streams).await.map_err(|error| failure(&error))?;
    let events = events_after(pool, &folded).await.map_err(|error| failure(&error))?;
    crash::point("load.after_read");
    for (ordinal, event) in events {
        let Some((_stream, folded)) = folded.get_mut(ordinal) else { continue };
        if event.sequence != folded.version.saturating_add(1) {
            return Err(unreadable(&event, format!("event {} follows event {}", event.sequence, folded.version)));
        }
        let fold = || (folded.kind.fold)(Arc::clone(&folded.state), &event, upcasters);
        folded.state = catch_unwind(AssertUnwindSafe(fold))
            .unwrap_or_else(|_panic| Err("reading it panicked; see the log of this process".to_owned()))
            .map_err(|reason| unreadable(&event, reason))?;
        folded.version = event.sequence;
    }
    Ok(folded)
}

async fn from_snapshots(pool: &PgPool, streams: &[(Stream, Kind)]) -> Result<Vec<(Stream, Folded)>, sqlx::Error> {
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(SNAPSHOTS)
        .bind(streams.iter().map(|(stream, _kind)| &*stream.kind).collect::<Vec<&str>>())
        .bind(streams.iter().map(|(stream, _kind)| &*stream.id).collect::<Vec<&str>>())
        .bind(streams.iter().map(|(_stream, kind)| kind.state_version).collect::<Vec<i32>>())
        .fetch_all(pool)
        .await?;
    let mut folded: Vec<(Stream, Folded)> = streams
        .iter()
        .map(|(stream, kind)| (stream.clone(), Folded { kind: *kind, state: (kind.empty)(), version: 0 }))
        .collect();
    for (n, sequence, state) in rows {
        let Some((_stream, folded)) = ordinal(n).and_then(|at| folded.get_mut(at)) else { continue };
        // A snapshot is only a shortcut: one that cannot be read is passed over.
        if let Some(state) = (folded.kind.from_snapshot)(&state) {
            folded.state = state;
            folded.version = sequence;
        }
    }
    Ok(folded)
}

async fn events_after(pool: &PgPool, from: &[(Stream, Folded)]) -> Result<Vec<(usize, Recorded)>, sqlx::Error> {
    use sqlx::Row as _;
    let select = format!(
        "select e.*, k.n from unnest($1::text[], $2::text[], $3::bigint[]) with ordinality as k (type, id, after, n) \
         cross join lateral (select {COLUMNS} from log.events e where e.aggregate_type = k.type \
                                and e.aggregate_id = k.id and e.sequence > k.after order by e.sequence) as e"
    );
    let rows = sqlx::query(&select)
        .bind(from.iter().map(|(stream, _folded)| &*stream.kind).collect::<Vec<&str>>())
        .bind(from.iter().map(|(stream, _folded)| &*stream.id).collect::<Vec<&str>>())
        .bind(from.iter().map(|(_stream, folded)| folded.version).collect::<Vec<i64>>())
        .fetch_all(pool)
        .await?;
    rows.iter()
        .map(|row| {
            let at = ordinal(row.try_get(12)?).ok_or_else(|| sqlx::Error::Decode("an ordinal out of range".into()))?;
            Ok((at, Recorded::from_row(row)?))
        })
        .collect()
}

/// A name the database cannot even look up, such as one with a NUL in it, is the fault of whoever asks for it.
fn failure(error: &sqlx::Error) -> Failure {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    if code.starts_with("22") {
        Failure::Data { code: code.into_owned(), reason: error.to_string() }
    } else {
        Failure::Unavailable { reason: error.to_string() }
    }
}

fn ordinal(n: i64) -> Option<usize> {
    usize::try_from(n.saturating_sub(1)).ok()
}

fn unreadable(event: &Recorded, reason: String) -> Failure {
    Failure::Unreadable {
        aggregate_type: Cow::clone(&event.aggregate_type).into_owned(),
        aggregate_id: event.aggregate_id.to_string(),
        reason,
    }
}
