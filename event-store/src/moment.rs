//! From a time to a place: the last position recorded at or before a moment.

use chrono::{DateTime, Utc};

use crate::store::Store;

/// Where the log stood at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub position: i64,
    /// Whether no event can still come that was recorded by then: one recorded later is in the log, and times never
    /// step back.
    pub is_final: bool,
}

/// Positions follow the times they were recorded at, so each look halves what is left.
const SEARCH: &str = "with recursive search (low, high) as ( \
         select 0::bigint, coalesce(max(position), 0) from log.events \
         union all \
         select case when m.recorded_at <= $1 then m.position else low end, \
                case when m.recorded_at <= $1 then high else m.position - 1 end \
           from search, lateral (select position, recorded_at from log.events \
                                  where position = search.low + (search.high - search.low + 1) / 2) m \
          where low < high), \
     found as (select low as position from search where low = high) \
     select f.position, exists (select from log.events where position = f.position + 1) from found f";

impl Store {
    /// Where the log stood at a moment.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn position_at(&self, at: DateTime<Utc>) -> Result<Moment, sqlx::Error> {
        let (position, is_final) = sqlx::query_as(SEARCH).bind(at).fetch_one(&self.shared.pool).await?;
        Ok(Moment { position, is_final })
    }
}
