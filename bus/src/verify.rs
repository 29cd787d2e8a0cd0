//! Whether a topic holds the log: every event, once or again, in order, to the byte.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use event_store::{Database, Recorded};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use tokio::task::spawn_blocking;

use crate::chain::{Broken, Chain, Verdict};
use crate::kafka::{ANSWER_WITHIN, Kafka};
use crate::message::Said;
use crate::subscription::{Reading, Subscription};
use crate::topic;

/// The log is read in runs of so many.
const RUN: i64 = 20_000;
const STALLED: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Events of the log found in the topic, each counted once.
    pub events_count: i64,
    /// Messages that said again what had been said before.
    pub repeated_count: i64,
    pub watermarks_count: i64,
    /// Up to where every partition is complete.
    pub complete_upto: i64,
    /// What is wrong, at most so many as are worth showing.
    pub faults: Vec<String>,
}

const FAULTS_SHOWN: usize = 20;

/// It could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFailure {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("the topic {0} is not there")]
    NoTopic(String),
    #[error("partition {0} stopped coming at offset {1}")]
    Stalled(usize, i64),
}

/// Reads a topic from its beginning to where it ends now and holds it against the log.
///
/// # Errors
/// One of the two cannot be read to its end.
pub async fn verify(kafka: &Kafka, topic: &str, database: &Database) -> Result<Verified, VerifyFailure> {
    let partitions = topic::partitions(kafka, topic).await?.ok_or_else(|| VerifyFailure::NoTopic(topic.to_owned()))?;
    let ends = ends(kafka, topic, partitions).await?;
    let mut look = Look { chains: vec![Chain::default(); partitions], ..Look::default() };
    let from = ends.iter().enumerate().filter(|(_at, (low, high))| high > low);
    let mut reading: Vec<(usize, i64)> = from.map(|(at, (low, _high))| (at, *low)).collect();
    let mut subscription = Subscription::open(kafka, topic, &Reading::From(reading.clone()))?;
    while let Some((partition, next)) = reading.first().copied() {
        let received = subscription.next(STALLED).await?;
        if received.is_empty() {
            return Err(VerifyFailure::Stalled(partition, next));
        }
        for message in received {
            let end = ends.get(message.partition).map_or(0, |(_low, high)| *high);
            if message.offset < end {
                look.take(message.partition, &message.said);
            }
            reading.retain_mut(|(partition, next)| {
                if *partition == message.partition {
                    *next = message.offset.saturating_add(1);
                }
                *partition != message.partition || *next < end
            });
        }
    }
    look.hold_against(database).await
}

/// The first and the next offset of each partition.
pub(crate) async fn ends(kafka: &Kafka, topic: &str, partitions: usize) -> Result<Vec<(i64, i64)>, KafkaError> {
    let (config, topic) = (kafka.client(&[]), topic.to_owned());
    let asking = spawn_blocking(move || {
        let consumer: BaseConsumer = config.create()?;
        let partitions = (0..partitions).filter_map(|partition| i32::try_from(partition).ok());
        partitions.map(|partition| consumer.fetch_watermarks(&topic, partition, ANSWER_WITHIN)).collect()
    });
    asking.await.unwrap_or(Err(KafkaError::Canceled))
}

#[derive(Default)]
struct Look {
    chains: Vec<Chain>,
    found: BTreeMap<i64, (usize, Arc<Recorded>)>,
    verified: Verified,
}

impl Look {
    fn take(&mut self, partition: usize, said: &Said) {
        let Some(chain) = self.chains.get_mut(partition) else { return };
        match (chain.take(said.link()), said) {
            (Ok(Verdict::Next), Said::Event { event, previous: _ }) => {
                self.found.insert(event.position, (partition, Arc::clone(event)));
            }
            (Ok(_), Said::Watermark { .. }) => self.verified.watermarks_count += 1,
            (Ok(_), Said::Event { event, previous: _ }) => {
                self.verified.repeated_count += 1;
                if self.found.get(&event.position).is_none_or(|(_partition, known)| known != event) {
                    self.verified.fault(format!("position {} came again as something else", event.position));
                }
            }
            (Err(broken @ (Broken::Hole { .. } | Broken::Another { .. })), _) => {
                self.verified.fault(format!("partition {partition}: {broken}"));
                // What follows is held against what was found here.
                chain.seen = chain.seen.max(said.link().previous);
            }
        }
    }

    async fn hold_against(mut self, database: &Database) -> Result<Verified, VerifyFailure> {
        let mut bulk = database.bulk().await?;
        let complete = self.chains.iter().map(|chain| chain.seen).min().unwrap_or_default();
        let (head, partitions) = (bulk.head().await?, self.chains.len());
        let last = self.found.last_key_value().map_or(0, |(position, _event)| *position);
        if last.max(complete) > head {
            self.verified.fault(format!("the topic knows position {}, the log ends at {head}", last.max(complete)));
        }
        let mut at = 0;
        while at < last.max(complete).min(head) {
            let upto = at.saturating_add(RUN).min(last.max(complete)).min(head);
            for event in bulk.run(at, upto).await?.events()? {
                match self.found.get(&event.position) {
                    Some((partition, found)) => self.verified.compare(&event, found, *partition, partitions),
                    None if event.position <= complete => {
                        self.verified.fault(format!("position {} is not in the topic", event.position));
                    }
                    None => {}
                }
            }
            at = upto;
        }
        self.verified.complete_upto = complete;
        Ok(self.verified)
    }
}

impl Verified {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_SHOWN {
            self.faults.push(fault);
        }
    }

    fn compare(&mut self, event: &Recorded, found: &Recorded, partition: usize, partitions: usize) {
        self.events_count += 1;
        if event != found {
            self.fault(format!("position {} is not in the topic as it is in the log", event.position));
        }
        if crate::key::partition(&crate::key::key(event), partitions) != partition {
            self.fault(format!("position {} is in partition {partition}, which is not its own", event.position));
        }
    }
}
