//! The baseline: cqrs-es on postgres-es's own store and default pool, the same event.
//!
//! It has no idempotency of its own. The record is written by a trigger in the transaction of the event, which is the
//! cheapest way there is: no round trip and no flush more than postgres-es makes anyway.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cqrs_es::AggregateError;
use event_store::Framework;
use postgres_es::{PostgresCqrs, default_postgress_pool, postgres_cqrs};
use sqlx::{Executor, PgConnection};
use system_tests::load::{Seen, closed_loop};
use system_tests::tally::{Tally, TallyCommand, note};
use uuid::Uuid;

use crate::Problem;

const TABLES: &str = "
    create schema baseline;
    create table baseline.events (
        aggregate_type text not null, aggregate_id text not null, sequence bigint check (sequence >= 0) not null,
        event_type text not null, event_version text not null, payload json not null, metadata json not null,
        primary key (aggregate_type, aggregate_id, sequence));
    create table baseline.answers (
        scope text not null, key text not null, fingerprint bytea not null, status smallint not null, body text not null,
        recorded_at timestamptz not null, primary key (scope, key));
    create function baseline.remember() returns trigger language plpgsql as $$
    begin
        insert into baseline.answers values ('bench/live', new.metadata ->> 'key',
            '\\x0707070707070707070707070707070707070707070707070707070707070707', 200, '{\"total\":1}', clock_timestamp());
        return null;
    end $$;
    create trigger remember after insert on baseline.events for each row execute function baseline.remember();
";

pub(crate) struct Baseline(Arc<PostgresCqrs<Framework<Tally>>>);

impl Baseline {
    /// Makes its tables in the same database; its unqualified table name is found by the search path of the database.
    pub(crate) async fn open(superuser: &mut PgConnection, url: &str) -> Result<Self, Problem> {
        superuser.execute(TABLES).await?;
        let name: String = sqlx::query_scalar("select current_database()::text").fetch_one(&mut *superuser).await?;
        superuser.execute(format!("alter database {name} set search_path = baseline, public").as_str()).await?;
        Ok(Self::reopen(url).await)
    }

    /// Its tables are there.
    pub(crate) async fn reopen(url: &str) -> Self {
        Self(Arc::new(postgres_cqrs(default_postgress_pool(url).await, Vec::new(), ())))
    }

    pub(crate) async fn new_streams(&self, callers: usize, duration: Duration) -> Result<Seen, Problem> {
        let framework = Arc::clone(&self.0);
        closed_loop(callers, duration, move |_caller, _turn| {
            let framework = Arc::clone(&framework);
            async move { add_once(&framework, &Uuid::now_v7().to_string()).await.is_ok() }
        })
        .await
    }

    /// Tries again on every conflict, as its users do.
    pub(crate) async fn one_stream(&self, callers: usize, duration: Duration) -> Result<Seen, Problem> {
        let framework = Arc::clone(&self.0);
        let id: Arc<str> = Uuid::now_v7().to_string().into();
        closed_loop(callers, duration, move |_caller, _turn| {
            let (framework, id) = (Arc::clone(&framework), Arc::clone(&id));
            async move {
                for _attempt in 0..10_000 {
                    match add_once(&framework, &id).await {
                        Ok(()) => return true,
                        Err(AggregateError::AggregateConflict) => {}
                        Err(_failure) => return false,
                    }
                }
                false
            }
        })
        .await
    }
}

async fn add_once(
    framework: &PostgresCqrs<Framework<Tally>>,
    id: &str,
) -> Result<(), AggregateError<<Framework<Tally> as cqrs_es::Aggregate>::Error>> {
    let metadata = HashMap::from([("key".to_owned(), Uuid::now_v7().to_string())]);
    framework.execute_with_metadata(id, TallyCommand::Add { amount: 1, note: note() }, metadata).await
}
