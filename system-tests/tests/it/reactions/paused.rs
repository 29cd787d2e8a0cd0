//! A runner stopped in the middle of its work, and resumed when another has done it.

use std::process::Command;
use std::time::{Duration, Instant};

use event_store::crash;
use system_tests::branch::Branch;
use system_tests::server::Server;

use super::holding::all_holds;
use super::scenarios::{Story, WITHIN, prepare};
use super::{Outside, until_sql};

/// As the kernel tells it of a process that was stopped.
fn is_stopped(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
}

// covers C3, I21
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_was_paused_finds_its_work_done_and_does_nothing_twice() {
    let outside = Outside::reporting().await;
    // One that serves and runs no processes: they belong to the two beside it.
    let branch = Branch::own(&[("DAYBOOK_SANDBOX_URL", &outside.url)]).await.unwrap();
    outside.report_to(&branch.server);
    let mut books = branch.ledger.superuser().await.unwrap();
    for (point, story) in crash::OF_A_PROCESS.iter().zip([Story::Taken, Story::Declined, Story::Taken, Story::Declined])
    {
        let trap = format!("{point}@take_payment:1");
        let trapped: Vec<(&str, &str)> =
            outside.environment().into_iter().chain([("DAYBOOK_PAUSE_AT", &*trap)]).collect();
        let ready = prepare(&branch, &mut books, story).await;
        let paused = Server::start(branch.ledger.superuser_url(), &trapped).await.unwrap();
        ready.begin(&mut branch.client()).await.unwrap();
        let begun = Instant::now();
        while !is_stopped(paused.pid()) {
            assert!(begun.elapsed() < WITHIN, "{trap} was never passed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        // It holds its lease of the follower and its lock as long as its sessions last; its work comes back in time.
        let other = Server::start(branch.ledger.superuser_url(), &outside.environment()).await.unwrap();
        let late = "update work.due set due_at = now() where taken_by is not null";
        sqlx::query(late).execute(&mut books).await.unwrap();
        ready.until_ended(&mut books).await;
        let events = "select count(*) from log.events where aggregate_type in ('payment', 'order', 'saga')";
        let before: i64 = sqlx::query_scalar(events).fetch_one(&mut books).await.unwrap();

        let resumed = Command::new("kill").args(["-CONT", &paused.pid().to_string()]).status().unwrap();
        assert!(resumed.success());
        // What it had in hand it puts away, or finds that it is not there any more.
        let in_hand = "select count(*) from work.due where taken_by is not null";
        until_sql(&branch, in_hand, 0, WITHIN).await;
        let mut client = paused.client();
        ready.until_awake(&mut client).await;
        ready.begin(&mut client).await.unwrap();
        all_holds(&branch, Some(&outside)).await;
        let after: i64 = sqlx::query_scalar(events).fetch_one(&mut books).await.unwrap();
        assert_eq!(after, before, "{trap}: whoever was paused wrote more");
        drop(other);
    }
    all_holds(&branch, Some(&outside)).await;
}
