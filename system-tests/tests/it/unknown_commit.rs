//! The store behind a lossy network: what it accepts is there once, else it is not.

use std::sync::Arc;
use std::time::Duration;

use event_store::{Database, Failure, Limits, Outcome, Store, Upcasters};
use system_tests::database::Ledger;
use system_tests::proxy::{Ending, Fault, Forged, Latency, Proxy, Rule, Severity, Upstream, When};
use system_tests::tally::{self, Tally};

struct Bench {
    ledger: Ledger,
    proxy: Proxy,
    store: Store,
}

const APPEND: &str = "log.append";
const STREAM: &str = "till";

impl Bench {
    async fn new(limits: Limits) -> Self {
        let ledger = Ledger::fresh().await.unwrap();
        let proxy = Proxy::start(Upstream::from_url(ledger.superuser_url()).unwrap(), 40_003).await.unwrap();
        let through = Database::parse(&proxy.url_for(ledger.superuser_url()).unwrap()).unwrap();
        let store = Store::open(through, Upcasters::default(), limits);
        let opening = tally::add(&STREAM.into(), 1, Some(tally::key("shop", "opening", "opening")), true);
        store.execute(opening).await.unwrap();
        Self { ledger, proxy, store }
    }

    /// The total in the log itself, the opening one included, and whether positions are 1, 2, 3 … up to the last.
    async fn in_the_log(&self) -> (i64, bool) {
        let mut direct = self.ledger.superuser().await.unwrap();
        sqlx::query_as(
            "select coalesce(sum((payload -> 'tally_moved' ->> 'amount')::bigint), 0)::bigint, \
                    count(*) = coalesce(max(position), 0) from log.events",
        )
        .fetch_one(&mut direct)
        .await
        .unwrap()
    }

    async fn add_one(&self, key: &str) -> Result<Outcome, Failure> {
        add_one(&self.store, key).await
    }
}

async fn add_one(store: &Store, key: &str) -> Result<Outcome, Failure> {
    store.execute(tally::add(&STREAM.into(), 1, Some(tally::key("shop", key, key)), false)).await
}

/// Asks under the same key until there is a definite answer, as a careful caller does.
async fn add_one_surely(store: &Store, key: &str) {
    for _try in 0..1_000 {
        match add_one(store, key).await {
            Ok(Outcome::Accepted { .. } | Outcome::Replayed { .. }) => return,
            Ok(Outcome::InFlight) | Err(_) => {}
            Ok(other) => panic!("{key}: {other:?}"),
        }
        // Comes back when the log has moved, or shortly.
        tokio::time::timeout(Duration::from_millis(20), store.head().changed()).await.ok();
    }
    panic!("{key} has no definite answer");
}

async fn storm(bench: &Bench, callers: usize, each: usize) {
    let ask = |caller: usize| {
        let store = bench.store.clone();
        async move {
            for number in 0..each {
                add_one_surely(&store, &format!("{caller}-{number}")).await;
            }
        }
    };
    let asked: Vec<_> = (0..callers).map(|caller| tokio::spawn(ask(caller))).collect();
    for caller in asked {
        caller.await.unwrap();
    }
}

#[tokio::test]
async fn the_first_act_of_an_empty_log_is_decided() {
    let ledger = Ledger::fresh().await.unwrap();
    let outcome = add_one(&ledger.store().unwrap(), "first").await;
    assert!(matches!(outcome, Ok(Outcome::Accepted { position: 1, .. })), "{outcome:?}");
}

// covers B3, I7, I12, I33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_lost_after_the_commit_cost_nobody_an_effect_and_double_none() {
    let bench = Bench::new(Limits::default()).await;
    let faults = bench.proxy.faults();
    for (nth, ending) in [(4, Ending::Close), (7, Ending::Reset)] {
        let fault = Fault::LoseAnswer(ending);
        faults.add(Rule { marker: APPEND.into(), when: When::Every(nth), at_most: 8, fault });
    }
    storm(&bench, 8, 25).await;
    assert_eq!(bench.in_the_log().await, (201, true));
    let lost = faults.counts().answers_lost;
    assert!(lost >= 4, "only {lost} answers were lost: this showed nothing");
}

// covers B3
#[tokio::test]
async fn a_single_lost_answer_ends_in_the_outcome_it_had() {
    let bench = Bench::new(Limits::default()).await;
    let faults = bench.proxy.faults();
    faults.add(Rule::once(APPEND, Fault::LoseAnswer(Ending::Close)));
    let outcome = bench.add_one("first").await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted { position: 2, sequence: 2, .. }), "{outcome:?}");
    assert_eq!(faults.counts().answers_lost, 1);
    assert_eq!(bench.in_the_log().await, (2, true));
}

#[tokio::test]
async fn a_late_original_finds_itself_done() {
    let limits = Limits { append_within: Duration::from_secs(1), ..Limits::default() };
    let bench = Bench::new(limits).await;
    let faults = bench.proxy.faults();
    faults.add(Rule::once(APPEND, Fault::HoldRequest));
    let outcome = bench.add_one("first").await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted { position: 2, .. }), "{outcome:?}");
    assert_eq!(faults.counts().requests_held, 1);
    bench.store.close().await;
    faults.release();
    // The original is now on its way; its session ends when it is through.
    let mut direct = bench.ledger.superuser().await.unwrap();
    let sessions = "select count(*) from pg_stat_activity \
                     where datname = current_database() and query like '%log.append%' and pid <> pg_backend_pid()";
    let through = async {
        while sqlx::query_scalar::<_, i64>(sessions).fetch_one(&mut direct).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), through).await.unwrap();
    assert_eq!(bench.in_the_log().await, (2, true));
}

// covers B9, B10 at the level of the store
#[tokio::test]
async fn another_log_can_say_nothing_of_a_batch_the_first_may_have_taken() {
    let limits = Limits { append_within: Duration::from_secs(1), ..Limits::default() };
    let bench = Bench::new(limits).await;
    let faults = bench.proxy.faults();
    faults.add(Rule::once(APPEND, Fault::HoldRequest));
    let store = bench.store.clone();
    let asked = tokio::spawn(async move { add_one(&store, "between two logs").await });
    while faults.counts().requests_held == 0 {
        tokio::task::yield_now().await;
    }
    let mut direct = bench.ledger.superuser().await.unwrap();
    sqlx::query("update log.events set event_id = gen_random_uuid()").execute(&mut direct).await.unwrap();
    let outcome = asked.await.unwrap();
    assert!(matches!(outcome, Err(Failure::Unknown)), "{outcome:?}");
    let later = bench.add_one("later").await;
    assert!(matches!(later, Err(Failure::Unavailable { .. })), "{later:?}");
}

// covers A24
#[tokio::test]
async fn what_the_database_says_is_evidence_only_where_it_is() {
    let bench = Bench::new(Limits::default()).await;
    let faults = bench.proxy.faults();
    let forge = |sqlstate: &str, severity| {
        let forged = Forged { sqlstate: sqlstate.into(), severity, message: "forged".into() };
        faults.add(Rule::once(APPEND, Fault::Forge(forged)));
    };
    for (code, severity) in [
        ("40001", Severity::Error),
        ("40P01", Severity::Error),
        ("57P01", Severity::Fatal),
        ("08006", Severity::Error),
        ("57014", Severity::Error),
    ] {
        forge(code, severity);
        let outcome = bench.add_one(code).await;
        assert!(matches!(outcome, Ok(Outcome::Accepted { .. })), "{code}: {outcome:?}");
    }
    for code in ["53300", "25P02"] {
        forge(code, Severity::Error);
        let outcome = bench.add_one(code).await;
        assert!(matches!(outcome, Err(Failure::Unavailable { .. })), "{code}: {outcome:?}");
    }
    for code in ["22001", "23514"] {
        forge(code, Severity::Error);
        let outcome = bench.add_one(code).await;
        assert!(matches!(outcome, Err(Failure::Data { .. })), "{code}: {outcome:?}");
    }
    assert_eq!(faults.counts().forged, 9);
    assert_eq!(bench.in_the_log().await, (6, true));
}

// covers B5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_and_resets_double_nothing() {
    let bench = Bench::new(Limits::default()).await;
    let faults = bench.proxy.faults();
    faults.set_latency(Some(Latency { each_way: Duration::from_millis(5), jitter: Duration::from_millis(5) }));
    for fault in [Fault::LoseRequest(Ending::Reset), Fault::LeaveUnknown(Ending::Reset)] {
        faults.add(Rule { marker: APPEND.into(), when: When::PerMille(100), at_most: 10, fault });
    }
    storm(&bench, 8, 25).await;
    assert_eq!(bench.in_the_log().await, (201, true));
    let counts = faults.counts();
    assert!(counts.requests_lost + counts.left_unknown > 0, "{counts:?}: this showed nothing");
}

// covers B4 at the level of the store
#[tokio::test]
async fn a_silent_log_is_a_bounded_wait_and_then_one_effect() {
    let limits = Limits {
        append_within: Duration::from_secs(1),
        answer_within: Duration::from_millis(1_500),
        ..Limits::default()
    };
    let bench = Bench::new(limits).await;
    let faults = bench.proxy.faults();
    faults.black_hole();
    let outcome = bench.add_one("held").await;
    assert!(matches!(outcome, Err(Failure::Unknown)), "{outcome:?}");
    let outcome = bench.add_one("held").await;
    assert!(matches!(outcome, Ok(Outcome::InFlight)), "{outcome:?}");
    let outcome = bench.add_one("another").await;
    assert!(matches!(outcome, Err(Failure::Unavailable { .. })), "{outcome:?}");
    assert_eq!(bench.in_the_log().await, (1, true));
    faults.release();
    let store = bench.store.clone();
    tokio::time::timeout(Duration::from_secs(20), add_one_surely(&store, "held")).await.unwrap();
    assert_eq!(bench.in_the_log().await, (2, true));
    let (state, _sequence) = bench.store.read::<Tally>(&Arc::from(STREAM)).await.unwrap();
    assert_eq!(state.total, 2);
}
