//! A log that was restored, a topic that was made anew: noticed, never followed.

use bus::{Fed, Turn};
use system_tests::database::Ledger;
use tokio::sync::watch;

use system_tests::branch::fresh;
use system_tests::copyist::Copyist;

use super::desk::{Desk, copyists_room, topic};
use super::fed::{fed_to, until_parked};

// covers B11 for the bus
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_restored_is_noticed_by_the_relay_and_by_who_has_read_what_is_no_more() {
    let mut desk = Desk::new(91).await;
    let head = desk.add(300).await;
    desk.relay_all(head).await;
    let elsewhere = Ledger::fresh().await.unwrap();
    let pool = copyists_room(&elsewhere).await;
    let mut fed = Fed::new(Copyist, pool.clone(), desk.feed(&fresh("copies")));
    let complete = desk.verify().await.complete_upto;
    fed_to(&mut fed, complete).await;
    // The last hundred are gone, and the checkpoints of that time are back.
    let kept = head - 100;
    desk.sql(&format!("delete from log.events where position > {kept}")).await;
    desk.sql(&format!("update log.followers set position = {kept}, holder = null, lease_until = null")).await;
    desk.store = desk.ledger.store().unwrap();
    let (_stop, mut stopping) = watch::channel(false);
    let turn = desk.relay().turn(&mut stopping).await.unwrap();
    let Turn::Parked { reason, .. } = turn else { panic!("it relays: {turn:?}") };
    assert!(reason.contains("was restored to an earlier moment"), "{reason}");
    // Other events have taken their places since; it is noticed all the same.
    desk.refill(100).await;
    desk.sql("update log.followers set parked_reason = null, failures = 0").await;
    let turn = desk.relay().turn(&mut stopping).await.unwrap();
    assert!(matches!(&turn, Turn::Parked { reason, .. } if reason.contains("was restored")), "{turn:?}");
    // A new topic is another beginning: whoever has read what is no more finds out there.
    desk.topic = topic();
    desk.relay_all(head).await;
    desk.assert_holds(head).await;
    let mut fed = Fed::new(Copyist, pool, desk.feed(&fresh("copies")));
    elsewhere.superuser_pool().unwrap();
    let reason = until_parked(&mut fed).await;
    assert!(reason.contains("was another event before"), "{reason}");
}

// covers E10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_set_back_are_dropped_and_offsets_set_past_something_halt() {
    let mut desk = Desk::new(92).await;
    let head = desk.add(400).await;
    let relay = desk.start_relay();
    desk.until_relayed(head).await;
    let pool = copyists_room(&desk.ledger).await;
    let group = fresh("copies");
    let mut fed = Fed::new(Copyist, pool.clone(), desk.feed(&group));
    fed_to(&mut fed, head).await;
    fed.end().await;
    let set = |from| bus::set_offsets(&desk.kafka, &desk.topic.name, desk.topic.partitions, &group, from);
    set(bus::From::Earliest).await.unwrap();
    let head = desk.add(100).await;
    let mut fed = Fed::new(Copyist, pool.clone(), desk.feed(&group));
    fed_to(&mut fed, head).await;
    fed.end().await;
    desk.assert_copied(head).await;

    let head = desk.add(100).await;
    desk.until_relayed(head).await;
    let set = |from| bus::set_offsets(&desk.kafka, &desk.topic.name, desk.topic.partitions, &group, from);
    set(bus::From::Latest).await.unwrap();
    let later = desk.add(100).await;
    let mut fed = Fed::new(Copyist, pool.clone(), desk.feed(&group));
    let reason = until_parked(&mut fed).await;
    assert!(reason.contains("there is a hole"), "{reason}");
    // An operator sets the offsets back and lets it go on.
    let set = |from| bus::set_offsets(&desk.kafka, &desk.topic.name, desk.topic.partitions, &group, from);
    set(bus::From::Time(chrono::DateTime::UNIX_EPOCH)).await.unwrap();
    desk.sql("update log.followers set parked_reason = null, failures = 0 where name = 'copyist'").await;
    fed_to(&mut fed, later).await;
    desk.assert_copied(later).await;
    relay.end().await;
}

// covers E10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_made_anew_is_gone_on_with_by_those_who_have_seen_it_all() {
    let mut desk = Desk::new(93).await;
    let head = desk.add(200).await;
    let relay = desk.start_relay();
    desk.until_relayed(head).await;
    let pool = copyists_room(&desk.ledger).await;
    let mut fed = Fed::new(Copyist, pool.clone(), desk.feed(&fresh("copies")));
    fed_to(&mut fed, head).await;
    fed.end().await;
    relay.end().await;
    desk.drop_topic().await;
    let head = desk.add(200).await;
    let relay = desk.start_relay();
    desk.until_relayed(head).await;
    let mut fed = Fed::new(Copyist, pool, desk.feed(&fresh("copies")));
    fed_to(&mut fed, head).await;
    desk.assert_copied(head).await;
    // Whoever has not is told that what it lacks is not there.
    let elsewhere = Ledger::fresh().await.unwrap();
    let mut late = Fed::new(Copyist, copyists_room(&elsewhere).await, desk.feed(&fresh("late")));
    let reason = until_parked(&mut late).await;
    assert!(reason.contains("there is a hole"), "{reason}");
    relay.end().await;
}
