//! What the writer decided and will append: all of it or nothing.

use std::borrow::Cow;
use std::sync::Arc;

use ahash::{HashMap, HashSet};
use chrono::DateTime;
use uuid::Uuid;

use crate::act::{Answer, DataKey, Key, Verdict};
use crate::append::Place;
use crate::books::{self, Added, Books, Open, Why};
use crate::cache::{Cache, Stream};
use crate::kind::Kind;
use crate::outcome::{Failure, Outcome};
use crate::queue::Queued;
use crate::recorded::Recorded;

/// How many acts one append carries at most.
pub(crate) const ACTS: usize = 1_000;
/// How many bytes of events an append carries at most, but for the act that goes over it.
const BYTES: usize = 8 * 1024 * 1024;
/// How much may be said of who asked and how: it goes with every event, also onto the bus.
const METADATA_LIMIT: usize = 64 * 1024;
/// How often an act may take an unknown stream to be empty before it has to look.
const PRESUMING_TRIES: u32 = 3;

/// How an act was decided on the books at hand.
enum Ruling {
    By(Verdict),
    /// Not the version the caller demanded: true only once the append has made sure of the version, and not an answer
    /// to be remembered.
    VersionMismatch {
        demanded: i64,
        actual: i64,
    },
}

/// An act given back.
pub(crate) enum Undecided {
    /// The stream must be loaded first.
    Unloaded(Queued, Stream, Kind),
    /// Trying again would not help.
    Never(Queued, Failure),
}

/// A decided act. Its events are `events` many and end at `events_upto` in the batch.
pub(crate) struct Item {
    pub(crate) queued: Queued,
    ruling: Ruling,
    pub(crate) events: usize,
    pub(crate) events_upto: usize,
    pub(crate) sequence: i64,
}

/// Decisions that rest on each other and on the streams as they were read.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    /// Positions count from 1 until the append has said where the batch begins.
    pub(crate) events: Vec<Recorded>,
    pub(crate) open: HashMap<Stream, Open>,
    pub(crate) keys: HashSet<KeyName>,
    /// Each with the event it came with, counted from 1.
    pub(crate) data_keys: Vec<(DataKey, i64)>,
    /// Of payload and metadata.
    bytes: usize,
    /// Acts with the key of another one that is on its way: they are decided when that one is told.
    pub(crate) later: Vec<Queued>,
}

impl Batch {
    /// Decides an act on what is cached, on the batch below, which is on its way, and on what this batch has decided
    /// so far. Gives it back where it could not be decided on those books.
    pub(crate) fn decide(&mut self, cache: &Cache, below: Option<&Self>, queued: Queued) -> Option<Undecided> {
        let metadata = metadata(&queued);
        if metadata.len() > METADATA_LIMIT {
            let failure = Failure::TooLarge { bytes: metadata.len(), limit: METADATA_LIMIT };
            return Some(Undecided::Never(queued, failure));
        }
        let below = below.map(|below| &below.open);
        let mut books = Books::new(cache, below, &mut self.open, queued.tries <= PRESUMING_TRIES);
        let ruling = match books::take(&queued.act.decision, &mut books) {
            Ok(verdict) => Ruling::By(verdict),
            Err(Why::VersionMismatch { demanded, actual }) => Ruling::VersionMismatch { demanded, actual },
            Err(Why::Unloaded(stream, kind)) => return Some(Undecided::Unloaded(queued, stream, kind)),
            Err(Why::Never(failure)) => return Some(Undecided::Never(queued, failure)),
        };
        let Added { drafts, data_keys, sequence } = match &ruling {
            Ruling::By(Verdict::Accepted(_answer)) => books.keep(),
            Ruling::By(Verdict::Refused(_)) | Ruling::VersionMismatch { .. } => books.drop_all(),
        };
        let first = i64::try_from(self.events.len()).unwrap_or(i64::MAX).saturating_add(1);
        self.data_keys.extend(data_keys.into_iter().map(|key| (key, first)));
        let events = drafts.len();
        for draft in drafts {
            self.bytes = self.bytes.saturating_add(draft.payload.len()).saturating_add(metadata.len());
            self.events.push(Recorded {
                position: i64::try_from(self.events.len()).unwrap_or(i64::MAX).saturating_add(1),
                event_id: Uuid::now_v7(),
                aggregate_type: draft.stream.kind,
                aggregate_id: draft.stream.id,
                sequence: draft.sequence,
                event_type: Cow::Borrowed(draft.event_type),
                event_version: Cow::Borrowed(draft.event_version),
                payload: draft.payload,
                metadata: Arc::clone(&metadata),
                merchant_id: queued.act.tenant.merchant_id,
                livemode: queued.act.tenant.livemode,
                recorded_at: DateTime::UNIX_EPOCH,
            });
        }
        if let Some(key) = &queued.act.key {
            self.keys.insert(name_of(key));
        }
        self.items.push(Item { queued, ruling, events, events_upto: self.events.len(), sequence });
        None
    }

    /// About how many bytes it is to send: room made for them at once is not made piece by piece.
    pub(crate) fn weight(&self) -> usize {
        const OF_AN_ACT: usize = 1_024;
        self.bytes.saturating_add(self.items.len().saturating_mul(OF_AN_ACT))
    }

    /// Whether another act would make it too large to send within good time.
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() >= ACTS || self.bytes >= BYTES
    }

    /// How many more acts may be decided into it.
    pub(crate) fn room(&self) -> usize {
        if self.is_full() { 0 } else { ACTS.saturating_sub(self.items.len()) }
    }

    pub(crate) fn holds(&self, key: &Key) -> bool {
        self.keys.contains(&name_of(key))
    }

    /// Takes the place in the log that the append has given: from here on the events are as everyone will read them.
    pub(crate) fn take_place(&mut self, place: Place) {
        for event in &mut self.events {
            event.position = event.position.saturating_add(place.first_position).saturating_sub(1);
            event.recorded_at = place.recorded_at;
        }
    }

    /// Where the log ends once this batch stands at that place.
    pub(crate) fn last_position(&self, place: Place) -> i64 {
        let count = i64::try_from(self.events.len()).unwrap_or(i64::MAX);
        place.first_position.saturating_sub(1).saturating_add(count)
    }

    /// The acts, to be decided again.
    pub(crate) fn into_acts(self) -> Vec<Queued> {
        self.items.into_iter().map(|item| item.queued).chain(self.later).collect()
    }
}

impl Item {
    /// What is true once the batch stands in the log from `first_position` on.
    pub(crate) fn outcome(&self, first_position: i64) -> Outcome {
        let upto = i64::try_from(self.events_upto).unwrap_or(i64::MAX);
        let position = first_position.saturating_sub(1).saturating_add(upto);
        let sequence = self.sequence;
        match &self.ruling {
            Ruling::By(Verdict::Accepted(answer)) => {
                Outcome::Accepted { position, sequence, events: self.events, answer: answer.clone() }
            }
            Ruling::By(Verdict::Refused(answer)) => Outcome::Refused { position, sequence, answer: answer.clone() },
            Ruling::VersionMismatch { demanded, actual } => {
                Outcome::VersionMismatch { demanded: *demanded, actual: *actual }
            }
        }
    }

    /// The key of an act that is told something which is not to be remembered: it must not have been answered before.
    pub(crate) fn unanswered_key(&self) -> Option<&Key> {
        match &self.ruling {
            Ruling::By(_) => None,
            Ruling::VersionMismatch { .. } => self.queued.act.key.as_ref(),
        }
    }

    /// What is to be remembered under the act's key, if it has one.
    pub(crate) fn keyed_answer(&self) -> Option<(&Key, &Answer)> {
        match &self.ruling {
            Ruling::By(Verdict::Accepted(answer) | Verdict::Refused(answer)) => {
                self.queued.act.key.as_ref().map(|key| (key, answer))
            }
            Ruling::VersionMismatch { .. } => None,
        }
    }
}

/// Scope and key.
pub(crate) type KeyName = (Arc<str>, Arc<str>);

pub(crate) fn name_of(key: &Key) -> KeyName {
    (Arc::clone(&key.scope), Arc::clone(&key.key))
}

/// String pairs, as cqrs-es reads metadata; the command id ties events to the act that asked for them.
fn metadata(queued: &Queued) -> Arc<str> {
    let mut json = String::with_capacity(256);
    let id = queued.command_id.hyphenated();
    json.push_str("{\"command_id\":\"");
    json.push_str(id.encode_lower(&mut Uuid::encode_buffer()));
    json.push('"');
    for (name, value) in &queued.act.metadata {
        // A string can always be written as JSON.
        let value = serde_json::to_string(value).unwrap_or_default();
        for part in [",\"", name, "\":", &value] {
            json.push_str(part);
        }
    }
    json.push('}');
    json.into()
}
