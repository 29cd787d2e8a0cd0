//! A relay dies between sending, acknowledgement and checkpoint: nothing is lost.

use std::time::Duration;

use event_store::crash;
use futures_util::{StreamExt as _, stream};
use system_tests::say::say;
use system_tests::server::Server;
use system_tests::times::times;

use system_tests::branch::fresh;
use system_tests::copyist::Copyist;

use super::desk::{Desk, PARTITIONS, assert_copied, copyists_room};
use super::fed::fed_to;

const EVENTS: usize = 1_200;
/// Points that are passed once an event, and those that are passed once a checkpoint.
const NTHS: [u32; 4] = [1, 2, 450, 900];

// covers E6, C1 for the relay
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_dies_at_any_point_is_gone_on_from() {
    let is_once_an_event = |point: &str| point.ends_with("produce");
    let all = NTHS.iter().flat_map(|nth| crash::OF_THE_RELAY.iter().map(|point| (*point, *nth)));
    let possible: Vec<(&str, u32)> = all.filter(|(point, nth)| *nth == 1 || is_once_an_event(point)).collect();
    let deaths = possible.iter().copied().cycle().take(times("DAYBOOK_RELAY_DEATHS", possible.len()));
    let died = stream::iter(deaths.enumerate()).map(|(n, (point, nth))| die_at(n, point, nth)).buffer_unordered(3);
    let repeated: Vec<i64> = died.collect().await;
    let again: i64 = repeated.iter().sum();
    assert!(again > 0, "nobody ever died with something on its way");
    say(&format!("{} relays died on the way; {again} events were sent again", repeated.len()));
}

/// Dies at the n-th passing of a point; another one goes on. How many events came again.
async fn die_at(number: usize, point: &'static str, nth: u32) -> i64 {
    let mut desk = Desk::new(u64::try_from(number).unwrap()).await;
    let head = desk.add(EVENTS).await;
    let trap = format!("{point}:{nth}");
    let partitions = PARTITIONS.to_string();
    let environment = [
        ("DAYBOOK_ROLE", "relay"),
        ("DAYBOOK_KAFKA_BROKERS", desk.kafka.brokers.as_str()),
        ("DAYBOOK_KAFKA_TOPIC", desk.topic.name.as_str()),
        ("DAYBOOK_KAFKA_PARTITIONS", partitions.as_str()),
        ("DAYBOOK_CRASH_AT", trap.as_str()),
    ];
    // It may have died before it was asked whether it lives.
    let doomed = Server::start(desk.ledger.superuser_url(), &environment).await;
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let dying = async {
        while doomed.as_ref().is_ok_and(Server::is_running) {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), dying).await.is_ok(), "{trap} was never passed");
    drop(doomed);
    desk.relay_all(head).await;
    let verified = desk.verify().await;
    assert_eq!((verified.events_count, verified.faults), (head, vec![]), "{trap}");
    let pool = copyists_room(&desk.ledger).await;
    let relay = desk.start_relay();
    fed_to(&mut bus::Fed::new(Copyist, pool, desk.feed(&fresh("after"))), head).await;
    relay.end().await;
    assert_copied(&desk.behind, &desk.behind, head).await;
    verified.repeated_count
}
