//! Checkpoints on Kafka: what the witness signs, told by the bus.

use std::time::Duration;

use audit::Proofs;
use bus::{Kafka, Notices, Topic};
use tokio::{select, sync::watch, time::interval};

/// A checkpoint is signed every few seconds at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tells the newest checkpoint whenever there is one, until told to stop. One that is passed over has grown into it.
pub(crate) async fn announce(proofs: Proofs, kafka: Kafka, topic: Topic, mut stop: watch::Receiver<bool>) {
    let topic = checkpoints(topic);
    select! {
        () = tell_all(&proofs, &kafka, &topic) => {}
        // Whoever could still say so has gone: that is an end as well.
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// A small topic beside that of the events.
fn checkpoints(events: Topic) -> Topic {
    Topic { name: format!("{}.checkpoints", events.name), partitions: 1, retention_ms: None, ..events }
}

async fn tell_all(proofs: &Proofs, kafka: &Kafka, topic: &Topic) {
    let (mut looks, mut notices, mut told) = (interval(LOOK_EVERY), None, 0);
    loop {
        looks.tick().await;
        let newest = match proofs.newest().await {
            Ok(Some(note)) if note.claimed().size > told => note,
            Ok(_) => continue,
            Err(failure) => {
                tracing::warn!(%failure, "the newest checkpoint cannot be read, and is not told on Kafka");
                continue;
            }
        };
        let mut ready = match notices.take() {
            Some(ready) => ready,
            None => match Notices::begin(kafka, topic).await {
                Ok(ready) => ready,
                Err(failure) => {
                    tracing::warn!(%failure, topic = topic.name, "checkpoints cannot be told on Kafka");
                    continue;
                }
            },
        };
        match ready.say(&newest.claimed().origin, &newest.to_string()).await {
            Ok(()) => {
                told = newest.claimed().size;
                notices = Some(ready);
            }
            Err(failure) => tracing::warn!(%failure, topic = topic.name, "a checkpoint was not told on Kafka"),
        }
    }
}
