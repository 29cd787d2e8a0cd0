//! Followers that share a topic out among them: each event once.

use std::time::Duration;

use bus::{Grouped, Taken};
use sqlx::PgPool;
use system_tests::database::Ledger;

use system_tests::branch::fresh;
use system_tests::copyist::Copyist;

use super::desk::{Desk, copyists_room};

const SOON: Duration = Duration::from_secs(60);

async fn copied(behind: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from copies").fetch_one(behind).await.unwrap()
}

/// Each once, and in the order of its merchant.
async fn assert_each_once(behind: &PgPool, log: &PgPool, head: i64) {
    let positions: Vec<i64> =
        sqlx::query_scalar("select position from copies order by position").fetch_all(behind).await.unwrap();
    assert_eq!(positions, (1..=head).collect::<Vec<i64>>());
    let copies: Vec<i64> =
        sqlx::query_scalar("select position from copies order by number").fetch_all(behind).await.unwrap();
    let merchants: Vec<Option<uuid::Uuid>> =
        sqlx::query_scalar("select merchant_id from log.events order by position").fetch_all(log).await.unwrap();
    let mut last = std::collections::BTreeMap::new();
    for position in copies {
        let merchant = merchants[usize::try_from(position - 1).unwrap()];
        let before = last.insert(merchant, position).unwrap_or(0);
        assert!(before < position, "{position} came after {before} of the same merchant");
    }
}

// covers E8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_own_a_partition_at_once_apply_what_is_in_it_once() {
    let mut desk = Desk::new(111).await;
    let head = desk.add(600).await;
    let relay = desk.start_relay();
    desk.until_relayed(head).await;
    let pool = copyists_room(&desk.ledger).await;
    let mut late = Grouped::new(Copyist, pool.clone(), desk.feed(&fresh("late")));
    let mut quick = Grouped::new(Copyist, pool, desk.feed(&fresh("quick")));
    // The first has a batch in its hands when its partitions are given to the second, which reads the same again.
    let mut in_hand = Vec::new();
    while in_hand.len() < 600 {
        in_hand.extend(late.receive().await.unwrap());
    }
    let applying = async {
        while copied(&desk.behind).await < head {
            quick.step().await.unwrap();
        }
    };
    tokio::time::timeout(SOON, applying).await.unwrap();
    let Taken::Applied { applied_count, dropped_count } = late.take(in_hand).await.unwrap() else { panic!("halted") };
    assert_eq!(applied_count, 0);
    assert!(dropped_count >= 600, "{dropped_count}");
    assert_each_once(&desk.behind, &desk.behind, head).await;
    relay.end().await;
}

// covers E8, I18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_group_come_and_go_and_each_event_is_applied_once() {
    let mut desk = Desk::new(112).await;
    let relay = desk.start_relay();
    let own = Ledger::fresh().await.unwrap();
    let (pool, behind, group) = (copyists_room(&own).await, own.superuser_pool().unwrap(), fresh("members"));
    let feed = desk.feed(&group);
    let member = || Grouped::new(Copyist, pool.clone(), feed.clone());
    let mut members = vec![member(), member()];
    let mut head = 0;
    for round in 0..4 {
        head = desk.add(300).await;
        // One leaves in the middle of whatever it is doing; another joins.
        let mut steps = 0;
        let moving = async {
            while steps < 6 {
                for member in &mut members {
                    drop(member.step().await);
                }
                steps += 1;
            }
        };
        tokio::time::timeout(SOON, moving).await.unwrap();
        let gone = members.remove(round % 2);
        drop(gone);
        members.push(member());
    }
    let applying = async {
        while copied(&behind).await < head {
            for member in &mut members {
                drop(member.step().await);
            }
        }
    };
    tokio::time::timeout(SOON, applying).await.unwrap();
    assert_each_once(&behind, &desk.behind, head).await;
    relay.end().await;
}

// covers E10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_with_a_hole_is_halted_and_the_others_go_on() {
    let mut desk = Desk::new(113).await;
    let head = desk.add(400).await;
    let relay = desk.start_relay();
    desk.until_relayed(head).await;
    let (pool, group) = (copyists_room(&desk.ledger).await, fresh("holed"));
    bus::set_offsets(&desk.kafka, &desk.topic.name, desk.topic.partitions, &group, bus::From::Latest).await.unwrap();
    let later = desk.add(400).await;
    desk.until_relayed(later).await;
    let mut grouped = Grouped::new(Copyist, pool, desk.feed(&group));
    let halting = async {
        loop {
            if let Taken::Halted { reason, .. } = grouped.step().await.unwrap() {
                return reason;
            }
        }
    };
    let reason = tokio::time::timeout(SOON, halting).await.unwrap();
    assert!(reason.contains("there is a hole"), "{reason}");
    assert_eq!(copied(&desk.behind).await, 0);
    relay.end().await;
}
