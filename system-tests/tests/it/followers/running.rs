//! The loop around the step: woken by a word, safe without it, and ended when asked.

use std::time::{Duration, Instant};

use event_store::Step;
use tokio::sync::watch;

use super::desk::{Copier, Desk, append, move_to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_in_another_process_moves_at_a_word_long_before_it_would_look() {
    const EVENTS: i64 = 10;
    let desk = Desk::new().await;
    desk.add(1).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(desk.follow_elsewhere(Copier::named("copier")).run(stopped));
    desk.until_copied("copier", 1).await;
    let begun = Instant::now();
    for _event in 0..EVENTS {
        let position = desk.add(1).await;
        desk.until_copied("copier", position).await;
    }
    // Looking by itself it would have taken a second for each.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    stop.send_replace(true);
    running.await.unwrap();
    desk.assert_copied("copier", 1 + EVENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_nobody_speaks_of_is_found_all_the_same() {
    let desk = Desk::new().await;
    desk.add(1).await;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(desk.follow_elsewhere(Copier::named("copier")).run(stopped));
    desk.until_copied("copier", 1).await;
    let mut silent = desk.ledger.superuser().await.unwrap();
    append(&mut silent, "silent").await.unwrap();
    desk.until_copied("copier", 2).await;
}

#[tokio::test]
async fn a_follower_that_is_told_to_stop_lets_the_next_one_begin_at_once() {
    let desk = Desk::new().await;
    desk.add(1).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(desk.follow(Copier::named("copier")).run(stopped));
    desk.until_copied("copier", 1).await;
    let mut next = desk.follow_elsewhere(Copier::named("copier"));
    assert_eq!(next.step().await.unwrap(), Step::Elsewhere);
    stop.send_replace(true);
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    assert_eq!(next.step().await.unwrap(), Step::Idle { at: 1 });
}

#[tokio::test]
async fn a_follower_keeps_the_store_it_was_made_from_awake() {
    let desk = Desk::new().await;
    desk.add(1).await;
    let other = desk.ledger.store().unwrap();
    let mut head = other.head();
    assert!(head.reaches(1).await);
    let mut copier = other.follow(Copier::named("copier"), desk.ledger.database().unwrap().pool(1));
    move_to(&mut copier, 1).await;
    drop(other);
    desk.add(1).await;
    move_to(&mut copier, 2).await;
    desk.assert_copied("copier", 2).await;
}
