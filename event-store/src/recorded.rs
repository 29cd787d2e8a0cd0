//! One event as the log holds it, byte for byte.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::{PgPool, PgRow};
use uuid::Uuid;

/// The columns every reader of whole events selects, in the order of the struct.
pub(crate) const COLUMNS: &str = "position, event_id, aggregate_type, aggregate_id, sequence, event_type, \
     event_version, payload::text, metadata::text, merchant_id, livemode, recorded_at";

/// An event with its place in the log. `payload` and `metadata` are the JSON texts as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: Cow<'static, str>,
    pub aggregate_id: Arc<str>,
    pub sequence: i64,
    pub event_type: Cow<'static, str>,
    pub event_version: Cow<'static, str>,
    pub payload: Arc<str>,
    pub metadata: Arc<str>,
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
    pub recorded_at: DateTime<Utc>,
}

impl Recorded {
    pub(crate) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            position: row.try_get(0)?,
            event_id: row.try_get(1)?,
            aggregate_type: row.try_get::<String, _>(2)?.into(),
            aggregate_id: row.try_get::<&str, _>(3)?.into(),
            sequence: row.try_get(4)?,
            event_type: row.try_get::<String, _>(5)?.into(),
            event_version: row.try_get::<String, _>(6)?.into(),
            payload: row.try_get::<&str, _>(7)?.into(),
            metadata: row.try_get::<&str, _>(8)?.into(),
            merchant_id: row.try_get(9)?,
            livemode: row.try_get(10)?,
            recorded_at: row.try_get(11)?,
        })
    }
}

#[cfg(test)]
impl Recorded {
    /// One of a tally, for tests.
    pub(crate) fn of_a_tally(position: i64, payload: &str) -> Self {
        Self {
            position,
            event_id: Uuid::nil(),
            aggregate_type: "tally".into(),
            aggregate_id: "one".into(),
            sequence: position,
            event_type: "tally_moved".into(),
            event_version: "1.0".into(),
            payload: payload.into(),
            metadata: "{}".into(),
            merchant_id: None,
            livemode: None,
            recorded_at: DateTime::UNIX_EPOCH,
        }
    }
}

/// The one at a position, if there is one.
pub(crate) async fn at(pool: &PgPool, position: i64) -> Result<Option<Recorded>, sqlx::Error> {
    let select = format!("select {COLUMNS} from log.events where position = $1");
    let row = sqlx::query(&select).bind(position).fetch_optional(pool).await?;
    row.as_ref().map(Recorded::from_row).transpose()
}

/// Some events of one stream, in order.
pub(crate) async fn of_stream(
    pool: &PgPool,
    aggregate_type: &str,
    aggregate_id: &str,
    after: i64,
    most: i64,
) -> Result<Vec<Recorded>, sqlx::Error> {
    let select = format!(
        "select {COLUMNS} from log.events where aggregate_type = $1 and aggregate_id = $2 and sequence > $3 \
         order by sequence limit $4"
    );
    let rows =
        sqlx::query(&select).bind(aggregate_type).bind(aggregate_id).bind(after).bind(most).fetch_all(pool).await?;
    rows.iter().map(Recorded::from_row).collect()
}
