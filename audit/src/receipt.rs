//! A receipt: events with their proofs; checked with a public key and nothing else.

use std::collections::BTreeSet;

use chrono::DateTime;
use domain::fact::Fact;
use domain::posting::Posting;
use event_store::Recorded;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checkpoint::{Note, NoteFailure};
use crate::hash::Hash;
use crate::key::VerifierKey;
use crate::leaf::Leaf;
use crate::proof::{ProofFailure, verify_consistency, verify_inclusion};

/// The form of the document.
pub const FORMAT: &str = "daybook receipt v1";
/// As much of one as is ever read.
pub const RECEIPT_MAX: usize = 64 * 1024 * 1024;

/// What a receipt is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The event at this position.
    Event(i64),
    /// The journal entry of this position: one event that moved money.
    Entry(i64),
    /// All events of this payment, up to its last one here.
    Payment(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub format: String,
    pub about: About,
    /// The signed note.
    pub checkpoint: String,
    pub events: Vec<Proven>,
}

/// An event and the way from its leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    pub event: Told,
    pub path: Vec<Hash>,
}

/// The fields of a leaf. Payload and metadata are texts here, since their bytes are what was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
    pub recorded_at_us: i64,
    pub payload: String,
    pub metadata: String,
}

/// A receipt does not show what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFailure {
    #[error("this is no receipt: {0}")]
    Malformed(String),
    #[error(transparent)]
    Checkpoint(#[from] NoteFailure),
    #[error("position {position} is not proven: {source}")]
    Position {
        position: i64,
        #[source]
        source: ProofFailure,
    },
    #[error("the events are not those it is about: {0}")]
    Other(&'static str),
    #[error("position {position} is no journal entry this program can read: {reason}")]
    Entry { position: i64, reason: String },
}

/// What a receipt has shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub about: About,
    /// Whose log, how large at the checkpoint.
    pub origin: String,
    pub size: u64,
    pub events: Vec<Told>,
    /// What the entry does to the books, where it is about one.
    pub posting: Option<Posting>,
}

impl Told {
    pub fn leaf(&self) -> Leaf<'_> {
        Leaf {
            position: self.position,
            event_id: self.event_id,
            aggregate_type: &self.aggregate_type,
            aggregate_id: &self.aggregate_id,
            sequence: self.sequence,
            event_type: &self.event_type,
            event_version: &self.event_version,
            merchant_id: self.merchant_id,
            livemode: self.livemode,
            recorded_at_us: self.recorded_at_us,
            payload: &self.payload,
            metadata: &self.metadata,
        }
    }
}

impl Told {
    /// The event as the log hands it out; none where its time is none.
    pub fn recorded(&self) -> Option<Recorded> {
        Some(Recorded {
            position: self.position,
            event_id: self.event_id,
            aggregate_type: self.aggregate_type.clone().into(),
            aggregate_id: self.aggregate_id.as_str().into(),
            sequence: self.sequence,
            event_type: self.event_type.clone().into(),
            event_version: self.event_version.clone().into(),
            payload: self.payload.as_str().into(),
            metadata: self.metadata.as_str().into(),
            merchant_id: self.merchant_id,
            livemode: self.livemode,
            recorded_at: DateTime::from_timestamp_micros(self.recorded_at_us)?,
        })
    }
}

impl From<&Recorded> for Told {
    fn from(event: &Recorded) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: event.aggregate_type.clone().into_owned(),
            aggregate_id: event.aggregate_id.to_string(),
            sequence: event.sequence,
            event_type: event.event_type.clone().into_owned(),
            event_version: event.event_version.clone().into_owned(),
            merchant_id: event.merchant_id,
            livemode: event.livemode,
            recorded_at_us: event.recorded_at.timestamp_micros(),
            payload: event.payload.to_string(),
            metadata: event.metadata.to_string(),
        }
    }
}

impl Receipt {
    /// Reads the document, by itself or as `data` of an answer.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ReceiptFailure> {
        #[derive(Deserialize)]
        struct Answer {
            data: Receipt,
        }
        if text.len() > RECEIPT_MAX {
            return Err(ReceiptFailure::Malformed("it is too long".to_owned()));
        }
        let malformed = |reason: serde_json::Error| ReceiptFailure::Malformed(reason.to_string());
        let receipt = match serde_json::from_str::<Answer>(text) {
            Ok(answer) => answer.data,
            Err(_no_answer) => serde_json::from_str::<Self>(text).map_err(malformed)?,
        };
        if receipt.format == FORMAT {
            Ok(receipt)
        } else {
            Err(ReceiptFailure::Malformed(format!("it is a {:?}, and this program reads a {FORMAT:?}", receipt.format)))
        }
    }

    /// Makes sure of all of it: a trusted key signed the checkpoint, each event is in the tree it speaks of, and the
    /// events are those the receipt is about. Needs nothing besides.
    ///
    /// # Errors
    /// What is not so.
    pub fn verify(&self, trusted: &[VerifierKey]) -> Result<Shown, ReceiptFailure> {
        let note: Note = self.checkpoint.parse()?;
        let checkpoint = note.verify(trusted)?;
        let mut room = Vec::new();
        for Proven { event, path } in &self.events {
            let position = event.position;
            let failed = |source| ReceiptFailure::Position { position, source };
            let index =
                u64::try_from(position.saturating_sub(1)).map_err(|_negative| failed(ProofFailure::OutOfRange))?;
            let leaf = event.leaf().hash(&mut room);
            verify_inclusion(leaf, index, path, checkpoint.size, checkpoint.root).map_err(failed)?;
        }
        let posting = self.is_about()?;
        let events = self.events.iter().map(|proven| proven.event.clone()).collect();
        let (origin, size) = (checkpoint.origin.clone(), checkpoint.size);
        Ok(Shown { about: self.about.clone(), origin, size, events, posting })
    }

    fn is_about(&self) -> Result<Option<Posting>, ReceiptFailure> {
        let events: Vec<&Told> = self.events.iter().map(|proven| &proven.event).collect();
        match (&self.about, events.as_slice()) {
            (_, []) => Err(ReceiptFailure::Other("there are none")),
            (About::Event(position), [event]) if event.position == *position => Ok(None),
            (About::Entry(position), [event]) if event.position == *position => entry(event).map(Some),
            (About::Event(_) | About::Entry(_), _) => Err(ReceiptFailure::Other("it is another one, or several")),
            (About::Payment(payment_no), events) => {
                let is_its = |event: &&&Told| event.aggregate_type == "payment" && event.aggregate_id == *payment_no;
                if events.iter().filter(is_its).count() < events.len() {
                    return Err(ReceiptFailure::Other("one is of another stream"));
                }
                let in_order = (1..).zip(events).all(|(sequence, event)| event.sequence == sequence);
                let positions: BTreeSet<i64> = events.iter().map(|event| event.position).collect();
                let rises = positions.len() == events.len() && events.is_sorted_by_key(|event| event.position);
                if in_order && rises { Ok(None) } else { Err(ReceiptFailure::Other("one of the payment's is missing")) }
            }
        }
    }
}

/// What the event does to the books, by the rules of this program.
fn entry(event: &Told) -> Result<Posting, ReceiptFailure> {
    let failed = |reason: String| ReceiptFailure::Entry { position: event.position, reason };
    let fact = Fact::read(&event.aggregate_type, &mut serde_json::Deserializer::from_str(&event.payload));
    let posting = fact.map_err(|reason| failed(reason.to_string()))?.posting();
    if posting.moves_no_money() { Err(failed("it moved no money".to_owned())) } else { Ok(posting) }
}

/// That a log has only grown between two checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    pub first: String,
    pub second: String,
    pub path: Vec<Hash>,
}

impl Growth {
    /// The sizes it leads from and to.
    ///
    /// # Errors
    /// It does not show it.
    pub fn verify(&self, trusted: &[VerifierKey]) -> Result<(u64, u64), ReceiptFailure> {
        let (first, second): (Note, Note) = (self.first.parse()?, self.second.parse()?);
        let (first, second) = (first.verify(trusted)?, second.verify(trusted)?);
        if first.origin != second.origin {
            return Err(ReceiptFailure::Other("the checkpoints are of two logs"));
        }
        let failed =
            |source| ReceiptFailure::Position { position: i64::try_from(first.size).unwrap_or(i64::MAX), source };
        verify_consistency((first.size, first.root), (second.size, second.root), &self.path).map_err(failed)?;
        Ok((first.size, second.size))
    }
}
