//! The meters: counters and histograms of atomics, and the text they are shown as.
//!
//! Counting takes no lock and allocates nothing; adding up and writing is left to whoever reads. Values are whole numbers
//! of a smallest unit (nanoseconds, bytes, minor units), and shown in the unit that readers expect: no float is involved.

mod counter;
mod decimal;
mod histogram;
mod page;
mod shard;
#[cfg(test)]
mod tests;

pub use counter::Counter;
pub use decimal::decimal;
pub use histogram::{Histogram, REQUEST_TIMES, SECONDS, nanos};
pub use page::{Family, Kind, Page};
