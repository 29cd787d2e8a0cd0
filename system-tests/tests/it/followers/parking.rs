//! An event that cannot be digested stops its follower, with a reason, and nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_store::{Poison, Step};
use futures_util::FutureExt;
use sqlx::Executor;

use super::desk::{Copier, Desk, move_to};

const POISONED: i64 = 4;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Refused,
    BreaksTheData,
    HidesAnError,
    BreaksAPromise,
    Panics,
}

/// Cannot digest one event, until it is cured.
fn delicate(kind: Kind, cured: &Arc<AtomicBool>) -> Copier {
    let cured = Arc::clone(cured);
    Copier::troubled("delicate", move |books, events| {
        let is_ill = events.iter().any(|event| event.position == POISONED) && !cured.load(Ordering::SeqCst);
        async move {
            match kind {
                _ if !is_ill => Ok(()),
                Kind::Refused => Err(Poison::Event("it cannot be digested".to_owned())),
                Kind::BreaksTheData => Ok(books.execute("select 1 / 0").await.map(drop)?),
                Kind::HidesAnError => {
                    drop(books.execute("select 1 / 0").await);
                    Ok(())
                }
                Kind::BreaksAPromise => Ok(books.execute("insert into promises values (1), (1)").await.map(drop)?),
                Kind::Panics => panic!("it was not foreseen"),
            }
        }
        .boxed()
    })
}

async fn an_event_parks_its_follower(kind: Kind, because: &str) {
    let desk = Desk::new().await;
    desk.sql("create table promises (n int unique deferrable initially deferred)").await;
    desk.sql("grant insert on promises to daybook_app").await;
    desk.add(7).await;
    let cured = Arc::new(AtomicBool::new(false));
    let mut delicate = desk.follow(delicate(kind, &cured));
    let together = delicate.step().await.unwrap();
    assert!(matches!(together, Step::Stumbled { failures: 0, .. }), "{together:?}");
    for position in 1..POISONED {
        assert_eq!(delicate.step().await.unwrap(), Step::Moved { to: position });
    }
    for failures in 1..5 {
        let step = delicate.step().await.unwrap();
        assert!(matches!(&step, Step::Stumbled { at: POISONED, failures: f, .. } if *f == failures), "{step:?}");
    }
    for _look in 0..3 {
        let step = delicate.step().await.unwrap();
        let Step::Parked { at: 3, reason } = &step else { panic!("{step:?}") };
        assert!(reason.contains("position 4: ") && reason.contains(because), "{reason}");
    }
    assert_eq!(desk.copied("delicate").await, [1, 2, 3]);
    assert_eq!(desk.checkpoint("delicate").await, (3, 5));

    let mut neighbour = desk.follow(Copier::named("neighbour"));
    assert_eq!(neighbour.step().await.unwrap(), Step::Moved { to: 7 });
    assert_eq!(desk.add(1).await, 8);

    desk.sql("update log.followers set parked_reason = null, parked_at = null, failures = 0").await;
    let step = delicate.step().await.unwrap();
    assert!(matches!(step, Step::Stumbled { at: POISONED, failures: 1, .. }), "it is not skipped: {step:?}");
    cured.store(true, Ordering::SeqCst);
    move_to(&mut delicate, 8).await;
    desk.assert_copied("delicate", 8).await;
}

// covers C5, E12
#[tokio::test]
async fn an_event_that_is_refused_parks_its_follower_and_no_other() {
    an_event_parks_its_follower(Kind::Refused, "it cannot be digested").await;
}

// covers C5
#[tokio::test]
async fn an_event_that_breaks_the_data_parks_its_follower_and_no_other() {
    an_event_parks_its_follower(Kind::BreaksTheData, "division by zero").await;
}

// covers C5
#[tokio::test]
async fn work_that_passes_over_an_error_parks_its_follower_and_loses_nothing() {
    an_event_parks_its_follower(Kind::HidesAnError, "current transaction is aborted").await;
}

// covers C5
#[tokio::test]
async fn a_constraint_that_is_checked_only_at_the_end_parks_its_follower() {
    an_event_parks_its_follower(Kind::BreaksAPromise, "duplicate key").await;
}

// covers C5
#[tokio::test]
async fn an_event_that_makes_the_work_panic_parks_its_follower_and_no_other() {
    an_event_parks_its_follower(Kind::Panics, "it was not foreseen").await;
}

#[tokio::test]
async fn a_failure_of_the_database_is_nobodys_fault_and_never_parks() {
    let desk = Desk::new().await;
    desk.add(1).await;
    for (name, failing) in [
        ("contended", "do $$ begin raise exception using errcode = '40001', message = 'try again'; end $$"),
        ("cut off", "do $$ begin raise exception using errcode = '57P01', message = 'shutting down'; end $$"),
        ("out of room", "do $$ begin raise exception using errcode = '53100', message = 'disk full'; end $$"),
        ("unmigrated", "select from a_table_that_is_not_there"),
    ] {
        let well = Arc::new(AtomicBool::new(false));
        let is_well = Arc::clone(&well);
        let mut copier = desk.follow(Copier::troubled(name, move |books, _events| {
            let is_well = is_well.load(Ordering::SeqCst);
            async move { if is_well { Ok(()) } else { Ok(books.execute(failing).await.map(drop)?) } }.boxed()
        }));
        for _try in 0..12 {
            let step = copier.step().await;
            assert!(step.is_err(), "{name}: {step:?}");
        }
        assert_eq!(desk.checkpoint(name).await, (0, 0), "{name}");
        well.store(true, Ordering::SeqCst);
        assert_eq!(copier.step().await.unwrap(), Step::Moved { to: 1 }, "{name}");
        desk.assert_copied(name, 1).await;
    }
}
