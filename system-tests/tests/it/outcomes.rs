//! What a command may be told, and that each of it is true.

use std::sync::Arc;
use std::time::Duration;

use event_store::{Act, Answer, Failure, Limits, Outcome, Tenant, Verdict};
use system_tests::database::Ledger;
use system_tests::tally::{Tally, TallyCommand, add, key};
use tokio::task::JoinSet;

fn id(name: &str) -> Arc<str> {
    name.into()
}

fn body(total: i64) -> Answer {
    Answer { status: 200, body: format!("{{\"total\":{total}}}") }
}

#[tokio::test]
async fn an_accepted_command_names_its_position_and_its_sequence() {
    let store = Ledger::fresh().await.unwrap().store().unwrap();
    let first = store.execute(add(&id("a"), 5, None, true)).await.unwrap();
    assert_eq!(first, Outcome::Accepted { position: 1, sequence: 1, events: 1, answer: body(5) });
    store.execute(add(&id("b"), 1, None, true)).await.unwrap();
    let third = store.execute(add(&id("a"), -2, None, false)).await.unwrap();
    assert_eq!(third, Outcome::Accepted { position: 3, sequence: 2, events: 1, answer: body(3) });
}

// covers I8
#[tokio::test]
async fn the_same_key_and_request_is_answered_with_the_stored_bytes_by_every_process() {
    let ledger = Ledger::fresh().await.unwrap();
    let (here, elsewhere) = (ledger.store().unwrap(), ledger.store().unwrap());
    let ask = || add(&id("a"), 5, Some(key("shop", "k", "add 5")), true);
    here.execute(ask()).await.unwrap();
    here.execute(add(&id("a"), 7, None, false)).await.unwrap();
    let replayed = Outcome::Replayed { position: 1, sequence: 1, answer: body(5) };
    assert_eq!(here.execute(ask()).await.unwrap(), replayed);
    assert_eq!(elsewhere.execute(ask()).await.unwrap(), replayed);
    let (tally, version) = elsewhere.read::<Tally>(&id("a")).await.unwrap();
    assert_eq!((tally.total, version), (12, 2));
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused_and_writes_nothing() {
    let ledger = Ledger::fresh().await.unwrap();
    let (here, elsewhere) = (ledger.store().unwrap(), ledger.store().unwrap());
    here.execute(add(&id("a"), 5, Some(key("shop", "k", "add 5")), true)).await.unwrap();
    for store in [&here, &elsewhere] {
        let other = store.execute(add(&id("a"), 6, Some(key("shop", "k", "add 6")), false)).await.unwrap();
        assert_eq!(other, Outcome::KeyReused);
    }
    let another_scope = add(&id("b"), 6, Some(key("another shop", "k", "add 6")), true);
    assert!(matches!(here.execute(another_scope).await.unwrap(), Outcome::Accepted { position: 2, .. }));
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_is_replayed_even_when_it_would_be_accepted_by_then() {
    let store = Ledger::fresh().await.unwrap().store().unwrap();
    let ask = || add(&id("a"), -1, Some(key("shop", "k", "take 1")), false);
    let refused = store.execute(ask()).await.unwrap();
    let Outcome::Refused { position: 0, sequence: 0, answer } = refused else { panic!("{refused:?}") };
    assert_eq!(answer.status, 422);
    store.execute(add(&id("a"), 10, None, false)).await.unwrap();
    assert_eq!(store.execute(ask()).await.unwrap(), Outcome::Replayed { position: 0, sequence: 0, answer });
    assert_eq!(store.read::<Tally>(&id("a")).await.unwrap().0.total, 10);
}

#[tokio::test]
async fn a_refused_command_does_not_cost_its_neighbours() {
    let store = Ledger::fresh().await.unwrap().store().unwrap();
    let mut asked = JoinSet::new();
    for n in 0..200 {
        let (store, amount) = (store.clone(), if n % 3 == 0 { -1 } else { 1 });
        asked
            .spawn(async move { (amount, store.execute(add(&id(&n.to_string()), amount, None, true)).await.unwrap()) });
    }
    while let Some(done) = asked.join_next().await {
        let (amount, outcome) = done.unwrap();
        assert_eq!(amount < 0, matches!(outcome, Outcome::Refused { .. }), "{amount}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_command_that_is_already_true_is_accepted_without_an_event() {
    let store = Ledger::fresh().await.unwrap().store().unwrap();
    let raise = || Act::tell::<Tally>("a", TallyCommand::RaiseTo { total: 4 });
    let first = store.execute(raise()).await.unwrap();
    assert!(matches!(first, Outcome::Accepted { position: 1, sequence: 1, events: 1, .. }), "{first:?}");
    let again = store.execute(raise()).await.unwrap();
    assert!(matches!(again, Outcome::Accepted { position: 1, sequence: 1, events: 0, .. }), "{again:?}");
}

// covers A5, I7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_identical_requests_at_once_have_one_effect() {
    let ledger = Ledger::fresh().await.unwrap();
    let stores = [ledger.store().unwrap(), ledger.store().unwrap()];
    for storm in 0..50_i64 {
        let mut asked = JoinSet::new();
        for n in 0..64_usize {
            let store = stores[n % 2].clone();
            let act = add(&id("a"), 1, Some(key("shop", &storm.to_string(), "add 1")), n % 4 < 2);
            asked.spawn(async move { store.execute(act).await.unwrap() });
        }
        let mut accepted = 0;
        while let Some(outcome) = asked.join_next().await {
            match outcome.unwrap() {
                Outcome::Accepted { answer, .. } => {
                    accepted += 1;
                    assert_eq!(answer, body(storm + 1));
                }
                Outcome::Replayed { answer, .. } => assert_eq!(answer, body(storm + 1)),
                Outcome::InFlight => {}
                other @ (Outcome::Refused { .. } | Outcome::KeyReused | Outcome::VersionMismatch { .. }) => {
                    panic!("{other:?}")
                }
            }
        }
        assert_eq!(accepted, 1, "storm {storm}");
    }
    assert_eq!(stores[0].read::<Tally>(&id("a")).await.unwrap().0.total, 50);
}

// covers A15, A13 at the level of the store
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debits_that_race_in_two_processes_never_overdraw() {
    let ledger = Ledger::fresh().await.unwrap();
    let stores = [ledger.store().unwrap(), ledger.store().unwrap()];
    stores[0].execute(add(&id("a"), 1_000, None, true)).await.unwrap();
    let mut asked = JoinSet::new();
    for n in 0..200_usize {
        let store = stores[n % 2].clone();
        asked.spawn(async move { store.execute(add(&id("a"), -10, None, false)).await.unwrap() });
    }
    let (mut accepted, mut refused) = (0, 0);
    while let Some(outcome) = asked.join_next().await {
        match outcome.unwrap() {
            Outcome::Accepted { .. } => accepted += 1,
            Outcome::Refused { .. } => refused += 1,
            other @ (Outcome::Replayed { .. }
            | Outcome::KeyReused
            | Outcome::InFlight
            | Outcome::VersionMismatch { .. }) => panic!("{other:?}"),
        }
    }
    assert_eq!((accepted, refused), (100, 100));
    assert_eq!(stores[1].read::<Tally>(&id("a")).await.unwrap().0.total, 0);
}

// covers A22
#[tokio::test]
async fn a_stale_version_is_told_so_and_nothing_is_written() {
    let ledger = Ledger::fresh().await.unwrap();
    let (here, elsewhere) = (ledger.store().unwrap(), ledger.store().unwrap());
    here.execute(add(&id("a"), 1, None, true)).await.unwrap();
    elsewhere.execute(add(&id("a"), 1, None, false)).await.unwrap();
    let demanding = |version: i64| {
        Act::deciding(move |books| {
            books.demand_version::<Tally>(&id("a"), version)?;
            books.tell::<Tally>(&id("a"), &TallyCommand::Add { amount: 1, note: String::new() })?.unwrap();
            Ok(Verdict::Accepted(Answer::default()))
        })
    };
    // `here` may not have heard of the second event yet: what it says must be true all the same.
    let stale = here.execute(demanding(1)).await.unwrap();
    assert_eq!(stale, Outcome::VersionMismatch { demanded: 1, actual: 2 });
    let fresh = here.execute(demanding(2)).await.unwrap();
    assert!(matches!(fresh, Outcome::Accepted { position: 3, sequence: 3, .. }), "{fresh:?}");
}

// covers A22, A3
#[tokio::test]
async fn a_repeat_is_a_repeat_even_where_its_version_has_gone_by() {
    let ledger = Ledger::fresh().await.unwrap();
    let demanding = || Act {
        key: Some(key("shop", "k", "raise at version 0")),
        ..Act::deciding(|books| {
            books.demand_version::<Tally>(&id("a"), 0)?;
            books.tell::<Tally>(&id("a"), &TallyCommand::RaiseTo { total: 1 })?.unwrap();
            Ok(Verdict::Accepted(Answer { status: 200, body: "raised".to_owned() }))
        })
    };
    ledger.store().unwrap().execute(demanding()).await.unwrap();
    // Another process knows neither the answer nor, yet, the stream.
    let repeated = ledger.store().unwrap().execute(demanding()).await.unwrap();
    assert!(matches!(&repeated, Outcome::Replayed { answer, .. } if answer.body == "raised"), "{repeated:?}");
}

#[tokio::test]
async fn a_decision_that_panics_costs_only_its_own_command() {
    let store = Ledger::fresh().await.unwrap().store().unwrap();
    let broken = store.execute(Act::deciding(|_books| panic!("on purpose"))).await;
    assert!(matches!(&broken, Err(Failure::Data { code, .. }) if code == "panic"), "{broken:?}");
    assert!(matches!(store.execute(add(&id("a"), 1, None, true)).await, Ok(Outcome::Accepted { .. })));
}

// covers B9, B10 at the level of the store
#[tokio::test]
async fn a_log_that_is_not_the_one_seen_before_is_not_written_to() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    for _event in 0..3 {
        store.execute(add(&id("a"), 1, None, false)).await.unwrap();
    }
    // What a restored backup looks like: the last event is gone, another stands in its place.
    let mut superuser = ledger.superuser().await.unwrap();
    sqlx::query("update log.events set event_id = gen_random_uuid() where position = 3")
        .execute(&mut superuser)
        .await
        .unwrap();
    let refused = store.execute(add(&id("b"), 1, None, true)).await;
    assert!(matches!(&refused, Err(Failure::Shorter { .. })), "{refused:?}");
    let later = store.execute(add(&id("b"), 1, None, true)).await;
    assert!(matches!(later, Err(Failure::Unavailable { .. })), "{later:?}");
    let written: i64 = sqlx::query_scalar("select count(*) from log.events").fetch_one(&mut superuser).await.unwrap();
    assert_eq!(written, 3);
}

// covers A18 at the level of the store
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_streams_that_share_a_limit_cannot_both_use_it() {
    let ledger = Ledger::fresh().await.unwrap();
    let stores = [ledger.store().unwrap(), ledger.store().unwrap()];
    for round in 0..40 {
        let (left, right) = (id(&format!("left {round}")), id(&format!("right {round}")));
        let mut asked = JoinSet::new();
        for (n, store) in stores.iter().enumerate() {
            let (store, left, right) = (store.clone(), Arc::clone(&left), Arc::clone(&right));
            let mine = if n == 0 { Arc::clone(&left) } else { Arc::clone(&right) };
            asked.spawn(async move {
                let act = Act::deciding(move |books| {
                    let used = books.state::<Tally>(&left)?.total + books.state::<Tally>(&right)?.total;
                    if used > 0 {
                        return Ok(Verdict::Refused(Answer::default()));
                    }
                    books.tell::<Tally>(&mine, &TallyCommand::RaiseTo { total: 1 })?.unwrap();
                    Ok(Verdict::Accepted(Answer::default()))
                });
                store.execute(act).await.unwrap()
            });
        }
        let outcomes: Vec<Outcome> = asked.join_all().await;
        let accepted = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted { .. })).count();
        assert_eq!(accepted, 1, "round {round}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_writes_nothing() {
    let ledger = Ledger::fresh().await.unwrap();
    let mut superuser = ledger.superuser().await.unwrap();
    let store = ledger.store_with(Limits { waiting_acts: 8, ..Limits::default() }).unwrap();
    store.execute(add(&id("a"), 1, None, true)).await.unwrap();
    let mut holder = sqlx::Connection::begin(&mut superuser).await.unwrap();
    sqlx::query("select from log.head for update").execute(&mut *holder).await.unwrap();
    let mut asked = JoinSet::new();
    for n in 0..100 {
        let (store, act) = (store.clone(), add(&id(&n.to_string()), 1, None, true));
        asked.spawn(async move { store.execute(act).await });
    }
    let mut busy: i64 = 0;
    while busy < 92 {
        let refused = asked.join_next().await.unwrap().unwrap();
        assert!(matches!(refused, Err(Failure::Busy)), "{refused:?}");
        busy += 1;
    }
    holder.rollback().await.unwrap();
    for outcome in asked.join_all().await {
        assert!(matches!(outcome, Ok(Outcome::Accepted { .. })), "{outcome:?}");
    }
    let written: i64 = sqlx::query_scalar("select count(*) from log.events").fetch_one(&mut superuser).await.unwrap();
    assert_eq!(written, 1 + 100 - busy);
}

#[tokio::test]
async fn test_traffic_fills_its_own_room_only() {
    let ledger = Ledger::fresh().await.unwrap();
    let mut superuser = ledger.superuser().await.unwrap();
    let store = ledger.store_with(Limits { waiting_acts: 16, ..Limits::default() }).unwrap();
    store.execute(add(&id("a"), 1, None, true)).await.unwrap();
    let mut holder = sqlx::Connection::begin(&mut superuser).await.unwrap();
    sqlx::query("select from log.head for update").execute(&mut *holder).await.unwrap();
    let in_test_mode = |name: &str| Act {
        tenant: Tenant { merchant_id: None, livemode: Some(false) },
        ..add(&id(name), 1, None, true)
    };
    let mut asked = JoinSet::new();
    for n in 0..50 {
        let (store, act) = (store.clone(), in_test_mode(&n.to_string()));
        asked.spawn(async move { store.execute(act).await });
    }
    for _refused in 0..46 {
        assert!(matches!(asked.join_next().await.unwrap().unwrap(), Err(Failure::Busy)));
    }
    let live = {
        let store = store.clone();
        tokio::spawn(async move { store.execute(add(&id("live"), 1, None, true)).await })
    };
    tokio::task::yield_now().await;
    holder.rollback().await.unwrap();
    assert!(matches!(live.await.unwrap(), Ok(Outcome::Accepted { .. })));
    assert!(asked.join_all().await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn data_the_database_refuses_costs_only_its_own_command() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    let mut asked = JoinSet::new();
    for n in 0..60 {
        // An index takes 2,700 bytes and no more; noise does not compress.
        let name = if n % 20 == 7 { noise(9_000) } else { n.to_string() };
        let store = store.clone();
        asked.spawn(async move { (n, store.execute(add(&id(&name), 1, None, true)).await) });
    }
    while let Some(done) = asked.join_next().await {
        match done.unwrap() {
            (n, Err(Failure::Data { code, .. })) => assert_eq!((n % 20, code.as_str()), (7, "54000")),
            (n, Ok(Outcome::Accepted { .. })) => assert_ne!(n % 20, 7),
            (n, other) => panic!("{n}: {other:?}"),
        }
    }
    let too_large = Act::tell::<Tally>("b", TallyCommand::Add { amount: 1, note: "n".repeat(600_000) });
    assert!(matches!(store.execute(too_large).await, Err(Failure::TooLarge { .. })));
    let nul = Act::tell::<Tally>("b\0", TallyCommand::RaiseTo { total: 1 });
    assert!(matches!(store.execute(nul).await, Err(Failure::Data { .. })));
}

fn noise(length: usize) -> String {
    let mut state: u64 = 40_003;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    };
    (0..length).map(|_| next()).collect()
}

// covers A12 at the level of the store, I31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_is_decided_whole_or_not_at_all() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    let mut asked = JoinSet::new();
    for n in 0..1_000_u64 {
        let store = store.clone();
        asked.spawn(async move {
            let act = add(&id(&n.to_string()), 1, Some(key("shop", &n.to_string(), "")), true);
            // Some are gone before they are queued, some while they are decided, some while they are written.
            drop(tokio::time::timeout(Duration::from_micros(n * 7 % 4_000), store.execute(act)).await);
        });
    }
    asked.join_all().await;
    store.close().await;
    let mut superuser = ledger.superuser().await.unwrap();
    let halves: i64 = sqlx::query_scalar(
        "select count(*) from log.events e full join log.answers a on a.key = e.aggregate_id \
         where e.position is null or a.position is distinct from e.position",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(halves, 0);
    let idle: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(idle, 0);
}

// covers I32
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_load_no_connection_is_at_work_and_after_the_store_none_is_left() {
    let ledger = Ledger::fresh().await.unwrap();
    let store = ledger.store().unwrap();
    let mut asked = JoinSet::new();
    for n in 0..500 {
        let store = store.clone();
        asked.spawn(async move { store.execute(add(&id(&(n % 50).to_string()), 1, None, false)).await });
    }
    assert!(asked.join_all().await.iter().all(Result::is_ok));
    let mut superuser = ledger.superuser().await.unwrap();
    let connections = async |superuser: &mut sqlx::PgConnection, state: &str| -> i64 {
        let count = format!(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and {state}"
        );
        sqlx::query_scalar(&count).fetch_one(superuser).await.unwrap()
    };
    let none = async |superuser: &mut sqlx::PgConnection, state: &str| {
        while connections(superuser, state).await > 0 {
            tokio::task::yield_now().await;
        }
    };
    // The writer's, and six for the listener, loads, snapshots and words to others.
    assert!(connections(&mut superuser, "true").await <= 7);
    let patience = Duration::from_secs(5);
    tokio::time::timeout(patience, none(&mut superuser, "state <> 'idle'")).await.unwrap();
    store.close().await;
    drop(store);
    tokio::time::timeout(patience, none(&mut superuser, "true")).await.unwrap();
}
