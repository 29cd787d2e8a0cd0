//! What a line has let out and held back since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

use super::breaker::Showed;
use crate::outcome::Reason;

/// Since the line was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Let out to the partner, and ended.
    pub calls_count: u64,
    /// Of these: without an answer, without one that could be understood, or without a connection.
    pub failures_count: u64,
    pub held_back: HeldBack,
}

/// Not let out, by what held it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    pub breaker_open_count: u64,
    pub paused_count: u64,
    pub line_busy_count: u64,
    pub too_fast_count: u64,
}

#[derive(Default)]
pub(super) struct Counting {
    calls: AtomicU64,
    failures: AtomicU64,
    breaker_open: AtomicU64,
    paused: AtomicU64,
    line_busy: AtomicU64,
    too_fast: AtomicU64,
}

impl Counting {
    /// Whether anything left the house.
    pub(super) fn let_out(&self, showed: Showed) -> bool {
        match showed {
            Showed::Health => {}
            Showed::Trouble => add(&self.failures),
            Showed::Nothing => return false,
        }
        add(&self.calls);
        true
    }

    pub(super) fn hold_back(&self, why: &Reason) {
        match why {
            Reason::BreakerOpen => add(&self.breaker_open),
            Reason::Paused => add(&self.paused),
            Reason::LineBusy => add(&self.line_busy),
            Reason::TooFast => add(&self.too_fast),
            // These are found out beyond the line.
            Reason::NoPartner(_) | Reason::AmountNotExpressible(_) | Reason::KeyNotExpressible => {}
            Reason::Unreachable(_) => {}
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            calls_count: of(&self.calls),
            failures_count: of(&self.failures),
            held_back: HeldBack {
                breaker_open_count: of(&self.breaker_open),
                paused_count: of(&self.paused),
                line_busy_count: of(&self.line_busy),
                too_fast_count: of(&self.too_fast),
            },
        }
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
