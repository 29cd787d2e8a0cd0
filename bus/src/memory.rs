//! What the relay remembers of a topic: what the next event of each partition follows.

use sqlx::postgres::PgConnection;

/// The name of the follower whose checkpoint says how far the log has come in a topic.
pub fn follower(topic: &str) -> String {
    format!("relay:{topic}")
}

/// In each partition, the position of the last event up to the checkpoint; made where this topic is new.
///
/// # Errors
/// The database failed.
pub(crate) async fn previous(
    books: &mut PgConnection,
    topic: &str,
    partitions: usize,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query("insert into bus.topics (topic, partitions, previous) values ($1, $2, $3) on conflict do nothing")
        .bind(topic)
        .bind(i32::try_from(partitions).unwrap_or(i32::MAX))
        .bind(vec![0_i64; partitions])
        .execute(&mut *books)
        .await?;
    sqlx::query_scalar("select previous from bus.topics where topic = $1").bind(topic).fetch_one(books).await
}

/// # Errors
/// The database failed.
pub(crate) async fn remember(books: &mut PgConnection, topic: &str, previous: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("update bus.topics set previous = $2 where topic = $1")
        .bind(topic)
        .bind(previous)
        .execute(books)
        .await
        .map(drop)
}
