//! What was planted in requests is not on the bus, whoever reads it.

use std::fmt::Write as _;

use system_tests::branch::Branch;

use crate::operations::logs::{PLANTED, plant};

use super::desk::{PARTITIONS, broker, topic, until};
use super::readers::read;

// covers G16, I29
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_planted_comes_onto_the_bus() {
    if !broker().await.is_real() {
        return;
    }
    let (kafka, topic, partitions) = (broker().await.kafka(), topic().name, PARTITIONS.to_string());
    let environment = [
        ("DAYBOOK_KAFKA_BROKERS", kafka.brokers.as_str()),
        ("DAYBOOK_KAFKA_TOPIC", topic.as_str()),
        ("DAYBOOK_KAFKA_PARTITIONS", partitions.as_str()),
    ];
    let branch = Branch::own(&environment).await.unwrap();
    plant(&branch).await;
    let behind = branch.ledger.superuser_pool().unwrap();
    let relay = bus::relay_name(&topic);
    let relayed = "(select position from log.followers where name = 'RELAY') >= (select max(position) from log.events)";
    until(&behind, &relayed.replace("RELAY", &relay)).await;
    let records = tokio::task::spawn_blocking(move || read(&kafka.brokers, &topic)).await.unwrap();
    let all = records.iter().fold(String::new(), |mut all, (key, headers, payload)| {
        writeln!(all, "{key} {headers:?} {payload}").unwrap();
        all
    });
    assert!(all.contains("\"order_no\":\"planted\""), "the search is not blind: {all}");
    for planted in PLANTED {
        assert!(!all.contains(planted), "{planted} is on the bus");
    }
}
