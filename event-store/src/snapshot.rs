//! Folds of long streams, kept so that loading one costs its tail and not its history.

use std::sync::Arc;

use sqlx::postgres::PgPool;
use tokio::sync::mpsc;

use crate::cache::{Folded, Stream};
use crate::crash;

/// A stream is worth a snapshot whenever so many events were added.
pub(crate) const EVENTS_PER_SNAPSHOT: i64 = 256;
/// Snapshots waiting to be written; more are simply not taken.
const WAITING: usize = 64;

/// Whether a stream that grew from one version to another has passed the next mark.
pub(crate) fn is_due(before: i64, after: i64) -> bool {
    before.div_euclid(EVENTS_PER_SNAPSHOT) < after.div_euclid(EVENTS_PER_SNAPSHOT)
}

/// Writes snapshots behind the writer's back. Losing one costs nothing but time.
pub(crate) fn spawn(pool: PgPool) -> mpsc::Sender<(Stream, Folded)> {
    let (sender, mut due) = mpsc::channel::<(Stream, Folded)>(WAITING);
    tokio::spawn(async move {
        while let Some((stream, folded)) = due.recv().await {
            if let Err(reason) = write(&pool, &stream, &folded).await {
                tracing::warn!(%reason, kind = %stream.kind, id = %stream.id, "a snapshot was not written");
            }
        }
    });
    sender
}

async fn write(pool: &PgPool, stream: &Stream, folded: &Folded) -> Result<(), sqlx::Error> {
    let Some(state) = (folded.kind.to_snapshot)(&Arc::clone(&folded.state)) else { return Ok(()) };
    crash::point("snapshot.before_write");
    sqlx::query(
        "insert into log.snapshots (aggregate_type, aggregate_id, state_version, sequence, state) \
         values ($1, $2, $3, $4, $5::json) \
         on conflict (aggregate_type, aggregate_id) do update \
         set state_version = excluded.state_version, sequence = excluded.sequence, state = excluded.state \
         where log.snapshots.sequence < excluded.sequence or log.snapshots.state_version <> excluded.state_version",
    )
    .bind(&*stream.kind)
    .bind(&*stream.id)
    .bind(folded.kind.state_version)
    .bind(folded.version)
    .bind(state)
    .execute(pool)
    .await?;
    crash::point("snapshot.after_write");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{EVENTS_PER_SNAPSHOT, is_due};

    #[test]
    fn a_snapshot_is_due_when_a_mark_is_passed_and_only_then() {
        assert!(!is_due(0, EVENTS_PER_SNAPSHOT - 1));
        assert!(is_due(EVENTS_PER_SNAPSHOT - 1, EVENTS_PER_SNAPSHOT));
        assert!(is_due(10, 3 * EVENTS_PER_SNAPSHOT));
        assert!(!is_due(EVENTS_PER_SNAPSHOT, EVENTS_PER_SNAPSHOT + 1));
    }
}
