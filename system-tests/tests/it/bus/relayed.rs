//! What the relay sends: every event, in order; and where it refuses to.

use bus::{Topic, Turn};
use system_tests::broker::Broker;
use tokio::sync::watch;

use super::desk::{Desk, PARTITIONS, broker};

// covers I18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_in_the_topic_once_in_order_and_to_the_byte() {
    let mut desk = Desk::new(71).await;
    let relay = desk.start_relay();
    let mut head = 0;
    for count in [1, 700, 30, 12_000] {
        head = desk.add(count).await;
        desk.until_relayed(head).await;
    }
    relay.end().await;
    let verified = desk.assert_holds(head).await;
    assert_eq!(verified.repeated_count, 0);
    assert!(verified.watermarks_count >= i64::try_from(PARTITIONS).unwrap());
    // A relay that begins again knows what each partition's next event follows on.
    let head = desk.add(900).await;
    desk.relay_all(head).await;
    assert_eq!(desk.assert_holds(head).await.repeated_count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_partitions_are_complete_as_well() {
    let mut desk = Desk::new(72).await;
    let head = desk.add(40).await;
    let relay = desk.start_relay();
    desk.until_relayed(head).await;
    let complete = async {
        while desk.verify().await.complete_upto < head {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), complete).await.unwrap();
    relay.end().await;
}

// covers C3 for the bus
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_one_relays_and_the_other_takes_over() {
    let mut desk = Desk::new(73).await;
    let head = desk.add(500).await;
    let first = desk.start_relay();
    desk.until_relayed(head).await;
    let mut second = desk.relay();
    let (stop, mut stopping) = watch::channel(false);
    assert_eq!(second.turn(&mut stopping).await.unwrap(), Turn::Elsewhere);
    // The first believes that it is still the one.
    desk.sql("update log.followers set lease_until = null, holder = null").await;
    let turn = tokio::spawn(async move { second.turn(&mut stopping).await });
    let head = desk.add(3_000).await;
    desk.until_relayed(head).await;
    first.end().await;
    stop.send_replace(true);
    assert_eq!(turn.await.unwrap().unwrap(), Turn::Stopped);
    desk.assert_holds(head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_would_mix_the_order_is_not_written_to() {
    let mut desk = Desk::new(74).await;
    let head = desk.add(10).await;
    desk.relay_all(head).await;
    let mut other = bus::Relay::new(
        desk.store.clone(),
        desk.ledger.database().unwrap(),
        desk.kafka.clone(),
        Topic { partitions: PARTITIONS + 1, ..desk.topic.clone() },
    );
    let (_stop, mut stopping) = watch::channel(false);
    let Turn::Parked { reason, .. } = other.turn(&mut stopping).await.unwrap() else { panic!("it goes on") };
    assert!(reason.contains("has 4 partitions and 5 are configured"), "{reason}");
    desk.assert_holds(head).await;
}

/// A run on the mock would show far less than it says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_apache_kafka_where_it_must_be() {
    let is_required = std::env::var("DAYBOOK_REQUIRE_KAFKA").is_ok_and(|set| set == "1");
    assert!(broker().await.is_real() || !is_required);
}

// covers E9
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_broke_is_replaced_and_nothing_is_lost() {
    let mock = Broker::mock(&[("events-mock", PARTITIONS)]).unwrap();
    let mut desk = Desk::on(mock.kafka(), 75).await;
    // The mock has no settings to tell.
    (desk.topic.name, desk.topic.is_made_elsewhere) = ("events-mock".to_owned(), true);
    let head = desk.add(2_000).await;
    let mut relay = desk.relay();
    let (stop, mut stopping) = watch::channel(false);
    let turn = tokio::spawn(async move {
        let ended = relay.turn(&mut stopping).await;
        (relay, stopping, ended)
    });
    tokio::select! {
        ended = async { desk.until_relayed(head).await } => ended,
        () = async { while !turn.is_finished() { tokio::task::yield_now().await } } => {}
    }
    assert!(!turn.is_finished(), "it ended before its producer was broken: {:?}", turn.await.unwrap().2);
    mock.break_producers().unwrap();
    let head = desk.add(5_000).await;
    let (mut relay, mut stopping, ended) = turn.await.unwrap();
    assert!(matches!(ended, Err(bus::RelayFailure::Kafka(_))), "its producer did not break: {ended:?}");
    let turn = tokio::spawn(async move { relay.turn(&mut stopping).await });
    desk.until_relayed(head).await;
    stop.send_replace(true);
    assert_eq!(turn.await.unwrap().unwrap(), Turn::Stopped);
    desk.assert_holds(head).await;
}
