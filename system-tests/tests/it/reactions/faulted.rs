//! A channel that fails in every way: in the end its books and ours tell one story.

use std::time::{Duration, Instant};

use channels::sandbox::FaultPlan;
use futures_util::{StreamExt, stream};
use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::Branch;
use system_tests::client::Caller;
use system_tests::say::say;
use system_tests::server::daybook;
use system_tests::times::times;

use super::holding::all_holds;
use super::{DUE, Outside, merchant, pay, refund, until_sql};

/// For so long nothing may go on: no piece of work come to its end, and no person needed.
const IN_THE_END: Duration = Duration::from_secs(240);

// covers D1, D2, D3, D4, D12, I20, I21, I22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_channel_does_its_books_are_ours_in_the_end() {
    let count = times("DAYBOOK_FAULTED_PAYMENTS", 60);
    let seed = u64::try_from(times("DAYBOOK_FAULT_SEED", 11)).unwrap();
    let outside =
        Outside::new(FaultPlan { reports: std::collections::BTreeMap::new(), ..FaultPlan::rough(seed) }).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let begun = Instant::now();
    let paying = stream::iter(0..count).map(|n| {
        let (branch, merchant) = (&branch, &merchant);
        async move {
            let method = if n % 10 == 9 { "pm_sandbox_declined" } else { "pm_sandbox_visa" };
            pay(&mut branch.client(), &merchant.test, method, json!({})).await
        }
    });
    let payments: Vec<String> = paying.buffer_unordered(8).collect().await;
    let mut helped_count = until_nothing_is_due(&branch).await;
    let open = "select count(*) from read.payments where status in ('pending', 'processing')";
    until_sql(&branch, open, 0, IN_THE_END).await;
    let mut refunds_count = 0;
    for payment in payments.iter().step_by(3) {
        if super::status(&mut client, &merchant.test, payment).await == "success" {
            refund(&mut client, &merchant.test, payment, 2_500).await;
            refunds_count += 1;
        }
    }
    helped_count += until_nothing_is_due(&branch).await;
    all_holds(&branch, Some(&outside)).await;
    let attention = "select count(*) from read.saga_instances where status = 'failed'";
    until_sql(&branch, attention, 0, IN_THE_END).await;
    say(&format!(
        "seed {seed}: {count} payments and {refunds_count} refunds through a rough channel, {helped_count} of them let \
         go on by a person, in {:.1?}",
        begun.elapsed()
    ));
}

/// Some of what is still due, and why.
async fn left(books: &mut PgConnection) -> String {
    let left = "select string_agg(told, '; ') from (select d.process || ' ' || d.business || ' at ' || d.due_at || ' after ' || \
        d.failures || ' failures, ' || coalesce(d.reason, s.status || ': ' || coalesce(s.error_message, '')) as told \
        from work.due d left join read.saga_instances s on s.business_type = d.process and s.business_id = d.business \
        where d.process not in ('expire_authorisation', 'open_settlement') limit 5) x";
    sqlx::query_scalar::<_, Option<String>>(left).fetch_one(books).await.unwrap().unwrap_or_default()
}

/// A person lets what has no tries left be tried again, until everything has its end. How often.
pub(crate) async fn until_nothing_is_due(branch: &Branch) -> usize {
    let mut books = branch.ledger.superuser().await.unwrap();
    let (mut moved, mut least, mut helped_count) = (Instant::now(), i64::MAX, 0);
    loop {
        let due: i64 = sqlx::query_scalar(DUE).fetch_one(&mut books).await.unwrap();
        if due == 0 {
            return helped_count;
        }
        if due < least {
            (moved, least) = (Instant::now(), due);
        }
        let waiting: Vec<String> = sqlx::query_scalar(
            "select 'SAG' || replace(id::text, '-', '') from read.saga_instances where status = 'failed'",
        )
        .fetch_all(&mut books)
        .await
        .unwrap();
        for saga in &waiting {
            let Caller::Token(token) = &branch.operator else { panic!("the operator has a token") };
            let mut command = daybook().unwrap();
            command.args(["saga", "retry", saga, "--reason", "the channel is well again"]);
            command.env("DATABASE_URL", branch.ledger.superuser_url()).env("DAYBOOK_TOKEN", token);
            // It may have ended by itself meanwhile.
            helped_count += usize::from(command.output().unwrap().status.success());
        }
        assert!(moved.elapsed() < IN_THE_END, "{due} are still due: {}", left(&mut books).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
