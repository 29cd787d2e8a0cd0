//! Sagas that wait by the thousand: what they cost in memory, in reads, and when idle.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::Request;
use system_tests::say::say;
use system_tests::times::times;

use super::holding::all_holds;
use super::{PAYMENTS, REACTING, merchant, pay, until_all, until_sql};

const WARMING_UP: usize = 500;
const AT_ONCE: usize = 24;
const IDLE: Duration = Duration::from_secs(20);
/// A session of Postgres that has nothing to do says within ten seconds what it has read.
const COUNTED_WITHIN: Duration = Duration::from_secs(12);
const MOST_MIB: u64 = 200;
const WITHIN: Duration = Duration::from_secs(1_200);

/// Payments that a person is to review: each a saga that waits for a day.
async fn wait(branch: &Branch, merchant: &Merchant, count: usize) {
    let asking = stream::iter(0..count).map(|_| async {
        let order_no = fresh("waiting");
        let body = json!({ "order_no": order_no, "amount": 10_000, "currency": "USD", "channel": "stripe",
                           "pay_method": "pm_sandbox_elevated_risk" });
        let request = Request::post(PAYMENTS, &body).keyed(&order_no).by(&merchant.test);
        let answer = branch.client().send(&request).await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body.into()) }
    });
    let asked: Result<(), Box<dyn std::error::Error + Send + Sync>> =
        asking.buffer_unordered(AT_ONCE).try_for_each(|()| std::future::ready(Ok(()))).await;
    asked.unwrap();
}

/// What was read of the table of what is due: whole scans, looks into an index, rows found by one.
async fn reads(books: &mut PgConnection) -> (i64, i64, i64) {
    let counts = "select seq_scan, idx_scan, idx_tup_fetch from pg_stat_user_tables where schemaname = 'work' and relname = 'due'";
    sqlx::query_as(counts).fetch_one(books).await.unwrap()
}

/// Seconds of a processor that the server has used.
fn processor_seconds(branch: &Branch) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", branch.server.pid())).unwrap();
    let after = stat.rsplit(") ").next().unwrap();
    let ticks = |n: usize| after.split_whitespace().nth(n).unwrap().parse::<u32>().unwrap();
    f64::from(ticks(11) + ticks(12)) / 100.0
}

async fn pass(time: Duration) {
    tokio::time::interval_at(tokio::time::Instant::now() + time, time).tick().await;
}

async fn plan(books: &mut PgConnection) -> String {
    sqlx::raw_sql(&format!("prepare take as {}", processes::TAKE)).execute(&mut *books).await.unwrap();
    let explained = "explain (costs off) execute take(256, 45, 'a runner of this test')";
    let lines: Vec<String> = sqlx::query_scalar(explained).persistent(false).fetch_all(books).await.unwrap();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_wait_cost_little_memory_no_scans_and_next_to_no_work() {
    let count = times("DAYBOOK_WAITING_SAGAS", 2_000);
    let branch = Branch::own(&REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let waiting = "select count(*) from work.due where process = 'take_payment' and taken_by is null \
                   and due_at > now() + interval '20 hours'";
    wait(&branch, &merchant, WARMING_UP).await;
    until_sql(&branch, waiting, i64::try_from(WARMING_UP).unwrap(), WITHIN).await;
    let before_kib = branch.server.resident_kib().unwrap();
    let begun = Instant::now();
    wait(&branch, &merchant, count).await;
    until_sql(&branch, waiting, i64::try_from(WARMING_UP + count).unwrap(), WITHIN).await;
    let entered_in = begun.elapsed();
    let mut books = branch.ledger.superuser().await.unwrap();
    let shown = "select (count(*) filter (where status = 'in_progress')) - $1 from read.saga_instances";
    let all = i64::try_from(WARMING_UP + count).unwrap();
    while sqlx::query_scalar::<_, i64>(shown).bind(all).fetch_one(&mut books).await.unwrap() < 0 {
        assert!(begun.elapsed() < WITHIN, "the read models are behind");
        pass(Duration::from_millis(500)).await;
    }
    let grown_mib = branch.server.resident_kib().unwrap().saturating_sub(before_kib) / 1_024;
    // As the server would have it by itself a minute later.
    sqlx::query("vacuum analyze work.due").execute(&mut books).await.unwrap();
    let plan = plan(&mut books).await;
    assert!(plan.contains("due_next") && !plan.contains("Seq Scan"), "{plan}");

    pass(COUNTED_WITHIN).await;
    let (read, used) = (reads(&mut books).await, processor_seconds(&branch));
    pass(IDLE).await;
    let (read_after, used_after) = (reads(&mut books).await, processor_seconds(&branch));
    let idle_percent = (used_after - used) / IDLE.as_secs_f64() * 100.0;
    assert!(read_after.1 > read.1, "nobody looked whether anything is due");
    assert_eq!(read_after.0 - read.0, 0, "what waits was read whole: {read:?} {read_after:?}");
    // To know when something is due, the first of them is enough.
    assert!(read_after.2 - read.2 <= read_after.1 - read.1, "what waits was read: {read:?} {read_after:?}");

    // While they wait, others come and go: none of what is done for them looks at those that wait.
    let mut wanted = Vec::new();
    for _ in 0..50 {
        wanted.push((pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await, "success"));
    }
    until_all(&mut client, &merchant.test, &wanted, Duration::from_secs(60)).await;
    pass(COUNTED_WITHIN).await;
    let scans = reads(&mut books).await.0 - read_after.0;
    assert_eq!(scans, 0, "whole scans of what is due");
    assert!(grown_mib < MOST_MIB, "{grown_mib} MiB for {count}");
    all_holds(&branch, None).await;
    say(&format!(
        "{count} waiting sagas, entered in {:.0} s: {grown_mib} MiB more, {idle_percent:.1} % of a processor while idle, \
         {} looks for what is due in {} s, no scan\n{plan}",
        entered_in.as_secs_f64(),
        read_after.1 - read.1,
        IDLE.as_secs(),
    ));
}
