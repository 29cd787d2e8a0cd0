//! Whether a topic ends with events of this log: after a restore it may not.

use std::time::{Duration, Instant};

use event_store::Store;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::kafka::{ANSWER_WITHIN, Kafka};
use crate::message::{self, Said};
use crate::topic::Topic;

#[derive(Debug, thiserror::Error)]
pub(crate) enum EndFailure {
    #[error("{0}")]
    Another(String),
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What the last message of a partition says of the log.
struct End {
    partition: i32,
    position: i64,
    event_id: Uuid,
}

/// Makes sure that what each partition ends with stands in this log.
pub(crate) async fn belong_to(kafka: &Kafka, topic: &Topic, store: &Store) -> Result<(), EndFailure> {
    let (kafka, topic_name, partitions) = (kafka.clone(), topic.name.clone(), topic.partitions);
    let looking = spawn_blocking(move || ends(&kafka, &topic_name, partitions));
    let ends = looking.await.unwrap_or(Err(KafkaError::Canceled))?;
    for End { partition, position, event_id } in ends {
        let there = store.events(position.saturating_sub(1), 1).await?;
        if there.first().is_none_or(|event| event.position != position || event.event_id != event_id) {
            return Err(EndFailure::Another(format!(
                "partition {partition} of {} ends with event {event_id} at position {position}, and the log has another \
                 there or none: the log was restored to an earlier moment, or the topic is that of another ledger. \
                 Nothing was sent. Name a new topic: consumers find out there whether they have seen what is no more",
                topic.name
            )));
        }
    }
    Ok(())
}

fn ends(kafka: &Kafka, topic: &str, partitions: usize) -> Result<Vec<End>, KafkaError> {
    let consumer: BaseConsumer = kafka
        .client(&[("group.id", "daybook-relay-look"), ("enable.auto.commit", "false"), ("fetch.wait.max.ms", "50")])
        .create()?;
    let mut list = TopicPartitionList::new();
    for partition in (0..partitions).filter_map(|partition| i32::try_from(partition).ok()) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
        if high > low {
            list.add_partition_offset(topic, partition, Offset::Offset(high.saturating_sub(1)))?;
        }
    }
    consumer.assign(&list)?;
    let (mut ends, until) = (Vec::new(), Instant::now() + ANSWER_WITHIN);
    while ends.len() < list.count() {
        if Instant::now() > until {
            return Err(KafkaError::MessageConsumption(rdkafka::error::RDKafkaErrorCode::OperationTimedOut));
        }
        let Some(found) = consumer.poll(Duration::from_millis(100)) else { continue };
        let found = found?;
        let partition = found.partition();
        if ends.iter().any(|(known, _end)| *known == partition) {
            continue;
        }
        ends.push((partition, end(partition, message::read(&found).ok())));
    }
    Ok(ends.into_iter().filter_map(|(_partition, end)| end).collect())
}

/// Foreign messages say nothing of any log; nor does the watermark of one that knew no event.
fn end(partition: i32, said: Option<Said>) -> Option<End> {
    match said? {
        Said::Event { event, previous: _ } => {
            Some(End { partition, position: event.position, event_id: event.event_id })
        }
        Said::Watermark { position, previous: _, event_id } => Some(End { partition, position, event_id: event_id? }),
    }
}
