//! The faults that can be asked for, and the handle that sets them while connections run.

mod rule;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub use self::rule::{Ending, Fault, Forged, Rule, Severity, When};
use super::random::Random;

/// Added to each request on its way in and to the first byte of its answer on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub each_way: Duration,
    /// Up to this much more, by the seed.
    pub jitter: Duration,
}

/// What was done so far; every fault counts when it has happened, not when it is decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub connections: u64,
    pub requests_lost: u64,
    pub left_unknown: u64,
    /// Answers of success that the client never saw.
    pub answers_lost: u64,
    /// Answers of error that the client never saw.
    pub errors_lost: u64,
    pub requests_held: u64,
    pub answers_held: u64,
    pub forged: u64,
    pub delayed: u64,
    /// Sessions ended by [`Faults::cut_all`].
    pub cut: u64,
}

/// What every link watches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) black_hole: bool,
    pub(super) latency: Option<Latency>,
    pub(super) releases: u64,
    pub(super) cuts: u64,
    pub(super) ending: Ending,
}

#[derive(Debug)]
struct Inside {
    plan: Mutex<(Vec<rule::Counted>, Random)>,
    weather: watch::Sender<Weather>,
    counts: watch::Sender<Counts>,
}

/// Sets faults at run time; clones speak of the same proxy.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Inside>);

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Inside {
            plan: Mutex::new((Vec::new(), Random::new(seed))),
            weather: watch::Sender::default(),
            counts: watch::Sender::default(),
        }))
    }

    /// Adds a rule behind those already there; the first that strikes wins.
    pub fn add(&self, rule: Rule) {
        self.plan().0.push(rule::Counted::new(rule));
    }

    /// Fair weather: no rules, no latency, nothing held.
    pub fn clear(&self) {
        self.plan().0.clear();
        self.set_latency(None);
        self.release();
    }

    pub fn set_latency(&self, latency: Option<Latency>) {
        self.0.weather.send_modify(|weather| weather.latency = latency);
    }

    /// Holds both directions of every connection, also of new ones; the sockets stay open.
    pub fn black_hole(&self) {
        self.0.weather.send_modify(|weather| weather.black_hole = true);
    }

    /// Lets go of everything held. A request held for a client that has given up still reaches the server, late.
    pub fn release(&self) {
        self.0.weather.send_modify(|weather| {
            weather.black_hole = false;
            weather.releases += 1;
        });
    }

    /// Ends every session now, wherever it stands.
    pub fn cut_all(&self, ending: Ending) {
        self.0.weather.send_modify(|weather| {
            weather.cuts += 1;
            weather.ending = ending;
        });
    }

    pub fn counts(&self) -> Counts {
        self.0.counts.borrow().clone()
    }

    /// Waits until the counts are as wanted; tests wait for faults with this, never with a sleep.
    pub async fn until(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.0.counts.subscribe();
        match counts.wait_for(wanted).await {
            Ok(seen) => seen.clone(),
            Err(_) => self.counts(),
        }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.0.counts.send_modify(change);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Weather> {
        self.0.weather.subscribe()
    }

    /// The fault for a request that executes this, if a rule strikes.
    pub(super) fn decide(&self, executed: &[Vec<u8>]) -> Option<Fault> {
        let mut plan = self.plan();
        let (rules, random) = &mut *plan;
        rules.iter_mut().find_map(|rule| rule.strike(executed, random))
    }

    /// How long to delay now; nothing in fair weather.
    pub(super) fn delay(&self, latency: Option<Latency>) -> Duration {
        let Some(latency) = latency else { return Duration::ZERO };
        let jitter_us = u64::try_from(latency.jitter.as_micros()).unwrap_or(u64::MAX);
        latency.each_way + Duration::from_micros(self.plan().1.up_to(jitter_us))
    }

    fn plan(&self) -> MutexGuard<'_, (Vec<rule::Counted>, Random)> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
