//! What is true of every log at every moment, asked of the tables themselves.

use sqlx::PgConnection;

use crate::appender::History;

/// Each name is a row of the reliability list; each query counts what must not be there.
const OF_EVERY_LOG: [(&str, &str); 8] = [
    (
        "I7: one key, one command",
        "select count(*) from (select from log.answers group by scope, key having count(distinct command_id) > 1) x",
    ),
    (
        "I11: sequences of a stream are 1, 2, 3 …",
        "select count(*) from (select from log.events group by aggregate_type, aggregate_id \
         having count(*) <> max(sequence) or min(sequence) <> 1) x",
    ),
    (
        "I12: positions are 1, 2, 3 …",
        "select (count(*) <> coalesce(max(position), 0) or coalesce(min(position), 1) <> 1)::int::bigint from log.events",
    ),
    (
        "I13: positions of a stream rise with its sequences",
        "select count(*) from (select position, lag(position) over (partition by aggregate_type, aggregate_id \
         order by sequence) as before from log.events) x where before >= position",
    ),
    (
        "I13: recorded_at never falls",
        "select count(*) from (select recorded_at, lag(recorded_at) over (order by position) as before \
         from log.events) x where before > recorded_at",
    ),
    (
        "I15: event ids are unique",
        "select count(*) from (select from log.events group by event_id having count(*) > 1) x",
    ),
    (
        "I10, I14: an answer's events are there, and an event's answer is",
        "select count(*) from log.answers a where a.status = 200 and not exists (select from log.events e \
         where e.metadata ->> 'command_id' = a.command_id::text and e.position = a.position)",
    ),
    (
        "I31: nobody is idle in a transaction, or waits for a lock",
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() \
         and (state like 'idle in transaction%' and state_change < now() - interval '1 second' \
              or wait_event_type = 'Lock' and query_start < now() - interval '5 seconds')",
    ),
];

/// The names of the invariants that do not hold.
///
/// # Errors
/// Where the database cannot be asked.
pub async fn broken(connection: &mut PgConnection) -> Result<Vec<&'static str>, sqlx::Error> {
    let mut broken = Vec::new();
    for (name, violations) in OF_EVERY_LOG {
        if sqlx::query_scalar::<_, i64>(violations).fetch_one(&mut *connection).await? > 0 {
            broken.push(name);
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
