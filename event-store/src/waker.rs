//! Wakes the followers of other processes: a NOTIFY after the commit, never part of it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::Notify;

/// What listeners listen to.
pub(crate) const CHANNEL: &str = "daybook_log";
/// Commits within this time share one word. Followers in this process are woken at once, by the tail.
const COALESCED: Duration = Duration::from_millis(10);
/// How long an ending process may spend on its last word.
const AT_THE_END: Duration = Duration::from_millis(500);

/// Says the head of the log whenever it has moved. A word that is lost costs others one polling interval, no more.
pub(crate) async fn run(moved: Arc<Notify>, pool: PgPool) {
    loop {
        moved.notified().await;
        tell(&pool).await;
        tokio::time::sleep(COALESCED).await;
    }
}

/// The last word of a process that ends: what it wrote just now is heard of at once, a revoked token above all.
pub(crate) async fn tell_at_the_end(pool: &PgPool) {
    if tokio::time::timeout(AT_THE_END, tell(pool)).await.is_err() {
        tracing::debug!("other processes were not woken in time; they will look by themselves");
    }
}

async fn tell(pool: &PgPool) {
    let told = sqlx::query("select pg_notify($1, coalesce(max(position), 0)::text) from log.events")
        .bind(CHANNEL)
        .execute(pool)
        .await;
    if let Err(reason) = told {
        tracing::debug!(%reason, "other processes were not woken; they will look by themselves");
    }
}
