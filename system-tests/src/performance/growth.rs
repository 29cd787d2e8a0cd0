//! How figures change as the log grows: from ten thousand events to ten million.

use serde::{Deserialize, Serialize};

/// A run at several lengths.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    pub commit: String,
    pub date: String,
    pub points: Vec<Point>,
    /// Why it ended before the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// What was found at one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub events_count: u64,
    pub append_per_s: f64,
    pub rebuild_per_s: f64,
    pub point_read_p99_ms: f64,
    pub proof_p99_ms: f64,
}

impl Point {
    /// To thousandths: more says nothing.
    #[must_use]
    pub fn rounded(self) -> Self {
        let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
        Self {
            events_count: self.events_count,
            append_per_s: rounded(self.append_per_s),
            rebuild_per_s: rounded(self.rebuild_per_s),
            point_read_p99_ms: rounded(self.point_read_p99_ms),
            proof_p99_ms: rounded(self.proof_p99_ms),
        }
    }
}

/// A line of the plot.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) of: fn(&Point) -> f64,
}

pub(super) const RATES: [Series; 2] = [
    Series { name: "commands appended", class: "one", of: |point| point.append_per_s },
    Series { name: "events into all read models", class: "two", of: |point| point.rebuild_per_s },
];

pub(super) const LATENCIES: [Series; 2] = [
    Series { name: "a row by its key, p99", class: "one", of: |point| point.point_read_p99_ms },
    Series { name: "an event with its proof, p99", class: "two", of: |point| point.proof_p99_ms },
];

/// The lengths that are tried: powers of ten, up to this many.
pub fn lengths(most: u64) -> Vec<u64> {
    let powers = (4..=9).filter_map(|power| 10_u64.checked_pow(power));
    powers.take_while(|length| *length <= most).collect()
}
