//! What the store counts of itself, for those who operate it.

use std::sync::Arc;
use std::time::Duration;

use meters::{Counter, Histogram, SECONDS};
use tokio::sync::mpsc;

use crate::append::{Place, Trouble};
use crate::batch::Batch;
use crate::recorded::Recorded;
use crate::store::Store;
use crate::written::Written;

/// In nanoseconds: a commit on a local disk, and one that waits for a standby far away.
const TIMES: [u64; 12] = [
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    500_000_000,
    1_000_000_000,
    5_000_000_000,
    10_000_000_000,
];
const BATCHES: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

/// Since the store was opened.
pub struct Figures {
    /// How many acts shared an append that wrote something.
    pub batch_acts: Histogram,
    /// How long such an append took, until its place was known.
    pub append: Histogram,
    /// Appends that wrote nothing because something was assumed that was not so.
    pub conflicts: Counter,
    /// Appends that were given up.
    pub failures: Counter,
    /// Sendings whose end was not heard of, so that the same batch was sent again.
    pub unanswered: Counter,
    /// How long acts waited for the writer to take them up.
    pub waits: Histogram,
    pub(crate) written: Written,
}

impl Default for Figures {
    fn default() -> Self {
        let times = || Histogram::new(&TIMES, SECONDS);
        Self {
            batch_acts: Histogram::new(&BATCHES, 0),
            append: times(),
            conflicts: Counter::default(),
            failures: Counter::default(),
            unanswered: Counter::default(),
            waits: times(),
            written: Written::default(),
        }
    }
}

impl Figures {
    /// Events of this process that whoever listens to [`Store::written`] had no room for.
    pub fn missed(&self) -> u64 {
        self.written.missed()
    }

    pub(crate) fn appended(&self, appended: &Result<Option<Place>, Trouble>, batch: &Batch, took: Duration) {
        match appended {
            Ok(Some(_place)) => {
                self.batch_acts.observe(u64::try_from(batch.items.len()).unwrap_or(u64::MAX));
                self.append.took(took);
            }
            Ok(None) => self.conflicts.add(1),
            Err(_trouble) => self.failures.add(1),
        }
    }
}

impl Store {
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// How many acts wait for the writer.
    pub fn waiting(&self) -> usize {
        self.shared.queue.depth()
    }

    /// The events that this process writes from now on, once they stand in the log, as far as they are wanted; at most
    /// `room` of them wait. For one listener: `None` for the next.
    pub fn written(&self, wants: fn(&Recorded) -> bool, room: usize) -> Option<mpsc::Receiver<Arc<Recorded>>> {
        self.shared.figures.written.listen(wants, room)
    }
}
