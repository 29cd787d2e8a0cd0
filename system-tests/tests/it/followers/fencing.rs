//! One runner at a time: leases, and the epoch that stops whoever is late.

use std::sync::Arc;

use event_store::{Follow, Step};
use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::desk::{Copier, Desk, move_to};

// covers C3
#[tokio::test]
async fn a_second_runner_waits_for_the_lease_and_then_fences_off_the_first() {
    let desk = Desk::new().await;
    let mut first = desk.follow(Copier::named("copier"));
    let mut second = desk.follow_elsewhere(Copier::named("copier"));
    desk.add(3).await;
    assert_eq!(first.step().await.unwrap(), Step::Moved { to: 3 });
    assert_eq!(second.step().await.unwrap(), Step::Elsewhere);

    desk.let_the_lease_run_out("copier").await;
    assert_eq!(second.step().await.unwrap(), Step::Idle { at: 3 });
    desk.add(2).await;
    assert_eq!(first.step().await.unwrap(), Step::Elsewhere, "it believes to be the one, and is not");
    desk.assert_copied("copier", 3).await;
    move_to(&mut second, 5).await;
    assert_eq!(first.step().await.unwrap(), Step::Elsewhere);
    desk.assert_copied("copier", 5).await;
}

/// A copier that tells when its effect is done, and waits there.
fn gated(entered: &Arc<Semaphore>, gate: &Arc<Semaphore>) -> Copier {
    let (entered, gate) = (Arc::clone(entered), Arc::clone(gate));
    Copier::troubled("copier", move |_books, _events| {
        let (entered, gate) = (Arc::clone(&entered), Arc::clone(&gate));
        async move {
            entered.add_permits(1);
            gate.acquire().await.unwrap().forget();
            Ok(())
        }
        .boxed()
    })
}

/// The first runner in the middle of its transaction, its lease run out, and a second one that wants it.
struct Halfway {
    desk: Desk,
    gate: Arc<Semaphore>,
    first: Stepping,
    second: Stepping,
}

type Stepping = tokio::task::JoinHandle<(Follow<Copier>, Result<Step, event_store::StepFailure>)>;

fn step(mut follow: Follow<Copier>) -> Stepping {
    tokio::spawn(async move {
        let step = follow.step().await;
        (follow, step)
    })
}

async fn halfway() -> Halfway {
    let desk = Desk::new().await;
    let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(1)));
    let mut first = desk.follow(gated(&entered, &gate));
    desk.add(2).await;
    assert_eq!(first.step().await.unwrap(), Step::Moved { to: 2 });
    entered.acquire().await.unwrap().forget();
    desk.add(2).await;
    desk.let_the_lease_run_out("copier").await;
    let first = step(first);
    entered.acquire().await.unwrap().forget();
    let second = step(desk.follow_elsewhere(Copier::named("copier")));
    desk.until(
        "select exists (select from pg_stat_activity where datname = current_database() \
         and wait_event_type = 'Lock' and query like '%log.followers%')",
    )
    .await;
    Halfway { desk, gate, first, second }
}

// covers C3
#[tokio::test]
async fn a_runner_that_is_gone_is_succeeded_at_once_and_its_lease_is_not_waited_for() {
    let desk = Desk::new().await;
    let mut first = desk.follow(Copier::named("copier"));
    let mut second = desk.follow_elsewhere(Copier::named("copier"));
    desk.add(3).await;
    assert_eq!(first.step().await.unwrap(), Step::Moved { to: 3 });
    assert_eq!(second.step().await.unwrap(), Step::Elsewhere);
    // As a process that is killed: nobody lets go of the lease.
    drop(first);
    desk.until(
        "select count(*) <= 1 from pg_locks l join pg_database d on d.oid = l.database \
         where d.datname = current_database() and l.locktype = 'advisory'",
    )
    .await;
    desk.add(2).await;
    // It has the lease, whether or not it has heard of the two.
    assert_ne!(second.step().await.unwrap(), Step::Elsewhere);
    move_to(&mut second, 5).await;
    desk.assert_copied("copier", 5).await;
}

// covers C3
#[tokio::test]
async fn the_lease_is_not_taken_from_a_runner_that_is_about_to_commit() {
    let Halfway { desk, gate, first, second } = halfway().await;
    gate.add_permits(1);
    // It stays: a runner that is gone holds nothing.
    let (_first, step) = first.await.unwrap();
    assert_eq!(step.unwrap(), Step::Moved { to: 4 });
    assert_eq!(second.await.unwrap().1.unwrap(), Step::Elsewhere, "the commit has renewed the lease");
    desk.assert_copied("copier", 4).await;
}

// covers C3
#[tokio::test]
async fn a_runner_whose_transaction_was_ended_for_it_commits_nothing_when_it_comes_back() {
    let Halfway { desk, gate, first, second } = halfway().await;
    // As idle_in_transaction_session_timeout does to a process that was stopped.
    desk.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
         and state = 'idle in transaction'",
    )
    .await;
    let (mut second, step) = second.await.unwrap();
    assert!(matches!(step, Ok(Step::Moved { to: 4 } | Step::Idle { at: 2 })), "{step:?}");
    move_to(&mut second, 4).await;
    gate.add_permits(1);
    let (mut first, step) = first.await.unwrap();
    assert!(step.is_err(), "{step:?}");
    assert_eq!(first.step().await.unwrap(), Step::Elsewhere);
    desk.assert_copied("copier", 4).await;
}

// covers C3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runners_that_keep_losing_the_lease_to_each_other_copy_each_event_once() {
    const EVENTS: i64 = 300;
    let desk = Arc::new(Desk::new().await);
    let mut runners = JoinSet::new();
    for _runner in 0..4 {
        let desk = Arc::clone(&desk);
        let mut follow = desk.follow_elsewhere(Copier::named("copier"));
        runners.spawn(async move {
            let mut moved = 0;
            while desk.checkpoint("copier").await.0 < EVENTS {
                moved += u32::from(matches!(follow.step().await, Ok(Step::Moved { .. })));
                desk.let_the_lease_run_out("copier").await;
            }
            moved
        });
    }
    for _event in 0..EVENTS {
        desk.add(1).await;
    }
    let moved = runners.join_all().await;
    assert!(moved.iter().filter(|moved| **moved > 0).count() > 1, "only one of them ever moved: {moved:?}");
    desk.assert_copied("copier", EVENTS).await;
}
