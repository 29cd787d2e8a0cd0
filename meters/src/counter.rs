//! A number that only grows.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shard::{SHARDS, mine};

/// A line of the cache of its own, so that threads that count at once do not wait for each other.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Part(AtomicU64);

#[derive(Debug, Default)]
pub struct Counter {
    parts: [Part; SHARDS],
}

impl Counter {
    pub fn add(&self, count: u64) {
        if let Some(part) = self.parts.get(mine()) {
            part.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// All that was counted so far.
    pub fn value(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.wrapping_add(part.0.load(Ordering::Relaxed)))
    }
}
