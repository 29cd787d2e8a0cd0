//! An event with what it says: read once, by whoever needs it first, for all read models of the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::fact::Fact;
use event_store::{Poison, Recorded, Upcasters};

/// An event of the log, and its fact once somebody has asked for it.
pub struct Happened {
    pub recorded: Arc<Recorded>,
    upcasters: Arc<Upcasters>,
    fact: OnceLock<Result<Fact, String>>,
}

impl Happened {
    pub fn new(recorded: Arc<Recorded>, upcasters: Arc<Upcasters>) -> Self {
        Self { recorded, upcasters, fact: OnceLock::new() }
    }

    /// What the event says.
    ///
    /// # Errors
    /// This program does not understand it: whoever follows the log must stop here.
    pub fn fact(&self) -> Result<&Fact, Poison> {
        let fact = self.fact.get_or_init(|| self.upcasters.fact(&self.recorded));
        fact.as_ref().map_err(|reason| Poison::Event(reason.clone()))
    }
}

/// The events that passed lately. Followers that are caught up find there what another has read already.
pub struct Lately {
    upcasters: Arc<Upcasters>,
    /// A run without holes.
    ring: Mutex<VecDeque<Arc<Happened>>>,
}

/// As many as the tail of the log keeps.
const KEPT: usize = 8_192;

impl Lately {
    pub fn new(upcasters: Arc<Upcasters>) -> Self {
        Self { upcasters, ring: Mutex::new(VecDeque::new()) }
    }

    /// These events, with what is known of them. One that this program does not know ends in an error: it is never
    /// passed over, also by those it may not concern.
    ///
    /// # Errors
    /// An event of a type or version from another release.
    pub fn with_facts(&self, events: &[Arc<Recorded>]) -> Result<Vec<Arc<Happened>>, Poison> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::with_capacity(events.len());
        for event in events {
            let happened = match found(&ring, event) {
                Some(happened) => happened,
                None => {
                    self.upcasters.must_know(event).map_err(Poison::Event)?;
                    let happened = Arc::new(Happened::new(Arc::clone(event), Arc::clone(&self.upcasters)));
                    keep(&mut ring, &happened);
                    happened
                }
            };
            all.push(happened);
        }
        Ok(all)
    }
}

fn found(ring: &VecDeque<Arc<Happened>>, event: &Recorded) -> Option<Arc<Happened>> {
    let first = ring.front()?.recorded.position;
    let at = usize::try_from(event.position.checked_sub(first)?).ok()?;
    ring.get(at).filter(|known| known.recorded.event_id == event.event_id).map(Arc::clone)
}

/// Those who are behind read old events for themselves: only what comes next, or much later, is kept.
fn keep(ring: &mut VecDeque<Arc<Happened>>, happened: &Arc<Happened>) {
    let next = ring.back().map_or(happened.recorded.position, |last| last.recorded.position.saturating_add(1));
    if happened.recorded.position < next {
        return;
    }
    if happened.recorded.position > next {
        ring.clear();
    }
    ring.push_back(Arc::clone(happened));
    if ring.len() > KEPT {
        ring.pop_front();
    }
}
