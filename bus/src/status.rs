//! How the bus stands: how far the relay has come, and how far behind whoever reads is.

use event_store::Database;
use rdkafka::error::KafkaError;
use sqlx::FromRow;

use crate::kafka::Kafka;
use crate::memory;
use crate::offsets::lags;
use crate::topic;

/// The relay of a topic.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct RelayStanding {
    pub position: i64,
    pub head: i64,
    pub is_held: bool,
    pub parked_reason: Option<String>,
}

/// A partition, for one group: what is there, and what of it the group has not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStanding {
    pub partition: usize,
    pub first_offset: i64,
    pub next_offset: i64,
    pub group_offset: Option<i64>,
}

impl PartitionStanding {
    /// Messages the group has yet to take.
    pub fn lag_count(&self) -> i64 {
        self.next_offset.saturating_sub(self.group_offset.unwrap_or(self.first_offset))
    }
}

/// How far the relay of a topic has come.
///
/// # Errors
/// The database failed.
pub async fn relay_standing(database: &Database, topic: &str) -> Result<RelayStanding, sqlx::Error> {
    let head = database.bulk().await?.head().await?;
    sqlx::query_as(
        "select coalesce(f.position, 0) as position, $2::bigint as head, \
             coalesce(f.lease_until > now(), false) as is_held, f.parked_reason \
         from (select $1::text as name) n left join log.followers f on f.name = n.name",
    )
    .bind(memory::follower(topic))
    .bind(head)
    .fetch_one(&database.pool(1))
    .await
}

/// The followers of this database that were ever fed from a topic.
///
/// # Errors
/// The database failed.
pub async fn fed_followers(database: &Database, topic: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("select distinct follower from bus.places where topic = $1 order by follower")
        .bind(topic)
        .fetch_all(&database.pool(1))
        .await
}

/// The partitions of a topic as a group sees them; none where the topic is not there.
///
/// # Errors
/// Kafka cannot be reached.
pub async fn group_standing(kafka: &Kafka, topic: &str, group: &str) -> Result<Vec<PartitionStanding>, KafkaError> {
    let Some(partitions) = topic::partitions(kafka, topic).await? else { return Ok(Vec::new()) };
    let lags = lags(kafka, topic, partitions, group).await?;
    let standing = |(partition, (first_offset, next_offset, group_offset))| PartitionStanding {
        partition,
        first_offset,
        next_offset,
        group_offset,
    };
    Ok(lags.into_iter().enumerate().map(standing).collect())
}
