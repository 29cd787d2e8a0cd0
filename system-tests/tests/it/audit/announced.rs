//! Checkpoints on Kafka: what was signed is told there, signed as it was.

use std::time::{Duration, Instant};

use audit::checkpoint::Note;
use audit::key::VerifierKey;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use system_tests::broker::Broker;

use super::Directory;
use super::served::{branch_with, get};

const SOON: Duration = Duration::from_secs(60);

/// The notes of the topic, until one is of at least this size.
fn notes(brokers: &str, topic: &str, size: u64) -> Vec<Note> {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "auditor").set("enable.auto.commit", "false");
    let reader: BaseConsumer = config.create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    reader.assign(&from).unwrap();
    let (until, mut notes) = (Instant::now() + SOON, Vec::<Note>::new());
    while Instant::now() < until && notes.last().is_none_or(|note| note.claimed().size < size) {
        if let Some(Ok(message)) = reader.poll(Duration::from_millis(100)) {
            assert_eq!(message.key(), Some(&b"example.com/ledger"[..]));
            notes.push(std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap());
        }
    }
    notes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_is_told_on_kafka_for_anybody_to_keep() {
    let place = Directory::fresh();
    let broker = Broker::mock(&[("announced", 1), ("announced.checkpoints", 1)]).unwrap();
    let brokers = broker.kafka().brokers;
    let on_kafka = [
        ("DAYBOOK_KAFKA_BROKERS", brokers.as_str()),
        ("DAYBOOK_KAFKA_TOPIC", "announced"),
        ("DAYBOOK_KAFKA_PARTITIONS", "1"),
        // The mock has no settings to tell.
        ("DAYBOOK_KAFKA_TOPIC_MADE_ELSEWHERE", "true"),
    ];
    let (branch, public) = branch_with(&place, &on_kafka).await;
    branch.merchant().await.unwrap();
    let newest = get(&branch, &branch.operator, "/api/v1/audit/events/1/proof").await.json();
    let note: Note = newest["data"]["checkpoint"].as_str().unwrap().parse().unwrap();
    let size = note.claimed().size;
    let told = tokio::task::spawn_blocking(move || notes(&brokers, "announced.checkpoints", size)).await.unwrap();
    let last = told.last().unwrap_or_else(|| panic!("nothing was told: {}", branch.server.log().unwrap()));
    assert!(last.claimed().size >= size, "{told:?}");
    assert!(told.is_sorted_by_key(|note| note.claimed().size));
    let trusted: Vec<VerifierKey> = vec![public.parse().unwrap()];
    for note in &told {
        note.verify(&trusted).unwrap();
    }
    // It is the one anybody is shown who asks.
    let path = format!("/api/v1/audit/checkpoints?from={}&limit=1", last.claimed().size);
    let shown = get(&branch, &branch.operator, &path).await.json();
    assert_eq!(shown["data"][0]["note"], last.to_string(), "{shown}");
}
