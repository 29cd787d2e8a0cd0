//! The limit: bare statements on one connection, 500 events and their 500 keys each.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use system_tests::tally::note;
use uuid::Uuid;

use crate::Problem;

const PAIRS: usize = 500;

const INSERT: &str = "with e as (\
     insert into log.events (position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                             payload, metadata, recorded_at) \
     select $1 + n, id, 'tally', stream, 1, 'tally_moved', '1.0', payload::json, metadata::json, clock_timestamp() \
       from unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) with ordinality as e (id, stream, payload, metadata, n)) \
     insert into log.answers (scope, key, fingerprint, command_id, status, body, position, sequence, recorded_at) \
     select 'bench/live', stream, fingerprint, id, 200, '{\"total\":1}', $1 + n, 1, clock_timestamp() \
       from unnest($2::uuid[], $3::text[], $6::bytea[]) with ordinality as a (id, stream, fingerprint, n)";

/// Pairs of rows per second.
pub(crate) async fn measure(connection: &mut PgConnection, duration: Duration) -> Result<f64, Problem> {
    let payload = format!("{{\"tally_moved\":{{\"amount\":1,\"total\":1,\"note\":\"{}\"}}}}", note());
    let mut last: i64 =
        sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(&mut *connection).await?;
    let begin = Instant::now();
    let mut pairs: u32 = 0;
    while begin.elapsed() < duration {
        let ids: Vec<Uuid> = (0..PAIRS).map(|_| Uuid::now_v7()).collect();
        let streams: Vec<String> = (0..PAIRS).map(|_| Uuid::now_v7().to_string()).collect();
        let metadata: Vec<String> = ids.iter().map(|id| format!("{{\"command_id\":\"{id}\"}}")).collect();
        sqlx::query(INSERT)
            .bind(last)
            .bind(&ids)
            .bind(&streams)
            .bind(vec![payload.as_str(); PAIRS])
            .bind(metadata)
            .bind(vec![&[7_u8; 32][..]; PAIRS])
            .execute(&mut *connection)
            .await?;
        pairs = pairs.saturating_add(500);
        last = last.saturating_add(500);
    }
    Ok(f64::from(pairs) / begin.elapsed().as_secs_f64())
}

/// Puts so many pairs more into the log, in one statement; returns where the log ends then.
pub(crate) async fn fill(connection: &mut PgConnection, pairs: i64) -> Result<i64, Problem> {
    let payload = format!("{{\"tally_moved\":{{\"amount\":1,\"total\":1,\"note\":\"{}\"}}}}", note());
    let last: i64 = sqlx::query_scalar(
        "with more as (\
             select p.last + n as position, gen_random_uuid() as id, gen_random_uuid()::text as stream \
               from (select coalesce(max(position), 0) as last from log.events) p, generate_series(1, $1) n), \
         answers as (\
             insert into log.answers (scope, key, fingerprint, command_id, status, body, position, sequence, recorded_at) \
             select 'bench/live', stream, sha256('x'), id, 200, '{\"total\":1}', position, 1, clock_timestamp() from more), \
         events as (\
             insert into log.events (position, event_id, aggregate_type, aggregate_id, sequence, event_type, \
                                     event_version, payload, metadata, recorded_at) \
             select position, id, 'tally', stream, 1, 'tally_moved', '1.0', $2::json, \
                    json_build_object('command_id', id), clock_timestamp() from more) \
         select max(position) from more",
    )
    .bind(pairs)
    .bind(payload)
    .fetch_one(connection)
    .await?;
    Ok(last)
}
