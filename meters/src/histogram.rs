//! How values are spread: how many are at most each bound, and their sum.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::shard::{SHARDS, mine};

/// Nanoseconds are shown as seconds.
pub const SECONDS: u8 = 9;

/// Bounds for how long requests take, in nanoseconds. Those from 100 ms on are what dashboards know.
pub const REQUEST_TIMES: [u64; 12] = [
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// A time as it is observed.
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Debug)]
pub struct Histogram {
    bounds: Vec<u64>,
    /// Digits after the point when it is shown.
    decimals: u8,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// For each bound those up to it and above the one before; and those above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What was observed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// For each bound, in order: how many are at most so much.
    pub(crate) upto: Vec<(u64, u64)>,
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) decimals: u8,
}

impl Histogram {
    /// `bounds` ascend.
    pub fn new(bounds: &[u64], decimals: u8) -> Self {
        let part = || Part {
            counts: (0..bounds.len().saturating_add(1)).map(|_bound| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        };
        Self { bounds: bounds.to_vec(), decimals, parts: (0..SHARDS).map(|_part| part()).collect() }
    }

    pub fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        let Some(part) = self.parts.get(mine()) else { return };
        if let Some(count) = part.counts.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
            part.sum.fetch_add(value, Ordering::Relaxed);
        }
    }

    pub fn took(&self, time: Duration) {
        self.observe(nanos(time));
    }

    /// How many values were observed.
    pub fn count(&self) -> u64 {
        self.observed().count
    }

    pub(crate) fn observed(&self) -> Observed {
        let at = |n: usize| -> u64 {
            self.parts.iter().filter_map(|part| part.counts.get(n)).map(|count| count.load(Ordering::Relaxed)).sum()
        };
        let mut count = 0_u64;
        let mut upto = Vec::with_capacity(self.bounds.len());
        for (n, bound) in self.bounds.iter().enumerate() {
            count = count.wrapping_add(at(n));
            upto.push((*bound, count));
        }
        count = count.wrapping_add(at(self.bounds.len()));
        let sum = self.parts.iter().fold(0_u64, |sum, part| sum.wrapping_add(part.sum.load(Ordering::Relaxed)));
        Observed { upto, count, sum, decimals: self.decimals }
    }
}
