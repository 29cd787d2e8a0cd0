//! The topic: made as it must be, and checked to be so.

use std::collections::HashMap;

use event_store::PAYLOAD_LIMIT;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::task::spawn_blocking;

use crate::kafka::{ANSWER_WITHIN, Kafka};

/// The largest message: the largest payload the log takes, and as much room again for who asked and how. Brokers take
/// 1 MiB unless told otherwise, so this is what theirs is as well.
pub const MESSAGE_LIMIT: usize = 2 * PAYLOAD_LIMIT;

/// A topic, and how it is to be made.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    /// Never changes once it is there: the key decides the partition, and the partition the order.
    pub partitions: usize,
    /// Copies of each; the brokers' own default where none is named.
    pub replicas: Option<i32>,
    /// How long messages are kept; for ever where none is named.
    pub retention_ms: Option<i64>,
    /// Made and looked after by others, who alone may see its settings: only its partitions are counted here.
    pub is_made_elsewhere: bool,
}

impl Default for Topic {
    fn default() -> Self {
        Self {
            name: "daybook.events".to_owned(),
            partitions: 12,
            replicas: None,
            retention_ms: None,
            is_made_elsewhere: false,
        }
    }
}

/// What is wrong with a topic.
#[derive(Debug, thiserror::Error)]
pub enum TopicFailure {
    /// It does not go away by trying again.
    #[error("{0}")]
    Unfit(String),
    #[error("Kafka does not answer: {0}")]
    Kafka(#[from] KafkaError),
}

/// Makes the topic where it is not there, and makes sure that it is fit to carry the log.
///
/// # Errors
/// It is not fit, or Kafka cannot be reached.
pub async fn ensure(kafka: &Kafka, topic: &Topic) -> Result<(), TopicFailure> {
    let admin: AdminClient<DefaultClientContext> = kafka.client(&[]).create()?;
    let options = AdminOptions::new().operation_timeout(Some(ANSWER_WITHIN)).request_timeout(Some(ANSWER_WITHIN));
    let partitions = match partitions(kafka, &topic.name).await? {
        Some(partitions) => partitions,
        None if topic.is_made_elsewhere => {
            return Err(TopicFailure::Unfit(format!("the topic {} is not there, and made elsewhere", topic.name)));
        }
        None => {
            create(&admin, &options, topic).await?;
            topic.partitions
        }
    };
    if partitions != topic.partitions {
        return Err(TopicFailure::Unfit(format!(
            "the topic {} has {partitions} partitions and {} are configured: configure {partitions}, or name a new topic",
            topic.name, topic.partitions
        )));
    }
    if topic.is_made_elsewhere {
        return Ok(());
    }
    let settings = settings(&admin, &options, &topic.name).await?;
    judge(&topic.name, &settings).map_err(TopicFailure::Unfit)
}

fn judge(name: &str, settings: &HashMap<String, String>) -> Result<(), String> {
    if settings.get("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        return Err(format!("the topic {name} is compacted, which loses events: set its cleanup.policy to delete"));
    }
    let takes = settings.get("max.message.bytes").and_then(|bytes| bytes.parse::<usize>().ok());
    match takes {
        Some(bytes) if bytes < MESSAGE_LIMIT => Err(format!(
            "the topic {name} takes messages of {bytes} bytes and the log has events of up to {MESSAGE_LIMIT}: \
             raise its max.message.bytes"
        )),
        Some(_) | None => Ok(()),
    }
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
    topic: &Topic,
) -> Result<(), TopicFailure> {
    let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
    let limit = MESSAGE_LIMIT.to_string();
    let retention = topic.retention_ms.unwrap_or(-1).to_string();
    let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(topic.replicas.unwrap_or(-1)))
        .set("cleanup.policy", "delete")
        .set("max.message.bytes", &limit)
        .set("retention.ms", &retention);
    for made in admin.create_topics([&new], options).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(TopicFailure::Unfit(format!("the topic {name} could not be made: {code}")));
            }
        }
    }
    tracing::info!(topic = topic.name, partitions, "made the topic");
    Ok(())
}

async fn settings(
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
    name: &str,
) -> Result<HashMap<String, String>, TopicFailure> {
    let mut settings = HashMap::new();
    for told in admin.describe_configs([&ResourceSpecifier::Topic(name)], options).await? {
        let ConfigResource { entries, .. } = match told {
            Ok(resource) => resource,
            Err(code) => {
                return Err(TopicFailure::Unfit(format!(
                    "the settings of the topic {name} are not told ({code}): allow it, or say that it is made elsewhere"
                )));
            }
        };
        settings.extend(entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(settings)
}

/// How many partitions a topic has; none where it is not there.
///
/// # Errors
/// Kafka cannot be reached.
pub async fn partitions(kafka: &Kafka, name: &str) -> Result<Option<usize>, KafkaError> {
    let (config, name) = (kafka.client(&[]), name.to_owned());
    let asking = spawn_blocking(move || {
        let consumer: rdkafka::consumer::BaseConsumer = config.create()?;
        let metadata = rdkafka::consumer::Consumer::fetch_metadata(&consumer, Some(&name), ANSWER_WITHIN)?;
        let found = metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none());
        Ok(found.map(|topic| topic.partitions().len()).filter(|count| *count > 0))
    });
    asking.await.unwrap_or(Err(KafkaError::Canceled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_would_lose_or_refuse_events_is_not_fit() {
        let with = |name: &str, value: &str| HashMap::from([(name.to_owned(), value.to_owned())]);
        assert!(judge("t", &with("max.message.bytes", "1048576")).is_ok());
        assert!(judge("t", &with("max.message.bytes", "1048575")).is_err());
        assert!(judge("t", &with("cleanup.policy", "compact,delete")).is_err());
        assert!(judge("t", &with("cleanup.policy", "delete")).is_ok());
    }
}
