//! Steps cut off between their effect and their checkpoint, hundreds of times.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use event_store::{Follow, Poison, Step};
use futures_util::FutureExt;
use futures_util::future::poll_fn;
use sqlx::{Executor, PgPool};

use super::desk::{Copier, Desk, move_to};

#[tokio::test]
async fn a_checkpoint_and_the_work_it_stands_for_are_committed_together_or_not_at_all() {
    let desk = Desk::new().await;
    desk.add(3).await;
    let is_ill = Arc::new(AtomicBool::new(true));
    let ill = Arc::clone(&is_ill);
    let mut copier = desk.follow(Copier::troubled("copier", move |_books, _events| {
        let is_ill = ill.load(Ordering::SeqCst);
        async move { if is_ill { Err(cut()) } else { Ok(()) } }.boxed()
    }));
    assert!(copier.step().await.is_err());
    assert_eq!((desk.copied("copier").await, desk.checkpoint("copier").await), (vec![], (0, 0)));
    is_ill.store(false, Ordering::SeqCst);
    assert_eq!(copier.step().await.unwrap(), Step::Moved { to: 3 });
    desk.assert_copied("copier", 3).await;
}

fn cut() -> Poison {
    Poison::Database(sqlx::Error::Protocol("cut off".to_owned()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Interruption {
    /// The work is done, and then fails.
    Fails,
    /// The backend is gone when the work is done.
    LosesItsBackend,
    /// Any backend of a follower is ended, whatever it is doing.
    IsShotAt,
    /// The step's future is dropped at its n-th wait.
    IsDropped,
}

const INTERRUPTIONS: [Interruption; 4] =
    [Interruption::Fails, Interruption::LosesItsBackend, Interruption::IsShotAt, Interruption::IsDropped];

/// A copier whose work ends as the switches say.
fn fragile(behind: PgPool, fails: &Arc<AtomicBool>, loses: &Arc<AtomicBool>) -> Copier {
    let (fails, loses) = (Arc::clone(fails), Arc::clone(loses));
    Copier::troubled("copier", move |books, _events| {
        let (fails, loses, behind) =
            (fails.swap(false, Ordering::SeqCst), loses.swap(false, Ordering::SeqCst), behind.clone());
        async move {
            if loses {
                let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *books).await?;
                behind.execute(format!("select pg_terminate_backend({pid})").as_str()).await?;
                books.execute("select pg_sleep(60)").await?;
            }
            if fails { Err(cut()) } else { Ok(()) }
        }
        .boxed()
    })
}

/// Steps, but lets go of the step after it has waited so many times.
async fn step_and_drop(follow: &mut Follow<Copier>, waits: usize) -> Option<Result<Step, event_store::StepFailure>> {
    let (mut step, mut left) = (pin!(follow.step()), waits);
    poll_fn(move |context| match step.as_mut().poll(context) {
        Poll::Ready(step) => Poll::Ready(Some(step)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

const SHOT: &str = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
     and pid <> pg_backend_pid() and state <> 'idle' and query ~ '^(BEGIN|COMMIT|insert into copies|update log.followers)'";

// covers E4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_interruptions_cost_no_event_and_double_none() {
    const ROUNDS: usize = 600;
    let desk = Desk::new().await;
    let behind = desk.ledger.superuser_pool().unwrap();
    let (fails, loses) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut copier = desk.follow(fragile(behind.clone(), &fails, &loses));
    let (mut head, mut interrupted) = (0, BTreeMap::new());
    for round in 0..ROUNDS {
        head = desk.add(1 + round % 3).await;
        let interruption = INTERRUPTIONS[round % INTERRUPTIONS.len()];
        let step = match interruption {
            Interruption::Fails => {
                fails.store(true, Ordering::SeqCst);
                Some(copier.step().await)
            }
            Interruption::LosesItsBackend => {
                loses.store(true, Ordering::SeqCst);
                Some(copier.step().await)
            }
            Interruption::IsShotAt => {
                let shots = async {
                    for _shot in 0..12 {
                        behind.execute(SHOT).await.unwrap();
                    }
                };
                Some(tokio::join!(copier.step(), shots).0)
            }
            Interruption::IsDropped => step_and_drop(&mut copier, round / INTERRUPTIONS.len() % 8).await,
        };
        fails.store(false, Ordering::SeqCst);
        loses.store(false, Ordering::SeqCst);
        if !matches!(step, Some(Ok(_))) {
            *interrupted.entry(interruption).or_insert(0_usize) += 1;
        }
        let both = "select (select position from log.followers where name = 'copier'), count(*), coalesce(max(position), 0) \
             from copies";
        let (checkpoint, count, last): (Option<i64>, i64, i64) = sqlx::query_as(both).fetch_one(&behind).await.unwrap();
        let checkpoint = checkpoint.unwrap_or(0);
        assert_eq!((count, last), (checkpoint, checkpoint), "round {round}, {interruption:?}: {step:?}");
        if round % 50 == 49 {
            // A process that died, and the next one, which finds the lease run out.
            copier = desk.follow(fragile(behind.clone(), &fails, &loses));
            desk.let_the_lease_run_out("copier").await;
        }
    }
    assert!(interrupted.values().sum::<usize>() >= 400 && interrupted.len() == 4, "{interrupted:?}");
    // What a step that was given up had sent may still arrive, and take the lease for one who is gone.
    for _late in 0..100 {
        if !matches!(copier.step().await, Ok(Step::Elsewhere)) {
            break;
        }
        desk.let_the_lease_run_out("copier").await;
    }
    move_to(&mut copier, head).await;
    desk.assert_copied("copier", head).await;
}
