//! Wakes the followers of other processes: a NOTIFY after the commit, never part of it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::Notify;

/// What listeners listen to.
pub(crate) const CHANNEL: &str = "daybook_log";
/// Commits within this time share one word. Followers in this process are woken at once, by the tail.
const COALESCED: Duration = Duration::from_millis(5);

/// Says the head of the log whenever it has moved. A word that is lost costs others one polling interval, no more.
pub(crate) async fn run(moved: Arc<Notify>, pool: PgPool) {
    loop {
        moved.notified().await;
        let told = sqlx::query("select pg_notify($1, coalesce(max(position), 0)::text) from log.events")
            .bind(CHANNEL)
            .execute(&pool)
            .await;
        if let Err(reason) = told {
            tracing::debug!(%reason, "other processes were not woken; they will look by themselves");
        }
        tokio::time::sleep(COALESCED).await;
    }
}
