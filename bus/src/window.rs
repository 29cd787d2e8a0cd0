//! What is on its way to Kafka: how much, and up to where it has arrived.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::{ClientContext, Message as _};
use tokio::sync::Notify;

/// How many events may be on their way at once, and how many bytes of them.
pub(crate) const EVENTS: usize = 20_000;
pub(crate) const BYTES: usize = 32 * 1024 * 1024;

/// What an event is sent under that need not arrive: a watermark.
pub(crate) const UNCOUNTED: usize = 0;

struct Sent {
    partition: usize,
    position: i64,
    bytes: usize,
    has_arrived: bool,
}

#[derive(Default)]
struct Inside {
    /// Without holes: positions are dense.
    sent: VecDeque<Sent>,
    bytes: usize,
    arrived: i64,
    /// In each partition, the last event up to `arrived`.
    previous: Vec<i64>,
    failure: Option<KafkaError>,
}

/// Up to where everything has arrived, and what the next event of each partition follows on there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) upto: i64,
    pub(crate) previous: Vec<i64>,
}

/// Shared with the thread that hears of arrivals.
#[derive(Default)]
pub(crate) struct Window {
    inside: Mutex<Inside>,
    moved: Notify,
}

impl Window {
    pub(crate) fn begin(at: i64, previous: Vec<i64>) -> Self {
        let inside = Inside { arrived: at, previous, ..Inside::default() };
        Self { inside: Mutex::new(inside), moved: Notify::new() }
    }

    pub(crate) fn sending(&self, position: i64, partition: usize, bytes: usize) {
        let mut inside = self.lock();
        inside.bytes = inside.bytes.saturating_add(bytes);
        inside.sent.push_back(Sent { partition, position, bytes, has_arrived: false });
    }

    pub(crate) fn has_room(&self) -> bool {
        let inside = self.lock();
        inside.sent.len() < EVENTS && inside.bytes < BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().sent.is_empty()
    }

    /// # Errors
    /// Something could not be delivered: nothing more will arrive in order.
    pub(crate) fn arrived(&self) -> Result<Arrived, KafkaError> {
        let inside = self.lock();
        match &inside.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(Arrived { upto: inside.arrived, previous: inside.previous.clone() }),
        }
    }

    /// Returns when something has arrived since it was last asked, or failed.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    fn arrives(&self, position: usize, failure: Option<KafkaError>) {
        let mut inside = self.lock();
        if let Some(failure) = failure {
            inside.failure.get_or_insert(failure);
        } else if position != UNCOUNTED {
            inside.arrive(i64::try_from(position).unwrap_or_default());
        }
        drop(inside);
        self.moved.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn arrive(&mut self, position: i64) {
        let first = self.sent.front().map_or(position, |first| first.position);
        let at = usize::try_from(position.saturating_sub(first)).ok();
        if let Some(sent) = at.and_then(|at| self.sent.get_mut(at)) {
            sent.has_arrived = true;
        }
        while let Some(sent) = self.sent.front().filter(|first| first.has_arrived) {
            self.arrived = sent.position;
            self.bytes = self.bytes.saturating_sub(sent.bytes);
            if let Some(previous) = self.previous.get_mut(sent.partition) {
                *previous = sent.position;
            }
            self.sent.pop_front();
        }
    }
}

/// Tells the window of every arrival.
pub(crate) struct Arrivals(pub(crate) std::sync::Arc<Window>);

impl ClientContext for Arrivals {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka, as the relay sees it");
    }
}

impl ProducerContext for Arrivals {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, position: usize) {
        let failure = delivered.as_ref().err().map(|(failure, message)| {
            tracing::warn!(%failure, partition = message.partition(), position, "an event was not delivered");
            failure.clone()
        });
        self.0.arrives(position, failure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_arrived_without_a_gap_counts() {
        let window = Window::begin(10, vec![9, 10]);
        for (position, partition) in [(11, 0), (12, 1), (13, 0)] {
            window.sending(position, partition, 100);
        }
        window.arrives(12, None);
        window.arrives(UNCOUNTED, None);
        assert_eq!(window.arrived().unwrap(), Arrived { upto: 10, previous: vec![9, 10] });
        window.arrives(11, None);
        assert_eq!(window.arrived().unwrap(), Arrived { upto: 12, previous: vec![11, 12] });
        assert!(!window.is_empty());
        window.arrives(13, None);
        assert_eq!(window.arrived().unwrap(), Arrived { upto: 13, previous: vec![13, 12] });
        assert!(window.is_empty());
    }

    #[test]
    fn it_is_full_by_count_and_by_bytes() {
        let window = Window::begin(0, vec![0]);
        window.sending(1, 0, BYTES);
        assert!(!window.has_room());
        window.arrives(1, None);
        assert!(window.has_room());
        (2..).take(EVENTS).for_each(|position| window.sending(position, 0, 1));
        assert!(!window.has_room());
    }

    #[test]
    fn one_that_failed_ends_it() {
        let window = Window::begin(0, vec![0]);
        window.sending(1, 0, 1);
        window.arrives(1, Some(KafkaError::Canceled));
        assert!(window.arrived().is_err());
    }
}
