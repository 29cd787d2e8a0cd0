//! Where a follower stands in each partition: committed with its work.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::chain::Chain;
use crate::merge::LastApplied;

/// The last event of each partition that this follower has applied from this topic.
///
/// # Errors
/// The database failed.
pub(crate) async fn last(
    books: &mut PgConnection,
    follower: &str,
    topic: &str,
) -> Result<Vec<LastApplied>, sqlx::Error> {
    let rows: Vec<(i32, i64, Uuid)> = sqlx::query_as(
        "select partition, event_position, event_id from bus.places \
         where follower = $1 and topic = $2 and event_id is not null order by partition",
    )
    .bind(follower)
    .bind(topic)
    .fetch_all(books)
    .await?;
    let last = |(partition, position, event_id): (i32, i64, Uuid)| LastApplied {
        partition: usize::try_from(partition).unwrap_or_default(),
        position,
        event_id,
    };
    Ok(rows.into_iter().map(last).collect())
}

/// The event at a position, as whoever applied it from any topic remembers it; or as the log of this database has it.
///
/// # Errors
/// The database failed.
pub(crate) async fn event_at(
    books: &mut PgConnection,
    follower: &str,
    position: i64,
) -> Result<Option<(i64, Uuid)>, sqlx::Error> {
    let id: Option<Uuid> =
        sqlx::query_scalar("select event_id from bus.places where follower = $1 and event_position = $2 limit 1")
            .bind(follower)
            .bind(position)
            .fetch_optional(books)
            .await?;
    Ok(id.map(|id| (position, id)))
}

/// Notes that everything up to a position was applied, and what the last event of these partitions was.
///
/// # Errors
/// The database failed.
pub(crate) async fn note(
    books: &mut PgConnection,
    (follower, topic): (&str, &str),
    upto: i64,
    last: &[LastApplied],
) -> Result<(), sqlx::Error> {
    let partitions: Vec<i32> = last.iter().map(|last| i32::try_from(last.partition).unwrap_or(i32::MAX)).collect();
    let positions: Vec<i64> = last.iter().map(|last| last.position).collect();
    let ids: Vec<Uuid> = last.iter().map(|last| last.event_id).collect();
    sqlx::query(
        "insert into bus.places (follower, topic, partition, position, event_position, event_id) \
         select $1, $2, p.partition, $3, p.position, p.id \
           from unnest($4::int[], $5::bigint[], $6::uuid[]) as p (partition, position, id) \
         on conflict (follower, topic, partition) do update set position = excluded.position, \
             event_position = excluded.event_position, event_id = excluded.event_id, moved_at = now()",
    )
    .bind(follower)
    .bind(topic)
    .bind(upto)
    .bind(partitions)
    .bind(positions)
    .bind(ids)
    .execute(books)
    .await
    .map(drop)
}

/// The chain of one partition, for whoever holds it until the transaction ends; and why it stands still, if it does.
///
/// # Errors
/// The database failed.
pub(crate) async fn hold(
    books: &mut PgConnection,
    (follower, topic): (&str, &str),
    partition: usize,
) -> Result<(Chain, Option<String>), sqlx::Error> {
    let partition = i32::try_from(partition).unwrap_or(i32::MAX);
    sqlx::query("insert into bus.places (follower, topic, partition) values ($1, $2, $3) on conflict do nothing")
        .bind(follower)
        .bind(topic)
        .bind(partition)
        .execute(&mut *books)
        .await?;
    let (seen, position, id, reason): (i64, Option<i64>, Option<Uuid>, Option<String>) = sqlx::query_as(
        "select position, event_position, event_id, halted_reason from bus.places \
         where follower = $1 and topic = $2 and partition = $3 for update",
    )
    .bind(follower)
    .bind(topic)
    .bind(partition)
    .fetch_one(books)
    .await?;
    Ok((Chain { seen, last: position.zip(id) }, reason))
}

/// Writes the chain of one partition back.
///
/// # Errors
/// The database failed.
pub(crate) async fn keep(
    books: &mut PgConnection,
    (follower, topic): (&str, &str),
    partition: usize,
    chain: Chain,
    halted: Option<&str>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update bus.places set position = $4, event_position = $5, event_id = $6, halted_reason = $7, moved_at = now() \
         where follower = $1 and topic = $2 and partition = $3",
    )
    .bind(follower)
    .bind(topic)
    .bind(i32::try_from(partition).unwrap_or(i32::MAX))
    .bind(chain.seen)
    .bind(chain.last.map(|(position, _id)| position))
    .bind(chain.last.map(|(_position, id)| id))
    .bind(halted)
    .execute(books)
    .await
    .map(drop)
}
