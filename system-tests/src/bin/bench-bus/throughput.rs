//! How fast the relay is, beside a producer that does nothing but send the same messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use bus::Topic;
use event_store::Recorded;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use system_tests::report::{Aim, Figure};

use crate::Problem;
use crate::desk::{Desk, rate};

struct Counted(Arc<AtomicI64>);

impl ClientContext for Counted {}

impl ProducerContext for Counted {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        if delivered.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(crate) async fn measure(desk: &Desk) -> Result<Vec<Figure>, Problem> {
    let begin = Instant::now();
    let relay = desk.start_relay()?;
    desk.until_relayed(desk.head).await?;
    let relayed = rate(desk.head, begin.elapsed());
    relay.end().await?;
    let bare = bare(desk).await?;
    // One of the two must hold: so many, or nearly what the client library makes by itself.
    let (many, nearly) = (Aim::AtLeast(50_000.0), Aim::AtLeast(0.7));
    let (of_relay, of_share) = if relayed / bare < 0.7 { (Some(many), None) } else { (None, Some(nearly)) };
    Ok(vec![
        Figure::new("relay_events_per_s", "from a log that is there to acknowledged by the broker", relayed, of_relay),
        Figure::new("bare_producer_per_s", "the same messages from memory, by rdkafka alone", bare, None),
        Figure::new("share_of_bare", "0.7 of it would do where the relay makes fewer", relayed / bare, of_share),
    ])
}

/// The same messages with the same settings, ready in memory, to a topic made alike.
async fn bare(desk: &Desk) -> Result<f64, Problem> {
    let topic = Topic { name: "bare".to_owned(), ..desk.topic.clone() };
    bus::ensure(&desk.broker.kafka(), &topic).await?;
    let mut bulk = desk.ledger.database()?.bulk().await?;
    let events = bulk.run(0, desk.head).await?.events()?;
    let (kafka, partitions) = (desk.broker.kafka(), topic.partitions);
    tokio::task::spawn_blocking(move || send_all(&kafka, &events, partitions)).await?
}

fn send_all(kafka: &bus::Kafka, events: &[Recorded], partitions: usize) -> Result<f64, Problem> {
    let arrived = Arc::new(AtomicI64::new(0));
    let producer: ThreadedProducer<Counted> =
        bus::producer_settings(kafka).create_with_context(Counted(Arc::clone(&arrived)))?;
    let ready: Vec<_> = events
        .iter()
        .map(|event| {
            let key = bus::key(event);
            (
                i32::try_from(bus::partition(&key, partitions)).unwrap_or_default(),
                bus::headers(event, 1, &key),
                key,
                event,
            )
        })
        .collect();
    let (begin, count) = (Instant::now(), i64::try_from(ready.len())?);
    for (partition, headers, key, event) in ready {
        let mut record =
            BaseRecord::to("bare").partition(partition).key(&key).payload(&*event.payload).headers(headers);
        while let Err((failure, again)) = producer.send(record) {
            let KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) = failure else {
                return Err(failure.into());
            };
            record = again;
            std::thread::yield_now();
        }
    }
    while arrived.load(Ordering::Relaxed) < count {
        std::thread::yield_now();
    }
    Ok(rate(count, begin.elapsed()))
}
