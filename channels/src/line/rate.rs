//! How often a partner is asked: a bucket that fills at a steady rate.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Counted as the moment at which the bucket would be full again (the generic cell rate algorithm).
pub(super) struct Rate {
    one: Duration,
    whole: Duration,
    full_at: Mutex<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let one = Duration::from_secs(1) / per_second.max(1);
        Self { one, whole: one.saturating_mul(burst.max(1)), full_at: Mutex::new(Instant::now()) }
    }

    /// # Errors
    /// Nothing is left: how long until there is.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = full_at.saturating_duration_since(now).saturating_add(self.one);
        if missing > self.whole {
            return Err(missing.saturating_sub(self.whole));
        }
        *full_at = now + missing;
        Ok(())
    }
}
