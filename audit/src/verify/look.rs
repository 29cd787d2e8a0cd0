//! A run of events looked at by itself, on any thread: leaves hashed, payloads read.

use ahash::RandomState;
use event_store::{Run, Upcasters};

use super::kind::{Finding, Kind};
use crate::hash::Hash;
use crate::leaf::Leaf;

/// Findings of one kind after which a run says no more of it.
const ENOUGH: usize = 20;

/// What stands for an event that is not there.
pub(super) const NO_LEAF: Hash = Hash([0; Hash::LENGTH]);

/// A run that was looked at.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Of each position of the run, in order.
    pub(super) leaves: Vec<Hash>,
    pub(super) lines: Vec<Line>,
    pub(super) findings: Vec<Finding>,
}

/// What is compared with events before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) position: i64,
    pub(super) stream: Stream,
    pub(super) sequence: i64,
    pub(super) recorded_at_us: i64,
}

/// Tells a stream from all others in this process.
pub(super) type Stream = (u64, u64);

/// Two hashes, keyed anew each time: no two streams are made that look alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams(RandomState, RandomState);

impl Streams {
    pub(super) fn name(&self, kind: &str, id: &str) -> Stream {
        (self.0.hash_one((kind, id)), self.1.hash_one((kind, id)))
    }
}

pub(super) fn look(run: &Run, (after, upto): (i64, i64), upcasters: &Upcasters, streams: &Streams) -> Looked {
    let mut looked = Looked::default();
    let (mut expected, mut room) = (after.saturating_add(1), Vec::new());
    let is_whole = run.glance(|event| {
        if event.position < expected {
            looked.tell(event.position, Kind::Inserted, "this position is there twice");
            return;
        }
        looked.missing(expected, event.position);
        expected = event.position.saturating_add(1);
        looked.leaves.push(Leaf::from(&event).hash(&mut room));
        looked.lines.push(Line {
            position: event.position,
            stream: streams.name(event.aggregate_type, event.aggregate_id),
            sequence: event.sequence,
            recorded_at_us: event.recorded_at_us,
        });
        if let Err(reason) = upcasters.fact_of(&event) {
            looked.tell(event.position, Kind::Unreadable, &reason);
        }
    });
    if !is_whole {
        looked.tell(expected, Kind::Unreadable, "its columns are not those of an event");
        looked.fill(expected, upto.saturating_add(1));
        return looked;
    }
    looked.missing(expected, upto.saturating_add(1));
    looked
}

impl Looked {
    fn tell(&mut self, position: i64, kind: Kind, words: &str) {
        if self.findings.len() < ENOUGH {
            self.findings.push(Finding::new(position, kind, words));
        }
    }

    /// Positions that are not there, up to one that is.
    fn missing(&mut self, from: i64, to: i64) {
        if from < to {
            let upto = to.saturating_sub(1);
            let gone = if from == upto {
                "this event is gone".to_owned()
            } else {
                format!("the events up to {upto} are gone")
            };
            self.tell(from, Kind::Removed, &gone);
            self.fill(from, to);
        }
    }

    fn fill(&mut self, from: i64, to: i64) {
        let count = usize::try_from(to.saturating_sub(from)).unwrap_or_default();
        self.leaves.extend(std::iter::repeat_n(NO_LEAF, count));
    }
}
