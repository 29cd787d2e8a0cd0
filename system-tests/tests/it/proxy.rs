//! The proxy before a real Postgres: each fault does what its name says, nothing else.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Row};
use system_tests::database::Ledger;
use system_tests::proxy::{Counts, Ending, Fault, Faults, Forged, Latency, Proxy, Rule, Severity, Upstream, When};

struct Bench {
    ledger: Ledger,
    /// Past the proxy.
    direct: PgPool,
    proxy: Proxy,
    faults: Faults,
}

const NOTE: &str = "insert into notes (word) values ($1) returning id";

impl Bench {
    async fn new() -> Self {
        let ledger = Ledger::fresh().await.unwrap();
        let direct = ledger.superuser_pool().unwrap();
        let notes = "create table notes (id bigserial primary key, word text not null)";
        sqlx::query(notes).execute(&direct).await.unwrap();
        let proxy = Proxy::start(Upstream::from_url(ledger.superuser_url()).unwrap(), 1).await.unwrap();
        let faults = proxy.faults();
        Self { ledger, direct, proxy, faults }
    }

    fn url(&self) -> String {
        self.proxy.url_for(self.ledger.superuser_url()).unwrap()
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// What the table holds, asked past the proxy, once nobody is writing any more.
    async fn words(&self) -> Vec<String> {
        let mut tx = self.direct.begin().await.unwrap();
        sqlx::query("lock table notes in share mode").execute(&mut *tx).await.unwrap();
        sqlx::query_scalar("select word from notes order by id").fetch_all(&mut *tx).await.unwrap()
    }
}

async fn note(connection: &mut PgConnection, word: &str) -> Result<i64, sqlx::Error> {
    sqlx::query(NOTE).bind(word).fetch_one(connection).await?.try_get(0)
}

fn is_cut(outcome: Result<i64, sqlx::Error>) -> bool {
    matches!(outcome, Err(sqlx::Error::Io(_)))
}

#[tokio::test]
async fn in_fair_weather_everything_passes() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    for word in ["one", "two", "three"] {
        note(&mut connection, word).await.unwrap();
    }
    let mut tx = connection.begin().await.unwrap();
    note(&mut tx, "gone").await.unwrap();
    tx.rollback().await.unwrap();
    let long: String = sqlx::query_scalar("select repeat('x', 3000000)").fetch_one(&mut connection).await.unwrap();
    assert_eq!(long.len(), 3_000_000);
    let wide: Vec<i32> =
        sqlx::query_scalar("select generate_series(1, 20000)").fetch_all(&mut connection).await.unwrap();
    assert_eq!(wide.len(), 20_000);
    let wrong = sqlx::query("select 1/0").execute(&mut connection).await.unwrap_err();
    assert_eq!(wrong.as_database_error().and_then(DatabaseError::code).as_deref(), Some("22012"));
    assert_eq!(bench.words().await, ["one", "two", "three"]);
    assert_eq!(bench.faults.counts(), Counts { connections: 1, ..Counts::default() });
}

// covers B3
#[tokio::test]
async fn a_lost_answer_means_done_and_the_client_cannot_know() {
    for ending in [Ending::Close, Ending::Reset] {
        let bench = Bench::new().await;
        let mut connection = bench.connect().await;
        note(&mut connection, "before").await.unwrap();
        // The statement was prepared before the rule existed: it must still be recognised.
        bench.faults.add(Rule::once("insert into notes", Fault::LoseAnswer(ending)));
        assert!(is_cut(note(&mut connection, "done").await));
        assert_eq!(bench.faults.counts().answers_lost, 1);
        assert_eq!(bench.words().await, ["before", "done"], "done before the cut, not some time later");

        let mut again = bench.connect().await;
        note(&mut again, "after").await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_error_is_counted_apart() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    bench.faults.add(Rule::once("1/0", Fault::LoseAnswer(Ending::Close)));
    sqlx::raw_sql("select 1/0").execute(&mut connection).await.unwrap_err();
    let counts = bench.faults.counts();
    assert_eq!((counts.answers_lost, counts.errors_lost), (0, 1));
}

#[tokio::test]
async fn a_lost_request_means_nothing_was_done() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    bench.faults.add(Rule::once("insert into notes", Fault::LoseRequest(Ending::Close)));
    assert!(is_cut(note(&mut connection, "lost").await));
    assert!(bench.words().await.is_empty());
    assert_eq!(bench.faults.counts().requests_lost, 1);
}

#[tokio::test]
async fn a_request_left_alone_is_done_while_nobody_looks() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    // Preparing needs the lock as well, so it is done before the gate closes.
    note(&mut connection, "before").await.unwrap();
    let mut gate = bench.direct.begin().await.unwrap();
    sqlx::query("lock table notes in exclusive mode").execute(&mut *gate).await.unwrap();
    bench.faults.add(Rule::once("insert into notes", Fault::LeaveUnknown(Ending::Reset)));
    assert!(is_cut(note(&mut connection, "alone").await), "cut while the server was still waiting for the lock");
    assert_eq!(bench.faults.counts().left_unknown, 1);
    gate.rollback().await.unwrap();
    // The abandoned backend may not have had its turn: wait for the row itself, bounded by the test's patience.
    let seen = tokio::time::timeout(Duration::from_secs(10), async {
        while bench.words().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    });
    seen.await.unwrap();
}

#[tokio::test]
async fn a_rule_strikes_by_bound_parameters_and_by_turns() {
    let bench = Bench::new().await;
    bench.faults.add(Rule::once("key-7", Fault::LoseRequest(Ending::Close)));
    bench.faults.add(Rule {
        marker: "insert into notes".into(),
        when: When::Every(3),
        at_most: 2,
        fault: Fault::LoseAnswer(Ending::Close),
    });
    let mut cut = Vec::new();
    for number in 1..=12 {
        let mut connection = bench.connect().await;
        if is_cut(note(&mut connection, &format!("key-{number}")).await) {
            cut.push(number);
        }
    }
    // The seventh was lost to the first rule and so is not counted by the second.
    assert_eq!(cut, [3, 6, 7]);
    assert_eq!(bench.words().await.len(), 11);
}

// covers B4 at the level of the connection: held, then let go
#[tokio::test]
async fn a_black_hole_holds_both_ways_until_released() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    note(&mut connection, "before").await.unwrap();
    bench.faults.black_hole();
    let held = note(&mut connection, "held");
    tokio::pin!(held);
    let impatient = tokio::time::timeout(Duration::from_millis(150), &mut held).await;
    assert!(impatient.is_err(), "no answer and no error while held");
    let newcomer = tokio::time::timeout(Duration::from_millis(150), bench.connect()).await;
    assert!(newcomer.is_err(), "a new connection is held as well");
    assert_eq!(bench.words().await, ["before"]);
    bench.faults.release();
    held.await.unwrap();
    assert_eq!(bench.words().await, ["before", "held"]);
}

#[tokio::test]
async fn a_held_request_arrives_late_though_its_client_has_gone() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    bench.faults.add(Rule::once("insert into notes", Fault::HoldRequest));
    let impatient = tokio::time::timeout(Duration::from_millis(150), note(&mut connection, "late")).await;
    assert!(impatient.is_err());
    drop(connection);
    let mut again = bench.connect().await;
    note(&mut again, "second").await.unwrap();
    assert_eq!(bench.words().await, ["second"]);
    bench.faults.release();
    tokio::time::timeout(Duration::from_secs(10), async {
        while bench.words().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(bench.words().await, ["second", "late"]);
    assert_eq!(bench.faults.counts().requests_held, 1);
}

#[tokio::test]
async fn a_held_answer_is_done_and_comes_when_released() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    bench.faults.add(Rule::once("insert into notes", Fault::HoldAnswer));
    let faults = bench.faults.clone();
    let asked = tokio::spawn(async move { note(&mut connection, "done").await });
    faults.until(|counts| counts.answers_held == 1).await;
    assert_eq!(bench.words().await, ["done"]);
    assert!(!asked.is_finished());
    faults.release();
    asked.await.unwrap().unwrap();
}

// covers A24 at the level of the connection: any code can be forced
#[tokio::test]
async fn a_forged_error_reads_like_the_servers_own_and_the_session_goes_on() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    for code in ["40001", "40P01", "23505", "23514", "53300", "25P02"] {
        let forged = Forged { sqlstate: code.into(), severity: Severity::Error, message: "forged".into() };
        bench.faults.add(Rule::once("insert into notes", Fault::Forge(forged)));
        let error = note(&mut connection, code).await.unwrap_err();
        assert_eq!(error.as_database_error().and_then(DatabaseError::code).as_deref(), Some(code));
    }
    note(&mut connection, "after").await.unwrap();
    assert_eq!(bench.words().await, ["after"]);

    let forged = Forged { sqlstate: "57P01".into(), severity: Severity::Fatal, message: "going down".into() };
    bench.faults.add(Rule::once("insert into notes", Fault::Forge(forged)));
    let error = note(&mut connection, "never").await.unwrap_err();
    assert_eq!(error.as_database_error().and_then(DatabaseError::code).as_deref(), Some("57P01"));
    note(&mut connection, "closed").await.unwrap_err();
    assert_eq!(bench.faults.counts().forged, 7);
}

#[tokio::test]
async fn a_forged_error_inside_a_transaction_leaves_it_failed() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    let mut tx = connection.begin().await.unwrap();
    note(&mut tx, "first").await.unwrap();
    let forged = Forged { sqlstate: "40001".into(), severity: Severity::Error, message: "forged".into() };
    bench.faults.add(Rule::once("insert into notes", Fault::Forge(forged)));
    note(&mut tx, "second").await.unwrap_err();
    tx.rollback().await.unwrap();
    assert!(bench.words().await.is_empty());
}

// covers B5 at the level of the connection
#[tokio::test]
async fn latency_is_added_each_way_and_can_be_taken_back() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await;
    note(&mut connection, "warm").await.unwrap();
    let each_way = Duration::from_millis(40);
    bench.faults.set_latency(Some(Latency { each_way, jitter: Duration::from_millis(10) }));
    let started = std::time::Instant::now();
    note(&mut connection, "slow").await.unwrap();
    assert!(started.elapsed() >= 2 * each_way, "{:?}", started.elapsed());
    assert_eq!(bench.faults.counts().delayed, 2);
    bench.faults.set_latency(None);
    note(&mut connection, "quick").await.unwrap();
    assert_eq!(bench.faults.counts().delayed, 2);
}

#[tokio::test]
async fn cutting_all_ends_every_session_at_once() {
    let bench = Bench::new().await;
    let (mut idle, mut busy) = (bench.connect().await, bench.connect().await);
    bench.faults.add(Rule::once("insert into notes", Fault::HoldRequest));
    let faults = bench.faults.clone();
    let asked = tokio::spawn(async move { note(&mut busy, "busy").await });
    faults.until(|counts| counts.requests_held == 1).await;
    faults.cut_all(Ending::Reset);
    assert!(is_cut(asked.await.unwrap()));
    faults.until(|counts| counts.cut == 2).await;
    assert!(is_cut(note(&mut idle, "idle").await));
    assert!(bench.words().await.is_empty());
    note(&mut bench.connect().await, "new").await.unwrap();
}
