//! What a read model cannot digest stops it alone; nothing is ever passed over.

use event_store::Step;
use projections::MODELS;

use super::desk::{Desk, move_to, until_parked};

/// An event as its fields stand in the log.
fn event(aggregate_type: &str, id: &str, event_type: &str, version: &str, payload: &str) -> String {
    format!(
        "insert into log.events select coalesce(max(position), 0) + 1, gen_random_uuid(), '{aggregate_type}', '{id}', 1, \
         '{event_type}', '{version}', '{payload}', '{{}}', null, true, clock_timestamp() from log.events"
    )
}

// covers C5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_one_read_model_cannot_digest_stops_it_alone() {
    let mut desk = Desk::new(3).await;
    let before = desk.add(200).await;
    // Nobody registered this merchant.
    let stranger = "MER000000000000000000000000000000ff";
    desk.sql(&event("merchant", stranger, "activated", "1.0", r#"{"activated":{"by":"process"}}"#)).await;
    let head = desk.add(50).await;
    for model in MODELS {
        let (name, mut follow) = (model.plan().name, desk.follow(*model).await);
        if name != "merchants" {
            move_to(&mut follow, head).await;
            continue;
        }
        let mut steps = Vec::new();
        let parked = loop {
            match follow.step().await.unwrap() {
                Step::Parked { at, reason } => break (at, reason),
                Step::Moved { .. } | Step::Stumbled { .. } => steps.push(()),
                step @ (Step::Idle { .. } | Step::Elsewhere) => panic!("{step:?}"),
            }
            assert!(steps.len() < 1_000, "it is never parked");
        };
        assert_eq!(parked.0, before);
        assert!(parked.1.contains(&format!("position {}", before + 1)), "{}", parked.1);
        assert!(matches!(follow.step().await.unwrap(), Step::Parked { .. }));
        assert_eq!(desk.checkpoint(name).await, before);
    }
}

// covers E12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_newer_release_stops_every_read_model_and_is_dropped_by_none() {
    let payments = "PAY000000000000000000000000000000ff";
    let cases = [
        event("payment", payments, "captured", "2.0", "{}"),
        event("payment", payments, "teleported", "1.0", "{}"),
        event("teleport", "x", "begun", "1.0", "{}"),
    ];
    for case in cases {
        let mut desk = Desk::new(4).await;
        let before = desk.add(60).await;
        desk.sql(&case).await;
        desk.add(5).await;
        for model in MODELS {
            let mut follow = desk.follow(*model).await;
            until_parked(&mut follow).await;
            assert_eq!(desk.checkpoint(model.plan().name).await, before, "{case}");
            let filling = desk.projections.begin(*model).await.unwrap();
            let filled = desk.projections.fill(&[(filling, before + 1)], &|_model, _position| {}).await.pop().unwrap();
            assert!(filled.is_err(), "a rebuild passed over {case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_pauses_resumes_retries_and_skips_and_a_rebuild_skips_the_same() {
    let mut desk = Desk::new(8).await;
    let before = desk.add(100).await;
    let model = projections::named("merchants").unwrap();
    let plan = model.plan();
    let mut follow = desk.follow(model).await;
    move_to(&mut follow, before).await;

    assert!(desk.projections.pause(plan, "looking into it").await.unwrap());
    assert!(!desk.projections.pause(plan, "twice").await.unwrap());
    desk.add(10).await;
    // The one that was running finds out within its next step.
    let mut step = follow.step().await.unwrap();
    while matches!(step, Step::Idle { .. }) {
        // It has not heard of them yet.
        step = follow.step().await.unwrap();
    }
    assert_eq!(step, Step::Elsewhere);
    assert!(matches!(follow.step().await.unwrap(), Step::Parked { .. }));
    assert!(!desk.projections.retry(plan).await.unwrap(), "a paused one is resumed, not retried");
    assert_eq!(desk.projections.skip(plan, "no").await.unwrap(), None, "nothing is skipped of a paused one");
    assert!(desk.projections.resume(plan).await.unwrap());

    let stranger = "MER000000000000000000000000000000ff";
    desk.sql(&event("merchant", stranger, "activated", "1.0", r#"{"activated":{"by":"process"}}"#)).await;
    let poison = desk.count("select max(position) from log.events").await;
    let head = desk.add(10).await;
    for _try in 0..2 {
        until_parked(&mut follow).await;
        assert!(!desk.projections.resume(plan).await.unwrap(), "a parked one is retried, not resumed");
        assert!(desk.projections.retry(plan).await.unwrap());
    }
    until_parked(&mut follow).await;
    assert_eq!(desk.projections.skip(plan, "nobody is there").await.unwrap(), Some(poison));
    move_to(&mut follow, head).await;
    desk.assert_rebuilds_alike(model).await;
}
