//! What the writer decided and will append: all of it or nothing.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::act::{Key, Verdict};
use crate::books::{Added, Books, Halt, Open};
use crate::cache::{Cache, Stream};
use crate::outcome::Outcome;
use crate::queue::Queued;
use crate::recorded::Recorded;

/// How often an act may take an unknown stream to be empty before it has to look.
const PRESUMING_TRIES: u32 = 3;

/// A decided act. Its events are `events` many and end at `events_upto` in the batch.
pub(crate) struct Item {
    pub(crate) queued: Queued,
    pub(crate) verdict: Verdict,
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
}

impl Batch {
    /// Decides an act on what is cached and on what this batch has decided so far. Gives it back where it could not be
    /// decided on those books.
    pub(crate) fn decide(&mut self, cache: &Cache, queued: Queued) -> Option<(Queued, Halt)> {
        let mut books = Books::new(cache, &mut self.open, queued.tries <= PRESUMING_TRIES);
        let verdict = match (queued.act.decision)(&mut books) {
            Ok(verdict) => verdict,
            Err(halt) => return Some((queued, halt)),
        };
        let Added { drafts, sequence } = match &verdict {
            Verdict::Accepted(_answer) => books.keep(),
            Verdict::Refused(_answer) => books.drop_all(),
        };
        let events = drafts.len();
        let metadata = metadata(&queued);
        for draft in drafts {
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
        self.items.push(Item { queued, verdict, events, events_upto: self.events.len(), sequence });
        None
    }

    pub(crate) fn holds(&self, key: &Key) -> bool {
        self.keys.contains(&name_of(key))
    }

    /// Takes the place in the log that the append has given: from here on the events are as everyone will read them.
    pub(crate) fn place(&mut self, first_position: i64, recorded_at: DateTime<Utc>) {
        for event in &mut self.events {
            event.position = event.position.saturating_add(first_position).saturating_sub(1);
            event.recorded_at = recorded_at;
        }
    }

    /// The acts, to be decided again.
    pub(crate) fn into_acts(self) -> Vec<Queued> {
        self.items.into_iter().map(|item| item.queued).collect()
    }
}

impl Item {
    /// What is true once the batch stands in the log from `first_position` on.
    pub(crate) fn outcome(&self, first_position: i64) -> Outcome {
        let upto = i64::try_from(self.events_upto).unwrap_or(i64::MAX);
        let position = first_position.saturating_sub(1).saturating_add(upto);
        let sequence = self.sequence;
        match &self.verdict {
            Verdict::Accepted(answer) => {
                Outcome::Accepted { position, sequence, events: self.events, answer: answer.clone() }
            }
            Verdict::Refused(answer) => Outcome::Refused { position, sequence, answer: answer.clone() },
        }
    }

    pub(crate) fn answer(&self) -> &crate::act::Answer {
        match &self.verdict {
            Verdict::Accepted(answer) | Verdict::Refused(answer) => answer,
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
    let mut pairs = serde_json::Map::new();
    pairs.insert("command_id".to_owned(), queued.command_id.to_string().into());
    for (name, value) in &queued.act.metadata {
        pairs.insert((*name).to_owned(), value.as_str().into());
    }
    serde_json::Value::Object(pairs).to_string().into()
}
