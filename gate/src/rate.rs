//! How often somebody may ask: a bucket that fills at a steady rate.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::{problem::Problem, rules};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

/// How many may be kept before those that are full again are thrown away.
const KEPT: usize = 65_536;

/// So many a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// A key or a merchant, and its mode: test traffic uses up nothing of live traffic's.
pub(crate) type Who = (Uuid, bool);

/// What is left after one more request; or how long to wait for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    Left { requests: u32, full_in: Duration },
    Wait(Duration),
}

/// Counted as the moment at which a bucket would be full again (the generic cell rate algorithm).
pub(crate) struct Rates {
    rate: Rate,
    name: &'static str,
    policy: Option<HeaderValue>,
    full_at: Mutex<HashMap<Who, Instant>>,
}

impl Rates {
    pub(crate) fn new(name: &'static str, rate: Rate) -> Self {
        let window_s = rate.burst.div_ceil(rate.per_second.max(1)).max(1);
        let policy = HeaderValue::from_str(&format!("\"{name}\";q={};w={window_s}", rate.burst)).ok();
        Self { rate, name, policy, full_at: Mutex::default() }
    }

    /// Writes what is left into the headers.
    ///
    /// # Errors
    /// Nothing is left: how long to wait.
    pub(crate) fn tell(&self, marks: &mut HeaderMap, allowance: Allowance) -> Result<(), Problem> {
        let (left, full_in, waiting) = match allowance {
            Allowance::Left { requests, full_in } => (requests, full_in, None),
            Allowance::Wait(wait) => (0, wait, Some(wait)),
        };
        let remaining = format!("\"{}\";r={left};t={}", self.name, seconds_up(full_in));
        if let (Some(policy), Ok(remaining)) = (self.policy.clone(), HeaderValue::try_from(remaining)) {
            marks.append(POLICY, policy);
            marks.append(REMAINING, remaining);
        }
        waiting.map_or(Ok(()), |wait| Err(Problem::later(rules::RATE_LIMITED, seconds_up(wait).max(1))))
    }

    /// Takes `count` at once or nothing. More than a burst is taken all the same where next to nothing was used: one
    /// request that counts for many comes in, and is made up for by waiting longer for the next.
    pub(crate) fn take(&self, who: Who, count: u32, now: Instant) -> Allowance {
        let one = self.one();
        let whole = one.saturating_mul(self.rate.burst.max(1));
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= KEPT {
            full_at.retain(|_who, full| *full > now);
        }
        let full = full_at.get(&who).copied().unwrap_or(now).max(now);
        let used = full.saturating_duration_since(now);
        let at_once = count.min(self.rate.burst.saturating_sub(1)).max(1);
        let needed = used.saturating_add(one.saturating_mul(at_once));
        if needed > whole {
            return Allowance::Wait(needed.saturating_sub(whole));
        }
        let missing = used.saturating_add(one.saturating_mul(count));
        full_at.insert(who, now + missing);
        let left = whole.saturating_sub(missing).as_nanos() / one.as_nanos().max(1);
        Allowance::Left { requests: u32::try_from(left).unwrap_or(u32::MAX), full_in: missing }
    }
}

impl Rates {
    /// What was taken and then not used.
    pub(crate) fn give_back(&self, who: Who, count: u32) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full_at.get_mut(&who) {
            *full = full.checked_sub(self.one().saturating_mul(count)).unwrap_or(*full);
        }
    }

    /// How long one request takes to be there again.
    fn one(&self) -> Duration {
        Duration::from_secs(1) / self.rate.per_second.max(1)
    }
}

/// Takes back what was told, before it is told anew.
pub(crate) fn forget(marks: &mut HeaderMap) {
    marks.remove(POLICY);
    marks.remove(REMAINING);
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_then_the_rate() {
        let rates = Rates::new("key", Rate { per_second: 10, burst: 5 });
        let (who, start) = ((Uuid::from_u128(1), true), Instant::now());
        for left in (0..5).rev() {
            assert!(matches!(rates.take(who, 1, start), Allowance::Left { requests, .. } if requests == left));
        }
        assert_eq!(rates.take(who, 1, start), Allowance::Wait(Duration::from_millis(100)));
        assert!(matches!(rates.take((Uuid::from_u128(1), false), 1, start), Allowance::Left { .. }));
        let later = start + Duration::from_millis(100);
        assert!(matches!(rates.take(who, 1, later), Allowance::Left { requests: 0, .. }));
        assert!(matches!(rates.take(who, 1, later), Allowance::Wait(_)));
        assert!(matches!(rates.take(who, 5, start + Duration::from_secs(10)), Allowance::Left { requests: 0, .. }));
    }

    #[test]
    fn more_than_a_burst_comes_in_after_a_rest_and_is_made_up_for() {
        let rates = Rates::new("key", Rate { per_second: 10, burst: 5 });
        let (who, start) = ((Uuid::from_u128(1), true), Instant::now());
        // The request itself, then what it carries.
        assert!(matches!(rates.take(who, 1, start), Allowance::Left { .. }));
        let taken = rates.take(who, 99, start);
        assert_eq!(taken, Allowance::Left { requests: 0, full_in: Duration::from_secs(10) });
        assert_eq!(rates.take(who, 1, start), Allowance::Wait(Duration::from_millis(9_600)));
        assert!(matches!(rates.take(who, 1, start + Duration::from_millis(9_600)), Allowance::Left { .. }));
        // Whoever has used more than next to nothing waits until that is so again.
        let later = start + Duration::from_secs(60);
        assert!(matches!(rates.take(who, 2, later), Allowance::Left { .. }));
        assert_eq!(rates.take(who, 99, later), Allowance::Wait(Duration::from_millis(100)));
        rates.give_back(who, 1);
        assert!(matches!(rates.take(who, 99, later), Allowance::Left { .. }));
    }
}
