//! Short texts on a small topic of their own, each there before the next is said.

use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use tokio::sync::mpsc;

use crate::kafka::Kafka;
use crate::sender::settings;
use crate::topic::{Topic, TopicFailure, ensure};

/// Whoever says something waits until it is there: no more than one is ever on its way.
pub struct Notices {
    producer: ThreadedProducer<Heard>,
    heard: mpsc::Receiver<Result<(), KafkaError>>,
    topic: String,
}

struct Heard(mpsc::Sender<Result<(), KafkaError>>);

impl ClientContext for Heard {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka, as whoever says something sees it");
    }
}

impl ProducerContext for Heard {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        let told = delivered.as_ref().map(|_message| ()).map_err(|(failure, _message)| failure.clone());
        // There is room for one, and one is on its way; where nobody listens any more, nothing is lost.
        if let Err(reason) = self.0.try_send(told) {
            tracing::debug!(%reason, "nobody waits for this any more");
        }
    }
}

impl Notices {
    /// On this topic, which is made where it is not there.
    ///
    /// # Errors
    /// It is not fit, or Kafka cannot be reached.
    pub async fn begin(kafka: &Kafka, topic: &Topic) -> Result<Self, TopicFailure> {
        ensure(kafka, topic).await?;
        let (tell, heard) = mpsc::channel(1);
        let producer = settings(kafka).create_with_context(Heard(tell))?;
        Ok(Self { producer, heard, topic: topic.name.clone() })
    }

    /// Says it, and returns when it is there, however long that takes.
    ///
    /// # Errors
    /// It will never be: whoever still wants to say it begins anew.
    pub async fn say(&mut self, key: &str, text: &str) -> Result<(), KafkaError> {
        let record = BaseRecord::to(&self.topic).key(key).payload(text);
        self.producer.send(record).map_err(|(failure, _record)| failure)?;
        self.heard.recv().await.unwrap_or(Err(KafkaError::Canceled))
    }
}
