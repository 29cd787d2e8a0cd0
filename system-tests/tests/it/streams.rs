//! Streams in memory and out: snapshots, older and newer events, other readers, rights.

use std::sync::Arc;

use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore, SemanticVersionEventUpcaster};
use cqrs_es::{AggregateContext, AggregateError, CqrsFramework, EventStore};
use event_store::{Failure, Framework, Limits, LogRepository, Outcome, Store, Upcasters};
use postgres_es::PostgresEventRepository;
use sqlx::Executor;
use system_tests::database::Ledger;
use system_tests::tally::{Tally, TallyCommand, TallyEvent, add};

fn id(name: &str) -> Arc<str> {
    name.into()
}

fn forgetful(ledger: &Ledger) -> Store {
    ledger.store_with(Limits { cached_streams: 1, cached_answers: 1, ..Limits::default() }).unwrap()
}

#[tokio::test]
async fn a_stream_that_is_not_in_memory_is_loaded_and_decided_on() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = forgetful(&ledger);
    for turn in 1..=5 {
        for name in ["a", "b", "c", "d"] {
            let outcome = store.execute(add(&id(name), 1, None, turn % 2 == 0)).await.unwrap();
            assert!(matches!(outcome, Outcome::Accepted { sequence, .. } if sequence == turn), "{turn}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_is_read_with_the_events_after_it_and_each_is_folded_once() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    for _event in 0..600 {
        store.execute(add(&id("a"), 1, None, false)).await.unwrap();
    }
    store.close().await;
    let mut superuser = ledger.superuser().await.unwrap();
    let snapshot = "select sequence from log.snapshots where aggregate_id = 'a'";
    while sqlx::query_scalar::<_, i64>(snapshot).fetch_optional(&mut superuser).await.unwrap() < Some(512) {
        tokio::task::yield_now().await;
    }
    let (tally, version) = ledger.store().unwrap().read::<Tally>(&id("a")).await.unwrap();
    assert_eq!((tally.total, tally.count, version), (600, 600, 600));
    // Of another shape it is passed over.
    superuser.execute("update log.snapshots set state_version = 99, state = '{\"total\": 7}'").await.unwrap();
    let (tally, version) = ledger.store().unwrap().read::<Tally>(&id("a")).await.unwrap();
    assert_eq!((tally.total, tally.count, version), (600, 600, 600));
}

async fn write_raw(ledger: &Ledger, name: &str, version: &str, payload: &str) {
    let mut superuser = ledger.superuser().await.unwrap();
    sqlx::query(
        "select log.append(0, array[gen_random_uuid()], '{tally}', array[$1], '{1}', '{tally_moved}', array[$2], array[$3], \
         '{\"{}\"}', array[null]::uuid[], array[null]::boolean[], '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    )
    .bind(name)
    .bind(version)
    .bind(payload)
    .execute(&mut superuser)
    .await
    .unwrap();
}

#[tokio::test]
async fn an_older_event_is_lifted_to_the_shape_of_today() {
    let ledger = Ledger::fresh().await.unwrap();
    write_raw(&ledger, "a", "0.9", r#"{"tally_moved":{"by":3}}"#).await;
    let lift = |payload: serde_json::Value| {
        let by = payload["tally_moved"]["by"].clone();
        serde_json::json!({ "tally_moved": { "amount": by, "total": by, "note": "" } })
    };
    let upcaster = SemanticVersionEventUpcaster::new("tally_moved", "1.0", Box::new(lift));
    let upcasters = Upcasters::new(vec![Box::new(upcaster)]);
    // Semantic versions are written with three parts by cqrs-es; the aggregate's are named as it names them.
    let store = Store::open(ledger.database().unwrap(), upcasters, Limits::default());
    let (tally, version) = store.read::<Tally>(&id("a")).await.unwrap();
    assert_eq!((tally.total, version), (3, 1));
}

// covers E12 at the level of the store
#[tokio::test]
async fn an_event_of_a_newer_version_stops_its_stream_and_no_other() {
    let ledger = Ledger::fresh().await.unwrap();
    write_raw(&ledger, "a", "2.0", r#"{"tally_moved":{"amount":3,"total":3,"note":"","more":1}}"#).await;
    let store = ledger.store().unwrap();
    let (broken, sound) =
        tokio::join!(store.execute(add(&id("a"), 1, None, false)), store.execute(add(&id("b"), 1, None, false)),);
    assert!(matches!(&broken, Err(Failure::Unreadable { reason, .. }) if reason.contains("version 2.0")), "{broken:?}");
    assert!(matches!(sound, Ok(Outcome::Accepted { .. })), "{sound:?}");
    // Taken for new, it is found out.
    let presumed = store.execute(add(&id("a"), 1, None, true)).await;
    assert!(matches!(presumed, Err(Failure::Unreadable { .. })), "{presumed:?}");
}

#[tokio::test]
async fn what_another_process_writes_is_known_here_soon() {
    let ledger = Ledger::fresh().await.unwrap();
    let (here, elsewhere) = (ledger.store().unwrap(), ledger.store().unwrap());
    here.execute(add(&id("a"), 1, None, true)).await.unwrap();
    let mut head = here.head();
    assert!(head.reaches(1).await);
    elsewhere.execute(add(&id("a"), 41, None, false)).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(1), head.reaches(2)).await.unwrap();
    assert_eq!(here.read::<Tally>(&id("a")).await.unwrap().0.total, 42);
}

#[tokio::test]
async fn postgres_es_reads_our_table() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    for amount in [5, -2, 4] {
        store.execute(add(&id("a"), amount, None, false)).await.unwrap();
        store.execute(add(&id("b"), 1, None, false)).await.unwrap();
    }
    let theirs =
        PostgresEventRepository::new(ledger.superuser_pool().unwrap()).with_tables("log.events", "log.snapshots");
    let ours = LogRepository::new(&ledger.database().unwrap());
    let read_by_them = theirs.get_events::<Framework<Tally>>("a").await.unwrap();
    assert_eq!(read_by_them.len(), 3);
    assert_eq!(read_by_them, ours.get_events::<Framework<Tally>>("a").await.unwrap());
    assert_eq!(
        theirs.get_last_events::<Framework<Tally>>("a", 1).await.unwrap(),
        ours.get_last_events::<Framework<Tally>>("a", 1).await.unwrap(),
    );
    let loaded = PersistedEventStore::<_, Framework<Tally>>::new_event_store(theirs).load_aggregate("a").await.unwrap();
    let mut loaded = loaded;
    assert_eq!(*loaded.aggregate(), Framework(Tally { total: 7, count: 3 }));
}

#[tokio::test]
async fn cqrs_es_runs_on_the_log() {
    let ledger = Ledger::fresh().await.unwrap();
    let repository = LogRepository::new(&ledger.database().unwrap());
    let framework =
        CqrsFramework::new(PersistedEventStore::<_, Framework<Tally>>::new_event_store(repository), vec![], ());
    let add = |amount| TallyCommand::Add { amount, note: String::new() };
    framework.execute("a", add(5)).await.unwrap();
    framework.execute("a", add(2)).await.unwrap();
    assert!(matches!(framework.execute("a", add(-8)).await, Err(AggregateError::UserError(_))));
    let store = ledger.store().unwrap();
    assert_eq!(store.read::<Tally>(&id("a")).await.unwrap().0.total, 7);
    store.execute(system_tests::tally::add(&id("a"), 1, None, false)).await.unwrap();
    framework.execute("a", add(-8)).await.unwrap();

    // Two that decide on the same version: one of them conflicts.
    let racing =
        PersistedEventStore::<_, Framework<Tally>>::new_event_store(LogRepository::new(&ledger.database().unwrap()));
    let (one, two) = (racing.load_aggregate("a").await.unwrap(), racing.load_aggregate("a").await.unwrap());
    let moved = |total| vec![event_store::Framed(TallyEvent::TallyMoved { amount: 1, total, note: String::new() })];
    racing.commit(moved(1), one, Default::default()).await.unwrap();
    assert!(matches!(racing.commit(moved(1), two, Default::default()).await, Err(AggregateError::AggregateConflict)));
}

#[tokio::test]
async fn everything_streams_in_commit_order() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    for name in ["a", "b", "a", "c", "b"] {
        store.execute(add(&id(name), 1, None, false)).await.unwrap();
    }
    let mut stream =
        LogRepository::new(&ledger.database().unwrap()).stream_all_events::<Framework<Tally>>().await.unwrap();
    let mut order = Vec::new();
    while let Some(event) = stream.next::<Framework<Tally>>(&[]).await {
        order.push(event.unwrap().aggregate_id);
    }
    assert_eq!(order, ["a", "b", "a", "c", "b"]);
}

// covers H7
#[tokio::test]
async fn the_application_may_append_and_nothing_else() {
    let ledger = Ledger::fresh().await.unwrap();
    ledger.store().unwrap().execute(add(&id("a"), 1, None, true)).await.unwrap();
    let pool = ledger.database().unwrap().pool(1);
    for forbidden in [
        "update log.events set payload = '{}'",
        "delete from log.events",
        "truncate log.events",
        "insert into log.events select * from log.events",
        "drop table log.events",
        "alter table log.events disable trigger all",
        "update log.answers set body = ''",
        "delete from log.answers",
        "update log.head set only_row = true",
        "select from log.head for update",
        "delete from log.followers",
        "create table log.mine ()",
        "create table public.mine ()",
    ] {
        let refused = sqlx::query(forbidden).execute(&pool).await;
        let code = refused
            .as_ref()
            .err()
            .and_then(|e| e.as_database_error())
            .and_then(|e| e.code().map(std::borrow::Cow::into_owned));
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {refused:?}");
    }
}
