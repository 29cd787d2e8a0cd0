//! The log behind cqrs-es's repository trait: its framework runs on our table.

use cqrs_es::Aggregate;
use cqrs_es::persist::{
    PersistedEventRepository, PersistenceError, ReplayFeed, ReplayStream, SerializedEvent, SerializedSnapshot,
};
use serde_json::Value;
use sqlx::postgres::PgPool;

use crate::connect::Database;
use crate::recorded::{COLUMNS, Recorded};
use crate::tail;
use crate::upcast::serialized;

/// Events waiting to be taken from a stream.
const FEED: usize = 200;
const EVENTS_PER_READ: i64 = 1_000;

/// Use it with `PersistedEventStore::new_event_store`. Snapshots stay our own: cqrs-es 0.5 would apply the events after
/// one twice. Unlike postgres-es it streams in commit order and reports database errors.
pub struct LogRepository {
    pool: PgPool,
}

impl LogRepository {
    pub fn new(database: &Database) -> Self {
        Self { pool: database.log_pool(4) }
    }

    async fn select(&self, kind: &str, id: &str, after: i64) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let select = format!(
            "select {COLUMNS} from log.events where aggregate_type = $1 and aggregate_id = $2 and sequence > $3 \
             order by sequence"
        );
        let rows = sqlx::query(&select).bind(kind).bind(id).bind(after).fetch_all(&self.pool).await.map_err(lost)?;
        rows.iter().map(|row| readable(&Recorded::from_row(row).map_err(lost)?)).collect()
    }
}

impl PersistedEventRepository for LogRepository {
    async fn get_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.select(A::TYPE, aggregate_id, 0).await
    }

    async fn get_last_events<A: Aggregate>(
        &self,
        aggregate_id: &str,
        last_sequence: usize,
    ) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.select(A::TYPE, aggregate_id, i64::try_from(last_sequence).map_err(unknown)?).await
    }

    async fn get_snapshot<A: Aggregate>(&self, _id: &str) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        Ok(None)
    }

    async fn persist<A: Aggregate>(
        &self,
        events: &[SerializedEvent],
        snapshot_update: Option<(String, Value, usize)>,
    ) -> Result<(), PersistenceError> {
        if snapshot_update.is_some() {
            return Err(PersistenceError::UnknownError("snapshots belong to the store: use new_event_store".into()));
        }
        if events.is_empty() {
            return Ok(());
        }
        let sequences: Vec<i64> =
            events.iter().map(|event| i64::try_from(event.sequence)).collect::<Result<_, _>>().map_err(unknown)?;
        let payloads: Vec<String> = events.iter().map(|event| event.payload.to_string()).collect();
        let metadatas: Vec<String> = events.iter().map(|event| event.metadata.to_string()).collect();
        let ids: Vec<uuid::Uuid> = events.iter().map(|_event| uuid::Uuid::now_v7()).collect();
        let none = "'{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'";
        let call = format!(
            "select first_position from log.append(0, $1, $2, $3, $4, $5, $6, $7, $8, \
             array_fill(null::uuid, array[cardinality($1)]), array_fill(null::boolean, array[cardinality($1)]), {none})"
        );
        let place: Option<i64> = sqlx::query_scalar(&call)
            .bind(ids)
            .bind(events.iter().map(|_event| A::TYPE).collect::<Vec<&str>>())
            .bind(events.iter().map(|event| event.aggregate_id.as_str()).collect::<Vec<&str>>())
            .bind(sequences)
            .bind(events.iter().map(|event| event.event_type.as_str()).collect::<Vec<&str>>())
            .bind(events.iter().map(|event| event.event_version.as_str()).collect::<Vec<&str>>())
            .bind(payloads)
            .bind(metadatas)
            .fetch_optional(&self.pool)
            .await
            .map_err(lost)?;
        place.map(|_position| ()).ok_or(PersistenceError::OptimisticLockError)
    }

    async fn stream_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<ReplayStream, PersistenceError> {
        let events = self.select(A::TYPE, aggregate_id, 0).await?;
        let (mut feed, stream) = ReplayStream::new(FEED);
        tokio::spawn(async move {
            for event in events {
                if feed.push(Ok(event)).await.is_err() {
                    return;
                }
            }
        });
        Ok(stream)
    }

    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        let (mut feed, stream) = ReplayStream::new(FEED);
        let pool = self.pool.clone();
        tokio::spawn(async move {
            if let Err(error) = feed_all(&pool, A::TYPE, &mut feed).await {
                // Where nobody takes the stream any more, nobody wants to hear of its end.
                drop(feed.push(Err(error)).await);
            }
        });
        Ok(stream)
    }
}

/// The whole log in commit order, for one type, in reads by position.
async fn feed_all(pool: &PgPool, kind: &str, feed: &mut ReplayFeed) -> Result<(), PersistenceError> {
    let mut after = 0;
    loop {
        let events = tail::read(pool, after, EVENTS_PER_READ).await.map_err(lost)?;
        let Some(last) = events.last() else { return Ok(()) };
        after = last.position;
        for event in events.iter().filter(|event| event.aggregate_type == kind) {
            feed.push(Ok(readable(event)?)).await?;
        }
    }
}

fn readable(event: &Recorded) -> Result<SerializedEvent, PersistenceError> {
    serialized(event).map_err(|reason| PersistenceError::DeserializationError(reason.into()))
}

fn lost(error: sqlx::Error) -> PersistenceError {
    PersistenceError::ConnectionError(Box::new(error))
}

fn unknown(error: std::num::TryFromIntError) -> PersistenceError {
    PersistenceError::UnknownError(Box::new(error))
}
