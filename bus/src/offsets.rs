//! Setting a consumer group's offsets, and how far behind it is.

use chrono::{DateTime, Utc};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use tokio::task::spawn_blocking;

use crate::kafka::{ANSWER_WITHIN, Kafka};
use crate::subscription::list;

/// Where a group is to begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Earliest,
    Latest,
    /// The same offset in every partition.
    Offset(i64),
    /// The first messages that the log took at or after this time.
    Time(DateTime<Utc>),
}

/// Sets where a group begins in each partition. Nobody of the group may be reading meanwhile: Kafka refuses it then.
/// What it has applied before, it drops.
///
/// # Errors
/// Kafka refuses, or cannot be reached.
pub async fn set_offsets(
    kafka: &Kafka,
    topic: &str,
    partitions: usize,
    group: &str,
    from: From,
) -> Result<Vec<(usize, i64)>, KafkaError> {
    let mut config = kafka.client(&[("enable.auto.commit", "false")]);
    config.set("group.id", group);
    let topic = topic.to_owned();
    let setting = spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let mut offsets = Vec::new();
        for at in 0..partitions {
            let partition = i32::try_from(at).unwrap_or(i32::MAX);
            let (low, high) = consumer.fetch_watermarks(&topic, partition, ANSWER_WITHIN)?;
            let offset = match from {
                From::Earliest => low,
                From::Latest => high,
                From::Offset(offset) => offset.clamp(low, high),
                From::Time(time) => at_time(&consumer, &topic, at, time)?.unwrap_or(high),
            };
            offsets.push((at, offset));
        }
        let stored = offsets.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset)));
        consumer.commit(&list(&topic, stored)?, CommitMode::Sync)?;
        Ok(offsets)
    });
    setting.await.unwrap_or(Err(KafkaError::Canceled))
}

fn at_time(
    consumer: &BaseConsumer,
    topic: &str,
    partition: usize,
    time: DateTime<Utc>,
) -> Result<Option<i64>, KafkaError> {
    let asked = list(topic, [(partition, Offset::Offset(time.timestamp_millis()))].into_iter())?;
    let found = consumer.offsets_for_times(asked, ANSWER_WITHIN)?;
    Ok(found.elements().iter().find_map(|element| match element.offset() {
        Offset::Offset(offset) => Some(offset),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    }))
}

/// The first, the next and the group's offset of each partition; none where the group has none.
///
/// # Errors
/// Kafka cannot be reached.
pub async fn lags(
    kafka: &Kafka,
    topic: &str,
    partitions: usize,
    group: &str,
) -> Result<Vec<(i64, i64, Option<i64>)>, KafkaError> {
    let mut config = kafka.client(&[("enable.auto.commit", "false")]);
    config.set("group.id", group);
    let topic = topic.to_owned();
    let asking = spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let asked = list(&topic, (0..partitions).map(|partition| (partition, Offset::Invalid)))?;
        let committed = consumer.committed_offsets(asked, ANSWER_WITHIN)?;
        let partitions = (0..partitions).filter_map(|partition| i32::try_from(partition).ok());
        let lag = |partition: i32| {
            let (low, high) = consumer.fetch_watermarks(&topic, partition, ANSWER_WITHIN)?;
            let offset = committed.find_partition(&topic, partition).and_then(|found| match found.offset() {
                Offset::Offset(offset) => Some(offset),
                Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
            });
            Ok((low, high, offset))
        };
        partitions.map(lag).collect()
    });
    asking.await.unwrap_or(Err(KafkaError::Canceled))
}
