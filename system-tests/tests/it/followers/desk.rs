//! A ledger with a follower that copies: a row for every event, and trouble on request.

use std::sync::Arc;
use std::time::Duration;

use event_store::{Follow, Follower, Outcome, Poison, Recorded, Step, Store};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use sqlx::postgres::PgConnection;
use sqlx::{Executor, PgPool};
use system_tests::database::Ledger;
use system_tests::tally::add;

/// For whatever must come to be true. Nothing here takes as long by far.
const SOON: Duration = Duration::from_secs(20);

/// Nothing keeps a row from being copied twice but the follower itself.
const COPIES: &str = "create table copies (nth bigint generated always as identity, name text, position bigint); \
     grant select, insert on copies to daybook_app";

/// What befalls a copier after its effect and before the end of its transaction.
pub(super) type Trouble =
    Box<dyn for<'a> FnMut(&'a mut PgConnection, &'a [Arc<Recorded>]) -> BoxFuture<'a, Result<(), Poison>> + Send>;

pub(super) struct Copier {
    name: &'static str,
    trouble: Trouble,
}

impl Copier {
    pub(super) fn named(name: &'static str) -> Self {
        Self::troubled(name, |_books, _events| async { Ok(()) }.boxed())
    }

    pub(super) fn troubled(
        name: &'static str,
        trouble: impl for<'a> FnMut(&'a mut PgConnection, &'a [Arc<Recorded>]) -> BoxFuture<'a, Result<(), Poison>>
        + Send
        + 'static,
    ) -> Self {
        Self { name, trouble: Box::new(trouble) }
    }
}

impl Follower for Copier {
    fn name(&self) -> &'static str {
        self.name
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        async move {
            let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
            let copy = "insert into copies (name, position) select $1, p from unnest($2) with ordinality as e (p, n) \
                 order by n";
            sqlx::query(copy).bind(self.name).bind(positions).execute(&mut *books).await?;
            (self.trouble)(books, events).await
        }
        .boxed()
    }
}

pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    behind: PgPool,
}

impl Desk {
    pub(super) async fn new() -> Self {
        let ledger = Ledger::fresh().await.unwrap();
        let behind = ledger.superuser_pool().unwrap();
        behind.execute(COPIES).await.unwrap();
        Self { store: ledger.store().unwrap(), behind, ledger }
    }

    /// A follower on this desk's own store.
    pub(super) fn follow(&self, copier: Copier) -> Follow<Copier> {
        self.store.follow(copier, self.ledger.database().unwrap().pool(2))
    }

    /// A follower of another process.
    pub(super) fn follow_elsewhere(&self, copier: Copier) -> Follow<Copier> {
        self.ledger.store().unwrap().follow(copier, self.ledger.database().unwrap().pool(2))
    }

    /// Appends so many events, each to a stream of its own, and waits until this desk's store has seen them pass (its
    /// tail may begin between them); the last position.
    pub(super) async fn add(&self, count: usize) -> i64 {
        let adding = (0..count).map(|_n| async {
            let outcome = self.store.execute(add(&uuid::Uuid::now_v7().to_string().into(), 1, None, true)).await;
            let Ok(Outcome::Accepted { position, .. }) = outcome else { panic!("{outcome:?}") };
            position
        });
        let last = join_all(adding).await.into_iter().max().unwrap();
        let seen = tokio::time::timeout(SOON, async { self.store.head().reaches(last).await }).await;
        assert_eq!(seen, Ok(true), "the tail has not come to {last}");
        last
    }

    /// What was copied, in the order it was.
    pub(super) async fn copied(&self, name: &str) -> Vec<i64> {
        let copied = "select position from copies where name = $1 order by nth";
        sqlx::query_scalar(copied).bind(name).fetch_all(&self.behind).await.unwrap()
    }

    /// Every event up to here was copied, once, in order; and the checkpoint says the same.
    pub(super) async fn assert_copied(&self, name: &str, upto: i64) {
        assert_eq!(self.copied(name).await, Vec::from_iter(1..=upto), "{name}");
        assert_eq!(self.checkpoint(name).await, (upto, 0), "{name}");
    }

    /// Where a follower stands, and how often it failed there.
    pub(super) async fn checkpoint(&self, name: &str) -> (i64, i32) {
        let checkpoint = "select position, failures from log.followers where name = $1";
        sqlx::query_as(checkpoint).bind(name).fetch_optional(&self.behind).await.unwrap().unwrap_or_default()
    }

    /// Positions are 1, 2, 3 … and those of a stream rise with its sequence.
    pub(super) async fn assert_dense(&self, head: i64) {
        let dense = "select count(*), coalesce(min(position), 1), coalesce(max(position), 0), \
             (select count(*) from log.events e join log.events f using (aggregate_type, aggregate_id) \
              where f.sequence = e.sequence + 1 and f.position <= e.position) from log.events";
        let found: (i64, i64, i64, i64) = sqlx::query_as(dense).fetch_one(&self.behind).await.unwrap();
        assert_eq!(found, (head, 1, head, 0));
    }

    /// As the superuser.
    pub(super) async fn sql(&self, statement: &str) {
        self.behind.execute(statement).await.unwrap();
    }

    /// Waits until this holds, as the superuser sees it.
    pub(super) async fn until(&self, condition: &str) {
        let holds = async {
            while !sqlx::query_scalar::<_, bool>(condition).fetch_one(&self.behind).await.unwrap() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(SOON, holds).await.is_ok(), "it never came to be that {condition}");
    }

    /// Waits until so many appends stand in line for the head of the log.
    pub(super) async fn until_waiting_for_the_head(&self) {
        self.until(
            "select exists (select from pg_stat_activity where datname = current_database() and query like '%log.append%' \
             and wait_event_type = 'Lock' and wait_event <> 'advisory')",
        )
        .await;
    }

    pub(super) async fn until_copied(&self, name: &str, upto: i64) {
        self.until(&format!(
            "select exists (select from log.followers where name = '{name}' and position >= {upto} and parked_reason is null)"
        ))
        .await;
    }

    /// As if its runner had not been heard of for long.
    pub(super) async fn let_the_lease_run_out(&self, name: &str) {
        self.sql(&format!("update log.followers set lease_until = now() - interval '1 second' where name = '{name}'"))
            .await;
    }
}

/// Steps until the follower is there; the steps it took.
pub(super) async fn move_to(follow: &mut Follow<Copier>, position: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    let moving = async {
        loop {
            let step = follow.step().await.unwrap();
            let there = matches!(step, Step::Moved { to } | Step::Idle { at: to } if to >= position);
            if steps.last() != Some(&step) {
                steps.push(step);
            }
            if there {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let moved = tokio::time::timeout(SOON, moving).await;
    assert!(moved.is_ok(), "it did not get to {position}: {steps:?}");
    steps
}

/// Appends one event as a session of somebody's own would; its position.
pub(super) async fn append(session: &mut PgConnection, stream: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select first_position from log.append(0, array[gen_random_uuid()], '{tally}', array[$1], '{1}', '{tally_moved}', \
         '{1.0}', array['{}'], '{\"{}\"}', array[null]::uuid[], array[null]::boolean[], \
         '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    )
    .bind(stream)
    .fetch_one(session)
    .await
}
