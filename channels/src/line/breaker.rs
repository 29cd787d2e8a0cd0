//! Leaves a partner in trouble alone for a while, then lets one request look.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How the breaker stands, for whoever looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed {
        /// In a row, without an answer between them.
        failures_count: u32,
    },
    Open {
        retry_in: Duration,
    },
    /// One request is on its way to see whether the partner is back.
    HalfOpen,
}

pub(super) struct Breaker {
    failures_max: u32,
    open_for: Duration,
    stands: Mutex<Stands>,
}

struct Stands {
    how: How,
    /// Counts the turns: what began before a turn says nothing about what is after it.
    epoch: u64,
    since: Instant,
}

enum How {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

/// What a request showed of the partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Showed {
    Health,
    Trouble,
    /// It never got there, or nobody waited for it.
    Nothing,
}

/// The right to send one request. Given back unused, it showed nothing.
pub(super) struct Pass<'b> {
    breaker: &'b Breaker,
    epoch: u64,
    showed: Showed,
}

impl Pass<'_> {
    pub(super) fn end(mut self, showed: Showed) {
        self.showed = showed;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.breaker.leave(self.epoch, self.showed, Instant::now());
    }
}

impl Breaker {
    pub(super) fn new(failures_max: u32, open_for: Duration) -> Self {
        let stands = Mutex::new(Stands { how: How::Closed { failures: 0 }, epoch: 0, since: Instant::now() });
        Self { failures_max: failures_max.max(1), open_for, stands }
    }

    /// # Errors
    /// It is open: how long until asking again may help.
    pub(super) fn enter(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        match stands.how {
            How::Closed { .. } => {}
            How::Open { until } if until > now => return Err(until.duration_since(now)),
            How::Open { .. } => stands.turn(How::HalfOpen, now),
            How::HalfOpen => return Err(self.open_for),
        }
        Ok(Pass { breaker: self, epoch: stands.epoch, showed: Showed::Nothing })
    }

    fn leave(&self, epoch: u64, showed: Showed, now: Instant) {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        if stands.epoch != epoch {
            return;
        }
        let until = now + self.open_for;
        match (&mut stands.how, showed) {
            (How::Closed { failures }, Showed::Health) => *failures = 0,
            (How::Closed { failures }, Showed::Trouble) => {
                *failures = failures.saturating_add(1);
                if *failures >= self.failures_max {
                    stands.turn(How::Open { until }, now);
                }
            }
            (How::HalfOpen, Showed::Health) => stands.turn(How::Closed { failures: 0 }, now),
            (How::HalfOpen, Showed::Trouble) => stands.turn(How::Open { until }, now),
            // The next one looks instead.
            (How::HalfOpen, Showed::Nothing) => stands.turn(How::Open { until: now }, now),
            (How::Closed { .. }, Showed::Nothing) | (How::Open { .. }, _) => {}
        }
    }

    pub(super) fn stands_for(&self, now: Instant) -> Duration {
        let stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(stands.since)
    }

    pub(super) fn state(&self, now: Instant) -> BreakerState {
        let stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        match stands.how {
            How::Closed { failures } => BreakerState::Closed { failures_count: failures },
            How::Open { until } => BreakerState::Open { retry_in: until.saturating_duration_since(now) },
            How::HalfOpen => BreakerState::HalfOpen,
        }
    }
}

impl Stands {
    fn turn(&mut self, how: How, now: Instant) {
        self.how = how;
        self.since = now;
        self.epoch = self.epoch.wrapping_add(1);
    }
}
