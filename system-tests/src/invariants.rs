//! What is true of every log at every moment, and of what its callers were told.

use event_store::invariants::{Asked, OF_THE_LOG, ask};
use sqlx::PgConnection;

use crate::appender::History;

/// The names of the invariants of the log that do not hold.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn broken(connection: &mut PgConnection) -> Result<Vec<&'static str>, sqlx::Error> {
    let mut broken = Vec::new();
    for Asked { invariant, breaches } in ask(connection, OF_THE_LOG).await {
        if breaches?.count > 0 {
            broken.push(invariant);
        }
    }
    Ok(broken)
}

/// I9 and I33: everything acknowledged is in the log where it was said to be; nothing that was said not to be applied
/// is. Returns the keys of which that is not so.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn betrayed(connection: &mut PgConnection, history: &History) -> Result<Vec<String>, sqlx::Error> {
    let keys: Vec<&str> = history.acked.keys().map(String::as_str).collect();
    let positions: Vec<i64> = history.acked.values().copied().collect();
    let mut betrayed: Vec<String> = sqlx::query_scalar(
        "select 'acknowledged but not there: ' || h.key from unnest($1::text[], $2::bigint[]) as h (key, position) \
         where not exists (select from log.answers a join log.events e using (position) \
                           where a.key = h.key and a.position = h.position \
                             and e.metadata ->> 'command_id' = a.command_id::text)",
    )
    .bind(keys)
    .bind(positions)
    .fetch_all(&mut *connection)
    .await?;
    let denied: Vec<String> =
        sqlx::query_scalar("select 'denied but there: ' || key from log.answers where key = any($1)")
            .bind(history.not_applied.iter().map(String::as_str).collect::<Vec<&str>>())
            .fetch_all(connection)
            .await?;
    betrayed.extend(denied);
    betrayed.extend(history.wrong.iter().map(|line| format!("said: {line}")));
    Ok(betrayed)
}
