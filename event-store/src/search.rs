//! Looking for events by what they are of and came with, stretch by stretch of the log.

use sqlx::{Error, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::recorded::{COLUMNS, Recorded};
use crate::store::Store;

/// What events are looked for: those of which all that is said here is so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    pub merchant_id: Option<Uuid>,
    /// Of this mode, or of both.
    pub livemode: Option<bool>,
    /// Of one of these kinds of streams.
    pub aggregate_types: Option<Vec<String>>,
    pub aggregate_id: Option<String>,
    pub event_type: Option<String>,
    /// The trace they belong to.
    pub correlation: Option<String>,
    /// The command or the request they came of.
    pub causation: Option<String>,
}

impl Search {
    fn push(&self, sql: &mut QueryBuilder<'_, Postgres>) {
        if let Some(merchant_id) = self.merchant_id {
            sql.push(" and merchant_id = ").push_bind(merchant_id);
        }
        if let Some(livemode) = self.livemode {
            sql.push(" and (livemode is null or livemode = ").push_bind(livemode).push(")");
        }
        if let Some(types) = &self.aggregate_types {
            sql.push(" and aggregate_type = any(").push_bind(types.clone()).push(")");
        }
        if let Some(id) = &self.aggregate_id {
            sql.push(" and aggregate_id = ").push_bind(id.clone());
        }
        if let Some(event_type) = &self.event_type {
            sql.push(" and event_type = ").push_bind(event_type.clone());
        }
        if let Some(correlation) = &self.correlation {
            sql.push(" and metadata ->> 'trace_id' = ").push_bind(correlation.clone());
        }
        if let Some(causation) = &self.causation {
            sql.push(" and (metadata ->> 'command_id' = ").push_bind(causation.clone());
            sql.push(" or metadata ->> 'request_id' = ").push_bind(causation.clone()).push(")");
        }
    }
}

impl Store {
    /// The events after one position up to another that are looked for, in order, at most so many. Whoever asks bounds the
    /// stretch: all of it is read.
    ///
    /// # Errors
    /// Where the log cannot be reached.
    pub async fn search(&self, search: &Search, after: i64, upto: i64, most: i64) -> Result<Vec<Recorded>, Error> {
        let mut sql = QueryBuilder::new(format!("select {COLUMNS} from log.events where position > "));
        sql.push_bind(after).push(" and position <= ").push_bind(upto);
        search.push(&mut sql);
        sql.push(" order by position limit ").push_bind(most);
        let rows = sql.build().fetch_all(self.pool()).await?;
        rows.iter().map(Recorded::from_row).collect()
    }
}
