//! Spans of events on their way to Kafka, in the traces of the requests they came of.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use event_store::Recorded;
use traces::{Kind, Traced, followed};

/// What was sent and has not arrived: never more than the sender has room for.
pub(crate) struct Sent {
    name: String,
    under_way: VecDeque<(SystemTime, Traced)>,
}

impl Sent {
    pub(crate) fn to(topic: &str) -> Self {
        Self { name: format!("publish {topic}"), under_way: VecDeque::new() }
    }

    pub(crate) fn sends(&mut self, events: &[Arc<Recorded>]) {
        let now = SystemTime::now();
        let traced = events.iter().filter_map(|event| Traced::of(event.position, &event.metadata));
        self.under_way.extend(traced.map(|traced| (now, traced)));
    }

    /// Everything up to there is on the topic.
    pub(crate) fn arrived(&mut self, upto: i64) {
        let count = self.under_way.partition_point(|(_sent_at, traced)| traced.position <= upto);
        let arrived: Vec<_> = self.under_way.drain(..count).collect();
        for sending in arrived.chunk_by(|(sent_at, _traced), (next_at, _next)| sent_at == next_at) {
            if let Some((sent_at, _traced)) = sending.first() {
                let traced = sending.iter().map(|(_sent_at, traced)| traced.clone());
                followed(&self.name, Kind::Producer, *sent_at, traced);
            }
        }
    }
}
