//! An event with what it says: read once, by whoever needs it first, for all read models of the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use domain::fact::Fact;
use event_store::{Poison, Recorded, Upcasters};

/// An event of the log, and its fact once somebody has asked for it.
pub struct Happened {
    pub recorded: Arc<Recorded>,
    upcasters: Arc<Upcasters>,
    unknown: Option<String>,
    fact: OnceLock<Result<Fact, String>>,
}

impl Happened {
    pub fn new(recorded: Arc<Recorded>, upcasters: Arc<Upcasters>) -> Self {
        let unknown = upcasters.must_know(&recorded).err();
        Self { recorded, upcasters, unknown, fact: OnceLock::new() }
    }

    /// Makes sure that this program knows events of this type and version. One that it does not know is never passed
    /// over, also by those it may not concern.
    ///
    /// # Errors
    /// An event of another release.
    pub fn must_be_known(&self) -> Result<(), Poison> {
        self.unknown.as_ref().map_or(Ok(()), |reason| Err(Poison::Event(reason.clone())))
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

    /// These events, with what is known of them.
    pub fn with_facts(&self, events: &[Arc<Recorded>]) -> Vec<Arc<Happened>> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let happened = |event: &Arc<Recorded>| {
            found(&ring, event).unwrap_or_else(|| {
                let happened = Arc::new(Happened::new(Arc::clone(event), Arc::clone(&self.upcasters)));
                keep(&mut ring, &happened);
                happened
            })
        };
        events.iter().map(happened).collect()
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
