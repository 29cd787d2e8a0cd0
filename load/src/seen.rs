//! What was seen of a load: how many were answered how, and how long it took.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::Trouble;

/// How fast it went and how long each call took.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Answered.
    pub count: u64,
    pub elapsed: Duration,
    /// Answers, by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Not answered.
    pub unanswered: u64,
    latency_us: Histogram<u64>,
}

impl Seen {
    /// So many calls as there are times, in microseconds.
    pub fn of(latency_us: Histogram<u64>, elapsed: Duration) -> Self {
        Self { count: latency_us.len(), elapsed, statuses: BTreeMap::new(), unanswered: 0, latency_us }
    }

    pub(crate) fn nothing() -> Result<Self, Trouble> {
        Ok(Self::of(Histogram::new(3).map_err(|_bounds| Trouble::Times)?, Duration::ZERO))
    }

    /// One answer, so long after it was due.
    pub fn answered(&mut self, status: u16, after: Duration) -> Result<(), Trouble> {
        self.count = self.count.saturating_add(1);
        let statuses = self.statuses.entry(status).or_default();
        *statuses = statuses.saturating_add(1);
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.record(micros).map_err(|_range| Trouble::Times)
    }

    /// Takes in what somebody else has seen meanwhile.
    pub(crate) fn add(&mut self, other: &Self) -> Result<(), Trouble> {
        self.count = self.count.saturating_add(other.count);
        self.unanswered = self.unanswered.saturating_add(other.unanswered);
        for (status, count) in &other.statuses {
            let statuses = self.statuses.entry(*status).or_default();
            *statuses = statuses.saturating_add(*count);
        }
        self.latency_us.add(&other.latency_us).map_err(|_range| Trouble::Times)
    }

    /// Answered with a success.
    pub fn taken(&self) -> u64 {
        self.statuses.range(200..300).map(|(_status, count)| count).sum()
    }

    pub fn per_second(&self) -> f64 {
        // Counts of calls are far below 2^32: the conversion is exact.
        f64::from(u32::try_from(self.count).unwrap_or(u32::MAX)) / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub fn millis_at(&self, percentile: f64) -> f64 {
        millis(self.latency_us.value_at_percentile(percentile))
    }

    pub fn millis_most(&self) -> f64 {
        millis(self.latency_us.max())
    }
}

fn millis(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0
}
