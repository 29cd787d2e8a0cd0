//! What goes out: events in order, watermarks, never more than the window holds.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use event_store::{Recorded, crash};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseRecord, ThreadedProducer};
use uuid::Uuid;

use crate::kafka::Kafka;
use crate::key::{key, partition};
use crate::message::{self, OVERHEAD};
use crate::topic::{MESSAGE_LIMIT, Topic};
use crate::window::{Arrivals, Arrived, UNCOUNTED, Window};

/// Settings of the producer. Each event is there once, however often it is sent, and never before the one in front of it;
/// what cannot be sent is tried for ever; and if it ever comes to a gap, the producer ends rather than leave one.
const SETTINGS: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("enable.gapless.guarantee", "true"),
    ("acks", "all"),
    ("message.timeout.ms", "0"),
    ("retry.backoff.ms", "50"),
    ("linger.ms", "2"),
    ("batch.num.messages", "10000"),
    ("batch.size", "1000000"),
    ("compression.type", "lz4"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "131072"),
];
/// Until there is room again in the producer's own queue.
const FULL: Duration = Duration::from_millis(5);

/// What the relay's producer is told.
pub fn settings(kafka: &Kafka) -> ClientConfig {
    let mut config = kafka.client(SETTINGS);
    config.set("message.max.bytes", MESSAGE_LIMIT.to_string());
    config
}

/// One producer, from where the checkpoint stands.
pub(crate) struct Sender {
    producer: ThreadedProducer<Arrivals>,
    window: Arc<Window>,
    topic: String,
    /// In each partition, the last event sent.
    previous: Vec<i64>,
    sent: i64,
    sent_id: Option<Uuid>,
}

/// One message on its way out.
struct Outgoing<'m> {
    partition: usize,
    key: Option<&'m str>,
    payload: Option<&'m str>,
    headers: OwnedHeaders,
    timestamp_ms: i64,
    opaque: usize,
}

impl Sender {
    pub(crate) fn begin(
        kafka: &Kafka,
        topic: &Topic,
        at: i64,
        previous: Vec<i64>,
        at_id: Option<Uuid>,
    ) -> Result<Self, KafkaError> {
        let window = Arc::new(Window::begin(at, previous.clone()));
        let producer = settings(kafka).create_with_context(Arrivals(Arc::clone(&window)))?;
        Ok(Self { producer, window, topic: topic.name.clone(), previous, sent: at, sent_id: at_id })
    }

    /// The last position that was handed to the producer.
    pub(crate) fn sent(&self) -> i64 {
        self.sent
    }

    pub(crate) fn has_room(&self) -> bool {
        self.window.has_room()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.window.is_empty()
    }

    pub(crate) fn arrived(&self) -> Result<Arrived, KafkaError> {
        self.window.arrived()
    }

    pub(crate) async fn moved(&self) {
        self.window.moved().await;
    }

    /// Hands events to the producer, in order.
    pub(crate) async fn send(&mut self, events: &[Arc<Recorded>]) -> Result<(), KafkaError> {
        for event in events {
            let key = key(event);
            let partition = partition(&key, self.previous.len());
            let Some(previous) = self.previous.get_mut(partition) else { continue };
            let headers = message::headers(event, *previous, &key);
            *previous = event.position;
            let bytes = event.payload.len().saturating_add(event.metadata.len()).saturating_add(OVERHEAD);
            crash::point("relay.before_produce");
            self.window.sending(event.position, partition, bytes);
            self.produce(Outgoing {
                partition,
                key: Some(&key),
                payload: Some(&event.payload),
                headers,
                timestamp_ms: event.recorded_at.timestamp_millis(),
                opaque: usize::try_from(event.position).unwrap_or(UNCOUNTED),
            })
            .await?;
            crash::point("relay.after_produce");
            (self.sent, self.sent_id) = (event.position, Some(event.event_id));
        }
        Ok(())
    }

    /// Tells every partition that all up to the last event sent has been sent. An empty log has nothing to tell.
    pub(crate) async fn send_watermarks(&mut self) -> Result<(), KafkaError> {
        let Some(at) = self.sent_id else { return Ok(()) };
        if !self.window.has_room() {
            return Ok(());
        }
        let now = Utc::now();
        for (partition, previous) in self.previous.clone().into_iter().enumerate() {
            let headers = message::watermark(partition, self.sent, previous, at, now);
            let timestamp_ms = now.timestamp_millis();
            let mark = Outgoing { partition, key: None, payload: None, headers, timestamp_ms, opaque: UNCOUNTED };
            self.produce(mark).await?;
        }
        Ok(())
    }

    async fn produce(&self, outgoing: Outgoing<'_>) -> Result<(), KafkaError> {
        let Outgoing { partition, key, payload, headers, timestamp_ms, opaque } = outgoing;
        let mut record = BaseRecord::<str, str, usize>::with_opaque_to(&self.topic, opaque)
            .partition(i32::try_from(partition).unwrap_or_default())
            .headers(headers)
            .timestamp(timestamp_ms);
        (record.key, record.payload) = (key, payload);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    tokio::time::sleep(FULL).await;
                }
                Err((failure, _record)) => return Err(failure),
            }
        }
    }
}
