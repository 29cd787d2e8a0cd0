//! Whether anybody is let in at all.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{problem::Problem, rules};

/// Of one door, and all its clones.
#[derive(Clone, Debug, Default)]
pub struct Shutter(Arc<AtomicBool>);

impl Shutter {
    /// Nobody is let in until it is opened.
    pub fn shut(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn open(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub fn is_open(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }

    pub(crate) fn must_be_open(&self) -> Result<(), Problem> {
        if self.is_open() { Ok(()) } else { Err(Problem::later(rules::LEDGER_UNAVAILABLE, 1)) }
    }
}
