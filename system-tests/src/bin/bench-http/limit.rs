//! The limit: bare statements on one connection, with the rows the server writes.

use std::time::{Duration, Instant};

use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::Problem;

const PAYMENTS: usize = 500;

/// The rows of one payment as they were written by the server.
#[derive(Clone, FromRow)]
pub(crate) struct Rows {
    payload: String,
    metadata: String,
    merchant_id: Uuid,
    scope: String,
    fingerprint: Vec<u8>,
    answer: String,
    wrapped: Vec<u8>,
}

const LAST: &str = "select e.payload::text, e.metadata::text, e.merchant_id, a.scope, a.fingerprint, a.body as answer, k.wrapped \
       from log.events e join log.answers a on a.position = e.position, \
            lateral (select wrapped from vault.data_keys order by id desc limit 1) k \
      where e.aggregate_type = 'payment' order by e.position desc limit 1";

const INSERT: &str = "with e as (\
     insert into log.events (position, event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                             payload, metadata, merchant_id, livemode, recorded_at) \
     select $1 + n, id, 'payment', stream, 1, 'initiated', '1.0', payload::json, metadata::json, merchant, true, \
            clock_timestamp() \
       from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[]) \
         with ordinality as e (id, stream, payload, metadata, merchant, n)), \
     k as (insert into vault.data_keys (id, wrapped) select id, wrapped from unnest($2::uuid[], $7::bytea[]) k (id, wrapped)) \
     insert into log.answers (scope, key, fingerprint, command_id, status, body, position, sequence, recorded_at) \
     select scope, 'pay-limit-' || lpad(($1 + n)::text, 8, '0'), fingerprint, id, 200, answer, $1 + n, 1, clock_timestamp() \
       from unnest($2::uuid[], $8::text[], $9::bytea[], $10::text[]) \
         with ordinality as a (id, scope, fingerprint, answer, n)";

impl Rows {
    /// Those of the last payment in a ledger.
    pub(crate) async fn of_the_last(connection: &mut PgConnection) -> Result<Self, Problem> {
        Ok(sqlx::query_as(LAST).fetch_one(connection).await?)
    }

    /// Payments per second.
    pub(crate) async fn insert(&self, connection: &mut PgConnection, duration: Duration) -> Result<f64, Problem> {
        let mut last: i64 =
            sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(&mut *connection).await?;
        let begin = Instant::now();
        let mut payments: u32 = 0;
        while begin.elapsed() < duration {
            let ids: Vec<Uuid> = (0..PAYMENTS).map(|_| Uuid::now_v7()).collect();
            // A payment's name is a hash of its order's.
            let name = |id: &Uuid| format!("PAY{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()).simple());
            sqlx::query(INSERT)
                .bind(last)
                .bind(&ids)
                .bind(ids.iter().map(name).collect::<Vec<String>>())
                .bind(vec![self.payload.as_str(); PAYMENTS])
                .bind(vec![self.metadata.as_str(); PAYMENTS])
                .bind(vec![self.merchant_id; PAYMENTS])
                .bind(vec![self.wrapped.as_slice(); PAYMENTS])
                .bind(vec![self.scope.as_str(); PAYMENTS])
                .bind(vec![self.fingerprint.as_slice(); PAYMENTS])
                .bind(vec![self.answer.as_str(); PAYMENTS])
                .execute(&mut *connection)
                .await?;
            payments = payments.saturating_add(500);
            last = last.saturating_add(500);
        }
        Ok(f64::from(payments) / begin.elapsed().as_secs_f64())
    }
}
