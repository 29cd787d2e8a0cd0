//! `daybook check` on a ledger at work, and the looks in passing of its server.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};

use super::Directory;
use super::served::{branch, get, run};
use crate::http::captured::captured;

const WITHIN: Duration = Duration::from_secs(60);

async fn sql(behind: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(statement).execute(behind).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn until(behind: &mut PgConnection, condition: &str) {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(condition).fetch_one(&mut *behind).await.unwrap() {
        assert!(begun.elapsed() < WITHIN, "it never came to be that {condition}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn caught_up(behind: &mut PgConnection) {
    until(
        behind,
        "select count(*) = 9 and min(position) = (select max(position) from log.events) from log.followers \
         where name in (select model from read.builds) or name = 'tree'",
    )
    .await;
    until(behind, "select coalesce(max(size), 0) = (select max(position) from log.events) from audit.checkpoints")
        .await;
}

// covers I15, I16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_says_what_differs_what_is_broken_and_what_it_could_not_compare() {
    let place = Directory::fresh();
    let (branch, _public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    captured(&branch, &merchant, &fresh("checked")).await;
    let mut behind = branch.ledger.superuser().await.unwrap();
    caught_up(&mut behind).await;
    let (said, code) = run(&branch, &["check"]);
    assert_eq!(code, 0, "{said}");
    for model in projections::MODELS {
        assert!(said.contains(&format!("alike         {}: at ", model.plan().name)), "{said}");
    }
    for line in
        ["holds         I2: each", "holds         I12: ", "holds         I15: the stored tree", "not asked     I20"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    // A row that does not follow from the log: named, with how many.
    sql(&mut behind, "update read.accounts set balance_minor = balance_minor + 1 where account like '%:pending'").await;
    let (said, code) = run(&branch, &["check"]);
    assert_eq!(code, 40, "{said}");
    assert!(said.contains("DIFFERS       ledger: at "), "{said}");
    assert!(said.contains("accounts: 1 rows stand there (-) and do not follow from the log, 1 follow (+)"), "{said}");
    assert!(said.contains("- {\"id\""), "{said}");
    assert!(said.contains("BROKEN        I2: each currency sums to zero: 1 times"), "{said}");
    sql(&mut behind, "update read.accounts set balance_minor = balance_minor - 1 where account like '%:pending'").await;

    sql(&mut behind, "grant update on log.events to daybook_app").await;
    let (said, code) = run(&branch, &["check"]);
    assert_eq!(code, 41, "{said}");
    assert!(said.contains("BROKEN        I28: ") && said.contains("daybook_app may update events"), "{said}");
    sql(&mut behind, "revoke update on log.events from daybook_app").await;

    sql(&mut behind, "alter table work.due rename to hidden").await;
    let (said, code) = run(&branch, &["check"]);
    sql(&mut behind, "alter table work.hidden rename to due").await;
    assert_eq!(code, 42, "{said}");
    assert!(said.contains("NOT COMPARED  I24: no process without owner and date: "), "{said}");
    assert!(said.contains("alike         sagas: at "), "{said}");
    let left: i64 = sqlx::query_scalar("select count(*) from read.builds where is_scratch or build > 1")
        .fetch_one(&mut behind)
        .await
        .unwrap();
    assert_eq!(left, 0, "a check leaves nothing and swaps nothing");
}

/// The value of a metric, where it is told.
async fn metric(branch: &Branch, name: &str) -> Option<f64> {
    let told = get(branch, &system_tests::client::Caller::Nobody, "/metrics").await.body;
    told.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

async fn until_told(branch: &Branch, name: &str, is: impl Fn(f64) -> bool) {
    let begun = Instant::now();
    while !metric(branch, name).await.is_some_and(&is) {
        assert!(begun.elapsed() < WITHIN, "{name} never came to be so: {:?}", metric(branch, name).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

// covers I2, I15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_looks_in_passing_tells_metrics_and_raises_an_alarm_once() {
    let place = Directory::fresh();
    let (branch, _public) = branch(&place).await;
    let merchant = branch.merchant().await.unwrap();
    captured(&branch, &merchant, &fresh("looked-at")).await;
    let mut behind = branch.ledger.superuser().await.unwrap();
    caught_up(&mut behind).await;
    let size: i64 = sqlx::query_scalar("select max(position) from log.events").fetch_one(&mut behind).await.unwrap();
    until_told(&branch, "audit_tree_size", |told| told.to_string() == size.to_string()).await;
    until_told(&branch, "ledger_trial_balance_is_zero", |told| told > 0.5).await;
    until_told(&branch, "audit_checkpoint_age_seconds", |told| told < 0.5).await;
    until_told(&branch, "audit_checkpoint_is_of_the_tree", |told| told > 0.5).await;
    let ready = get(&branch, &system_tests::client::Caller::Nobody, "/readyz?verbose").await;
    assert!(ready.status == 200 && ready.body.contains("books     well, as far as"), "{ready:?}");

    sql(&mut behind, "update read.accounts set balance_minor = balance_minor + 1 where account = 'fees:revenue'").await;
    until_told(&branch, "ledger_trial_balance_is_zero", |told| told < 0.5).await;
    let ready = get(&branch, &system_tests::client::Caller::Nobody, "/readyz?verbose").await;
    assert!(ready.status == 200 && ready.body.contains("warn  books"), "{ready:?}");
    sql(&mut behind, "update read.accounts set balance_minor = balance_minor - 1 where account = 'fees:revenue'").await;
    until_told(&branch, "ledger_trial_balance_is_zero", |told| told > 0.5).await;
    // The tree another than the one that was signed.
    sql(&mut behind, "update audit.tiles set hashes = overlay(hashes placing decode(repeat('00', 32), 'hex') from 1)")
        .await;
    until_told(&branch, "audit_checkpoint_is_of_the_tree", |told| told < 0.5).await;
    let log = branch.server.log().unwrap();
    assert_eq!(log.matches("the trial balance is not zero: ").count(), 1, "{log}");
    assert!(log.contains("the stored tree is not the one that was signed at "), "{log}");
}
