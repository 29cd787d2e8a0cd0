//! The database fails in every way it can: the answer says what is true.

use std::time::{Duration, Instant};

use embedded_postgres::{Cluster, Settings};
use system_tests::branch::{Branch, Merchant};
use system_tests::client::{Answer, Client};
use system_tests::database::Ledger;
use system_tests::proxy::{Ending, Fault, Faults, Forged, Proxy, Rule, Severity, Upstream};
use system_tests::server::Server;

use super::{PAYMENTS, ask, assert_not_applied, assert_sound, events_of, payment};

/// What carries a command into the log.
const APPEND: &str = "log.append";

/// A server behind a proxy, on the ledger all share.
struct Bench {
    branch: &'static Branch,
    merchant: Merchant,
    faults: Faults,
    client: Client,
    _proxy: Proxy,
    _server: Server,
}

impl Bench {
    async fn new() -> Self {
        let branch = Branch::of_all().await.unwrap();
        let merchant = branch.merchant().await.unwrap();
        let direct = branch.ledger.superuser_url();
        let proxy = Proxy::start(Upstream::from_url(direct).unwrap(), 1).await.unwrap();
        let server = Server::start(&proxy.url_for(direct).unwrap(), &[]).await.unwrap();
        let (faults, client) = (proxy.faults(), server.client());
        let mut bench = Self { branch, merchant, faults, client, _proxy: proxy, _server: server };
        assert_eq!(bench.pay("warm").await.status, 200);
        bench
    }

    /// Asks for a payment whose order and key have this name.
    async fn pay(&mut self, name: &str) -> Answer {
        ask(&mut self.client, &self.merchant.test, PAYMENTS, name, &payment(name)).await
    }

    /// Asks again until it is answered well; a second request must not do again what the first one did.
    async fn ends_well(&mut self, name: &str) {
        let begin = Instant::now();
        loop {
            let answer = self.pay(name).await;
            match answer.status {
                200 => break,
                409 | 503 => assert!(answer.header("retry-after").is_some(), "{name}: {answer:?}"),
                _ => panic!("{name}: {answer:?}"),
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{name} never ended: {answer:?}");
        }
        let mut log = self.branch.ledger.superuser().await.unwrap();
        let count: i64 = sqlx::query_scalar(
            "select count(*) from log.events where merchant_id = $1 and payload::text like '%\"' || $2 || '\"%'",
        )
        .bind(self.merchant.id.parse::<domain::id::MerchantId>().unwrap().uuid())
        .bind(name)
        .fetch_one(&mut log)
        .await
        .unwrap();
        assert_eq!(count, 1, "{name}");
    }
}

fn forged(code: &str, severity: Severity) -> Fault {
    Fault::Forge(Forged { sqlstate: code.to_owned(), severity, message: "forged".to_owned() })
}

// covers A24, I34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_of_the_database_is_told_as_what_it_means() {
    let mut bench = Bench::new().await;
    for (code, severity, allowed) in [
        ("40001", Severity::Error, &["200"][..]),
        ("40P01", Severity::Error, &["200"]),
        ("25P02", Severity::Error, &["200", "503 ledger_unavailable"]),
        ("23514", Severity::Error, &["422 data_refused"]),
        ("53300", Severity::Fatal, &["200", "503 ledger_unavailable", "503 overloaded"]),
        ("57P01", Severity::Fatal, &["200", "503 ledger_unavailable"]),
        ("08006", Severity::Fatal, &["200", "503 ledger_unavailable", "503 outcome_unknown"]),
    ] {
        bench.faults.add(Rule::once(APPEND, forged(code, severity)));
        let name = format!("forged-{code}");
        let answer = bench.pay(&name).await;
        assert!(allowed.contains(&answer.verdict().as_str()), "{code}: {answer:?}");
        if answer.status == 503 {
            assert!(answer.header("retry-after").is_some(), "{code}: {answer:?}");
            assert_eq!(answer.json()["retryable"], true, "{code}");
        }
        if answer.status == 422 {
            assert_not_applied(&answer, code);
        }
        assert_eq!(bench.faults.counts().forged, 1 + u64::try_from(done(code)).unwrap(), "{code} was not forged");
        bench.ends_well(&name).await;
    }
    assert_sound(&mut bench.branch.ledger.superuser().await.unwrap()).await;
}

/// How many codes come before this one in the list above.
fn done(code: &str) -> usize {
    ["40001", "40P01", "25P02", "23514", "53300", "57P01", "08006"].iter().position(|known| *known == code).unwrap()
}

// covers A24, B3, I8 at the level of HTTP
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_the_database_gave_and_nobody_heard_is_found_and_told() {
    let mut bench = Bench::new().await;
    for (name, fault) in [
        ("lost-answer", Fault::LoseAnswer(Ending::Reset)),
        ("lost-request", Fault::LoseRequest(Ending::Reset)),
        ("left-alone", Fault::LeaveUnknown(Ending::Close)),
    ] {
        bench.faults.add(Rule::once(APPEND, fault));
        let answer = bench.pay(name).await;
        assert!([200, 503].contains(&answer.status), "{name}: {answer:?}");
        bench.ends_well(name).await;
    }
    let counts = bench.faults.counts();
    assert_eq!((counts.answers_lost, counts.requests_lost, counts.left_unknown), (1, 1, 1));
}

// covers B4, I33, I34 at the level of HTTP
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_silent_the_outcome_is_unknown_and_later_it_is_told() {
    let mut bench = Bench::new().await;
    let before = events_of(&mut bench.branch.ledger.superuser().await.unwrap(), &bench.merchant).await;
    bench.faults.black_hole();
    let answer = bench.pay("silent").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    let outcome = answer.json()["outcome"].as_str().unwrap().to_owned();
    assert!(["unknown", "not_applied"].contains(&outcome.as_str()), "{outcome}");
    // Whatever is asked meanwhile has its own answer, and none is a lie.
    let meanwhile = bench.pay("meanwhile").await;
    assert_eq!(meanwhile.status, 503, "{meanwhile:?}");
    assert!(meanwhile.header("retry-after").is_some());
    bench.faults.release();
    bench.ends_well("silent").await;
    bench.ends_well("meanwhile").await;
    let after = events_of(&mut bench.branch.ledger.superuser().await.unwrap(), &bench.merchant).await;
    assert_eq!(after - before, 2);
}

// covers B14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_free_place_in_the_database_the_server_says_so_within_a_second() {
    let settings = Settings::new().with("max_connections", "24").with("max_wal_senders", "0");
    let cluster = Cluster::ephemeral(settings).unwrap();
    let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
    let branch = Branch::on(ledger, &[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let Branch { ledger, server, .. } = branch;
    drop(server);
    let mut held = Vec::new();
    while let Ok(connection) = ledger.superuser().await {
        held.push(connection);
    }
    let server = Server::start(ledger.superuser_url(), &[]).await.unwrap();
    let mut client = server.client();
    for n in 0..3 {
        let begin = Instant::now();
        let refused = ask(&mut client, &merchant.test, PAYMENTS, "k", &payment("O-1")).await;
        assert!(begin.elapsed() < Duration::from_secs(1), "told only after {:?}", begin.elapsed());
        assert_eq!(refused.status, 503, "{n}: {refused:?}");
        assert!(refused.header("retry-after").is_some());
        assert_not_applied(&refused, "no place");
    }
    drop(held);
    let begin = Instant::now();
    while ask(&mut client, &merchant.test, PAYMENTS, "k", &payment("O-1")).await.status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never came back");
    }
}
