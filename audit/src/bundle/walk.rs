//! Along the events of a bundle: leaves, roots, streams, time, payloads, balance.

use std::collections::{HashMap, HashSet};

use ahash::RandomState;
use domain::account::Side;
use domain::fact::Fact;
use domain::money::Totals;
use domain::posting::Posting;
use event_store::{Recorded, Upcasters};
use uuid::Uuid;

use super::check::Findings;
use super::{EVENTS, Line};
use crate::checkpoint::Checkpoint;
use crate::edge::Edge;
use crate::hash::Hash;
use crate::rows::number;

/// What stands for an event that is not there.
const NO_LEAF: Hash = Hash([0; Hash::LENGTH]);
/// A gap that is filled up to the next event; a longer one ends the tree.
const GAP_MAX: i64 = 1_000_000;

pub(super) struct Walk<'w> {
    signed: &'w [Checkpoint],
    upcasters: &'w Upcasters,
    edge: Edge,
    reached: usize,
    /// Up to where the events are as signed; nothing after the first root that differs.
    proven: u64,
    is_broken: bool,
    ends: HashMap<(String, String), i64, RandomState>,
    ids: HashSet<Uuid, RandomState>,
    last_recorded_us: i64,
    room: Vec<u8>,
}

impl<'w> Walk<'w> {
    pub(super) fn new(signed: &'w [Checkpoint], upcasters: &'w Upcasters) -> Self {
        Self {
            signed,
            upcasters,
            edge: Edge::default(),
            reached: 0,
            proven: 0,
            is_broken: false,
            ends: HashMap::default(),
            ids: HashSet::default(),
            last_recorded_us: i64::MIN,
            room: Vec::new(),
        }
    }

    pub(super) const fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(super) const fn proven(&self) -> u64 {
        self.proven
    }

    /// The next line. What can be gone on with, is given back.
    pub(super) fn take_in(&mut self, line: Result<Line, String>, findings: &mut Findings) -> Option<(Recorded, Fact)> {
        let expected = number(self.size()).saturating_add(1);
        let Line { leaf, event } = match line {
            Ok(line) => line,
            Err(words) => {
                findings.tell(EVENTS, Some(expected), words);
                self.push(NO_LEAF, findings);
                return None;
            }
        };
        let position = event.position;
        if position < expected {
            findings.tell(EVENTS, Some(position), format!("it stands where position {expected} belongs"));
            return None;
        }
        if position > expected {
            findings.tell(
                EVENTS,
                Some(expected),
                format!("the events up to {} are missing", position.saturating_sub(1)),
            );
            let gap = position.saturating_sub(expected).min(GAP_MAX);
            (0..gap).for_each(|_missing| self.push(NO_LEAF, findings));
        }
        let hashed = event.leaf().hash(&mut self.room);
        if hashed != leaf {
            findings.tell(EVENTS, Some(position), "the event is not the one whose hash stands beside it".to_owned());
        }
        self.in_order(&event, findings);
        let read = self.read(&event, findings);
        self.push(hashed, findings);
        read
    }

    fn in_order(&mut self, event: &crate::receipt::Told, findings: &mut Findings) {
        let mut wrong = |words: String| findings.tell(EVENTS, Some(event.position), words);
        if !self.ids.insert(event.event_id) {
            wrong("an event before it has the same id".to_owned());
        }
        let stream = (event.aggregate_type.clone(), event.aggregate_id.clone());
        let end = self.ends.entry(stream).or_insert(0);
        if event.sequence != end.saturating_add(1) {
            wrong(format!("it is number {} of its stream, after number {end}", event.sequence));
        }
        *end = event.sequence;
        if event.recorded_at_us < self.last_recorded_us {
            wrong("it was recorded before the one before it".to_owned());
        }
        self.last_recorded_us = event.recorded_at_us;
    }

    /// The payload by the rules of this program, and what it does to the books.
    fn read(&self, event: &crate::receipt::Told, findings: &mut Findings) -> Option<(Recorded, Fact)> {
        let mut wrong = |words: String| findings.tell(EVENTS, Some(event.position), words);
        let Some(recorded) = event.recorded() else {
            wrong("it was recorded at no time there is".to_owned());
            return None;
        };
        match self.upcasters.fact(&recorded) {
            Ok(fact) => {
                let is_old = self.upcasters.must_know(&recorded).is_err();
                if !is_old && fact.event_type() != recorded.event_type {
                    wrong(format!(
                        "it is labelled {}, and its payload is a {}",
                        recorded.event_type,
                        fact.event_type()
                    ));
                }
                if !is_balanced(&fact.posting()) {
                    wrong("its entry does not balance".to_owned());
                }
                Some((recorded, fact))
            }
            Err(words) => {
                wrong(words);
                None
            }
        }
    }

    fn push(&mut self, leaf: Hash, findings: &mut Findings) {
        self.edge.push(leaf, &mut Vec::new());
        let size = self.edge.size();
        while let Some(signed) = self.signed.get(self.reached).filter(|signed| signed.size <= size) {
            self.reached = self.reached.saturating_add(1);
            if self.is_broken || signed.size < size {
                continue;
            }
            if signed.root == self.edge.root() {
                self.proven = size;
                continue;
            }
            self.is_broken = true;
            let first = self.proven.saturating_add(1);
            if !findings.knows_of(self.proven, size) {
                let words = format!("the events from here to {size} are not those that were signed");
                findings.tell(EVENTS, Some(number(first)), words);
            }
        }
    }

    pub(super) fn end(&self, size: u64, findings: &mut Findings) {
        if self.size() < size {
            let words = format!("the events end here, and the bundle is of {size}");
            findings.tell(EVENTS, Some(number(self.size()).saturating_add(1)), words);
        }
        if self.size() > size {
            let words = format!("there are more events than the {size} that were signed");
            findings.tell(EVENTS, Some(number(size).saturating_add(1)), words);
        }
    }
}

/// Summed up once more, whatever made it.
fn is_balanced(posting: &Posting) -> bool {
    let mut totals = Totals::default();
    for line in posting.lines() {
        match line.side {
            Side::Debit => totals.add(line.money),
            Side::Credit => totals.subtract(line.money),
        }
    }
    totals.are_zero()
}
