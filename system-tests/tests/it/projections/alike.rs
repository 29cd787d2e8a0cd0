//! Built live in small steps, built anew in large ones, cut off anywhere: always the same rows.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use event_store::{Follow, Step, StepFailure};
use projections::{MODELS, Projector};

use super::desk::{Desk, move_to};

// covers E5, I16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_model_is_rebuilt_as_it_was_built_live() {
    let mut desk = Desk::new(1).await;
    let mut follows = Vec::new();
    for model in MODELS {
        follows.push(desk.follow(*model).await);
    }
    // Steps end wherever the log happened to end.
    for count in [1, 2, 17, 300, 41, 999, 640, 1_000] {
        let head = desk.add(count).await;
        for follow in &mut follows {
            move_to(follow, head).await;
        }
    }
    for model in MODELS {
        let rows: i64 = {
            let mut sum = 0;
            for table in model.plan().tables {
                sum += desk.count(&format!("select count(*) from read.{}", table.name)).await;
            }
            sum
        };
        assert!(rows > 0, "{} has no rows", model.plan().name);
        desk.assert_rebuilds_alike(*model).await;
    }
    // The new build is followed on, by a follower that knew the old one.
    let head = desk.add(500).await;
    for (model, follow) in MODELS.iter().zip(&mut follows) {
        move_to(follow, head).await;
        desk.assert_rebuilds_alike(*model).await;
    }
}

#[derive(Clone, Copy, Debug)]
enum Interruption {
    /// Any backend of a projector is ended, whatever it is doing.
    IsShotAt,
    /// The step's future is dropped at its n-th wait.
    IsDropped,
}

const SHOT: &str = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
     and pid <> pg_backend_pid() and state <> 'idle' \
     and query ~ '^(BEGIN|COMMIT|copy |delete from read|select .* from read|update log.followers|set constraints)'";

async fn step_and_drop(follow: &mut Follow<Projector>, waits: usize) -> Option<Result<Step, StepFailure>> {
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

// covers E4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_model_loses_and_doubles_nothing_however_often_it_is_killed() {
    const ROUNDS: usize = 40;
    let mut desk = Desk::new(2).await;
    for model in MODELS {
        let mut follow = desk.follow(*model).await;
        let mut interrupted = 0;
        for round in 0..ROUNDS {
            desk.add(20).await;
            let interruption = if round % 4 == 0 { Interruption::IsShotAt } else { Interruption::IsDropped };
            let step = match interruption {
                Interruption::IsShotAt => {
                    let shots = async {
                        for _shot in 0..8 {
                            desk.sql(SHOT).await;
                        }
                    };
                    Some(tokio::join!(follow.step(), shots).0)
                }
                Interruption::IsDropped => step_and_drop(&mut follow, round % 13).await,
            };
            if !matches!(step, Some(Ok(_))) {
                interrupted += 1;
            }
            if round % 10 == 9 {
                // A process that died, and the next one, which finds the lease run out.
                follow = desk.follow(*model).await;
                desk.sql("update log.followers set lease_until = now() - interval '1 second'").await;
            }
        }
        assert!(interrupted >= ROUNDS / 4, "{interrupted} of {ROUNDS}");
        let head = desk.add(1).await;
        move_to(&mut follow, head).await;
        desk.assert_rebuilds_alike(*model).await;
    }
}
