//! Sending a topic again from a position on.

use event_store::Database;

use crate::key::{key, partition};
use crate::memory;

const RUN: i64 = 20_000;

/// Sets the relay of a topic back (or forth) to a position; it sends everything after it, and whoever has seen that
/// drops it. What each partition's next event follows on is found by reading the log up to there. A relay that runs
/// meanwhile finds its lease outdated and begins again there. False where the topic was never relayed to.
///
/// # Errors
/// The database failed.
pub async fn rewind(database: &Database, topic: &str, to: i64) -> Result<bool, sqlx::Error> {
    let pool = database.pool(1);
    let partitions: Option<i32> = sqlx::query_scalar("select partitions from bus.topics where topic = $1")
        .bind(topic)
        .fetch_optional(&pool)
        .await?;
    let Some(partitions) = partitions.and_then(|count| usize::try_from(count).ok()) else { return Ok(false) };
    let mut previous = vec![0_i64; partitions];
    let (mut bulk, mut at) = (database.bulk().await?, 0);
    let to = to.clamp(0, bulk.head().await?);
    while at < to {
        let upto = at.saturating_add(RUN).min(to);
        for event in bulk.run(at, upto).await?.events()? {
            if let Some(last) = previous.get_mut(partition(&key(&event), partitions)) {
                *last = event.position;
            }
        }
        at = upto;
    }
    let mut transaction = pool.begin().await?;
    let set = "update log.followers set position = $2, epoch = epoch + 1, holder = null, lease_until = null, \
                   parked_reason = null, parked_at = null, failures = 0 where name = $1";
    sqlx::query(set).bind(memory::follower(topic)).bind(to).execute(&mut *transaction).await?;
    memory::remember(&mut transaction, topic, &previous).await?;
    transaction.commit().await?;
    Ok(true)
}
