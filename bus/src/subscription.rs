//! Reading a topic: for followers of ours, and for any program that wants the events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::kafka::Kafka;
use crate::message::{self, Said};

/// Nothing is committed but what [`Subscription::done`] says; a group without offsets begins at the beginning.
const SETTINGS: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "earliest"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.error.backoff.ms", "100"),
    // A full queue is looked at again soon: the default of a second leaves whoever catches up idle.
    ("fetch.queue.backoff.ms", "5"),
    // Little of each partition at a time: what is far ahead of the others has to wait for them.
    ("max.partition.fetch.bytes", "131072"),
    ("queued.max.messages.kbytes", "16384"),
    ("session.timeout.ms", "10000"),
];
const AT_ONCE: usize = 2_000;
/// Pieces that wait to be taken: whoever does not come to them is not read for.
const AHEAD: usize = 2;
const POLL: Duration = Duration::from_millis(100);

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Some partitions, shared out among the members of this consumer group, from where the group has come to.
    Share { group: String },
    /// So many partitions, all of them, from where this group has come to.
    All { group: String, partitions: usize },
    /// These partitions, each from an offset.
    From(Vec<(usize, i64)>),
}

/// A message, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub partition: usize,
    pub offset: i64,
    pub said: Said,
}

/// A topic that is being read. Events may come twice, and come in order within a partition: hold them against a
/// [`crate::Chain`] that is kept where your own work is kept, in the same transaction.
pub struct Subscription {
    topic: String,
    consumer: Arc<BaseConsumer>,
    pieces: mpsc::Receiver<Result<Vec<Received>, KafkaError>>,
    is_over: Arc<AtomicBool>,
}

impl Subscription {
    /// Begins to read.
    ///
    /// # Errors
    /// What Kafka was told is not understood.
    pub fn open(kafka: &Kafka, topic: &str, reading: &Reading) -> Result<Self, KafkaError> {
        let mut config = kafka.client(SETTINGS);
        let group = match reading {
            Reading::Share { group } | Reading::All { group, partitions: _ } => group,
            Reading::From(_) => "daybook-look",
        };
        let consumer: BaseConsumer = config.set("group.id", group).create()?;
        match reading {
            Reading::Share { .. } => consumer.subscribe(&[topic])?,
            Reading::All { partitions, .. } => {
                let stored = (0..*partitions).map(|partition| (partition, Offset::Stored));
                consumer.assign(&list(topic, stored)?)?;
            }
            Reading::From(offsets) => {
                let offsets = offsets.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset)));
                consumer.assign(&list(topic, offsets)?)?;
            }
        }
        let (consumer, is_over) = (Arc::new(consumer), Arc::new(AtomicBool::new(false)));
        let (sender, pieces) = mpsc::channel(AHEAD);
        let polled = Polled { consumer: Arc::clone(&consumer), is_over: Arc::clone(&is_over), sender };
        std::thread::Builder::new()
            .name("kafka".to_owned())
            .spawn(move || polled.run())
            .map_err(|_no_thread| KafkaError::Canceled)?;
        Ok(Self { topic: topic.to_owned(), consumer, pieces, is_over })
    }

    /// What has come; nothing where nothing comes within this time.
    ///
    /// # Errors
    /// Kafka will not go on with this subscription: open another.
    pub async fn next(&mut self, within: Duration) -> Result<Vec<Received>, KafkaError> {
        match tokio::time::timeout(within, self.pieces.recv()).await {
            Ok(Some(piece)) => piece,
            Ok(None) => Err(KafkaError::Canceled),
            Err(_elapsed) => Ok(Vec::new()),
        }
    }

    /// Tells the group that everything before these offsets is done, and on the disk: it begins there next time.
    pub fn done(&self, offsets: &[(usize, i64)]) {
        let offsets = offsets.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset)));
        let said = list(&self.topic, offsets).and_then(|offsets| self.consumer.commit(&offsets, CommitMode::Async));
        if let Err(reason) = said {
            tracing::debug!(%reason, topic = self.topic, "offsets were not committed; some messages come again");
        }
    }

    /// Leaves these partitions alone, or takes them up again.
    ///
    /// # Errors
    /// Kafka does not know them.
    pub fn pause(&self, partitions: &[usize], is_paused: bool) -> Result<(), KafkaError> {
        let partitions = list(&self.topic, partitions.iter().map(|partition| (*partition, Offset::Invalid)))?;
        if is_paused { self.consumer.pause(&partitions) } else { self.consumer.resume(&partitions) }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The thread lets go of the consumer, which leaves the group, where nobody waits for it.
        self.is_over.store(true, Ordering::Release);
    }
}

/// The offsets of some partitions.
pub(crate) fn list(
    topic: &str,
    offsets: impl Iterator<Item = (usize, Offset)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(topic, i32::try_from(partition).unwrap_or(i32::MAX), offset)?;
    }
    Ok(list)
}

struct Polled {
    consumer: Arc<BaseConsumer>,
    is_over: Arc<AtomicBool>,
    sender: mpsc::Sender<Result<Vec<Received>, KafkaError>>,
}

impl Polled {
    fn run(self) {
        while !self.is_over.load(Ordering::Acquire) {
            let piece = self.piece();
            let is_over = piece.is_err();
            if piece.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            if self.sender.blocking_send(piece).is_err() || is_over {
                return;
            }
        }
    }

    fn piece(&self) -> Result<Vec<Received>, KafkaError> {
        let (mut piece, mut wait) = (Vec::new(), POLL);
        while piece.len() < AT_ONCE {
            let Some(polled) = self.consumer.poll(wait) else { break };
            wait = Duration::ZERO;
            match polled {
                Ok(found) => {
                    let partition = usize::try_from(found.partition()).unwrap_or_default();
                    match message::read(&found) {
                        Ok(said) => piece.push(Received { partition, offset: found.offset(), said }),
                        // Whatever it is, it is no event: the chain would show if one were missing.
                        Err(foreign) => {
                            tracing::warn!(partition, offset = found.offset(), %foreign, "passed over");
                        }
                    }
                }
                Err(failure @ KafkaError::MessageConsumptionFatal(_)) => return Err(failure),
                Err(failure) => tracing::debug!(%failure, "Kafka, as a reader sees it"),
            }
        }
        Ok(piece)
    }
}
