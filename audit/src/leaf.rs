//! Leaf v1: the bytes of an event that are hashed, every field with its length before it.
//!
//! A byte `01`, then each field in this order: its length in bytes as four bytes, most significant first, and its bytes.
//! Numbers are eight bytes, most significant first; ids their sixteen; texts UTF-8 as stored; what is absent has no bytes.
//! What is hashed is what stands in the log: sealed values as they are sealed.

use event_store::{Glance, Recorded};
use uuid::Uuid;

use crate::hash::Hash;

const VERSION: u8 = 1;
/// Room for an ordinary event.
const ROOM: usize = 1_024;

/// An event as it is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'e> {
    pub position: i64,
    pub event_id: Uuid,
    pub aggregate_type: &'e str,
    pub aggregate_id: &'e str,
    pub sequence: i64,
    pub event_type: &'e str,
    pub event_version: &'e str,
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
    /// Microseconds since 1970, UTC.
    pub recorded_at_us: i64,
    pub payload: &'e str,
    pub metadata: &'e str,
}

impl Leaf<'_> {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(ROOM);
        self.write(&mut bytes);
        bytes
    }

    /// The hash of it, by way of `room`, which is overwritten.
    pub fn hash(&self, room: &mut Vec<u8>) -> Hash {
        room.clear();
        self.write(room);
        Hash::of_leaf(room)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(VERSION);
        field(bytes, &self.position.to_be_bytes());
        field(bytes, self.event_id.as_bytes());
        field(bytes, self.aggregate_type.as_bytes());
        field(bytes, self.aggregate_id.as_bytes());
        field(bytes, &self.sequence.to_be_bytes());
        field(bytes, self.event_type.as_bytes());
        field(bytes, self.event_version.as_bytes());
        field(bytes, self.merchant_id.as_ref().map_or(&[], |id| id.as_bytes().as_slice()));
        field(bytes, self.livemode.map_or(&[], |livemode| if livemode { &[1] } else { &[0] }));
        field(bytes, &self.recorded_at_us.to_be_bytes());
        field(bytes, self.payload.as_bytes());
        field(bytes, self.metadata.as_bytes());
    }
}

fn field(bytes: &mut Vec<u8>, value: &[u8]) {
    // A Postgres value has less than a gibibyte.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(value);
}

impl<'e> From<&'e Recorded> for Leaf<'e> {
    fn from(event: &'e Recorded) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: &event.aggregate_type,
            aggregate_id: &event.aggregate_id,
            sequence: event.sequence,
            event_type: &event.event_type,
            event_version: &event.event_version,
            merchant_id: event.merchant_id,
            livemode: event.livemode,
            recorded_at_us: event.recorded_at.timestamp_micros(),
            payload: &event.payload,
            metadata: &event.metadata,
        }
    }
}

impl<'e> From<&Glance<'e>> for Leaf<'e> {
    fn from(event: &Glance<'e>) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            sequence: event.sequence,
            event_type: event.event_type,
            event_version: event.event_version,
            merchant_id: event.merchant_id,
            livemode: event.livemode,
            recorded_at_us: event.recorded_at_us,
            payload: event.payload,
            metadata: event.metadata,
        }
    }
}
