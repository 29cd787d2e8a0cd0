//! The bounded queue before the writer: live acts first, test acts in what room is left.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

use crate::act::Act;
use crate::outcome::{Failure, Outcome};

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Whether the writer has an act in hand. Whoever asked may withdraw it only while it waits: then it was not applied,
/// and that is certain.
pub(crate) struct Ticket(AtomicU8);

impl Ticket {
    /// True where the act was still waiting: it will never be applied.
    pub(crate) fn withdraw(&self) -> bool {
        self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn put_back(&self) {
        self.0.store(WAITING, Ordering::Release);
    }
}

/// An act with whoever waits for its outcome. It holds its place in the queue's bound until it is answered.
pub(crate) struct Queued {
    pub(crate) act: Act,
    pub(crate) command_id: Uuid,
    /// How often it was decided without the decision holding.
    pub(crate) tries: u32,
    /// When it came, until somebody has looked how long it waited.
    pub(crate) since: Option<Instant>,
    ticket: Arc<Ticket>,
    answer: oneshot::Sender<Result<Outcome, Failure>>,
    _place: OwnedSemaphorePermit,
}

impl Queued {
    pub(crate) fn answer(self, outcome: Result<Outcome, Failure>) {
        // Whoever asked may have gone; what was decided stays decided.
        drop(self.answer.send(outcome));
    }
}

/// What `push` gives to whoever asks.
pub(crate) struct Pending {
    pub(crate) ticket: Arc<Ticket>,
    pub(crate) outcome: oneshot::Receiver<Result<Outcome, Failure>>,
}

#[derive(Default)]
struct Lanes {
    live: VecDeque<Queued>,
    test: VecDeque<Queued>,
    /// How many must wait before the writer is woken for them.
    enough: usize,
    closed: bool,
}

/// Acts waiting for the writer. Full means a clear refusal, never growth.
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    wake: Notify,
    live_places: Arc<Semaphore>,
    test_places: Arc<Semaphore>,
    places: usize,
}

impl Queue {
    /// Room for so many acts; a quarter as many again of test mode.
    pub(crate) fn bounded(acts: usize) -> Self {
        let test_acts = acts.div_ceil(4);
        Self {
            lanes: Mutex::new(Lanes::default()),
            wake: Notify::new(),
            live_places: Arc::new(Semaphore::new(acts)),
            test_places: Arc::new(Semaphore::new(test_acts)),
            places: acts.saturating_add(test_acts),
        }
    }

    /// Lets acts in, in order, as far as there is room for each; those that come in come in together.
    pub(crate) fn push(&self, acts: Vec<Act>) -> Vec<Result<Pending, Failure>> {
        let mut refused = Vec::new();
        let mut entered = Vec::with_capacity(acts.len());
        let since = Some(Instant::now());
        let is_enough = {
            let mut lanes = self.lock();
            for act in acts {
                let is_test = act.tenant.livemode == Some(false);
                let places = if is_test { &self.test_places } else { &self.live_places };
                let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                    entered.push(Err(Failure::Busy));
                    continue;
                };
                let (answer, outcome) = oneshot::channel();
                let ticket = Arc::new(Ticket(AtomicU8::new(WAITING)));
                let pending = Pending { ticket: Arc::clone(&ticket), outcome };
                let command_id = Uuid::now_v7();
                let queued = Queued { act, command_id, tries: 0, since, ticket, answer, _place: place };
                if lanes.closed {
                    refused.push(queued);
                    entered.push(Err(Failure::Unavailable { reason: "this process is stopping".to_owned() }));
                } else {
                    let lane = if is_test { &mut lanes.test } else { &mut lanes.live };
                    lane.push_back(queued);
                    entered.push(Ok(pending));
                }
            }
            lanes.depth() >= lanes.enough
        };
        // Their places are free again before the writer looks whether anybody is left.
        let is_refused = !refused.is_empty();
        drop(refused);
        if is_enough || is_refused {
            self.wake.notify_one();
        }
        entered
    }

    /// Back to the head of its lane, to be decided again: until then it may be withdrawn once more.
    pub(crate) fn put_back(&self, acts: Vec<Queued>) {
        {
            let mut lanes = self.lock();
            for queued in acts.into_iter().rev() {
                queued.ticket.put_back();
                let lane = if queued.act.tenant.livemode == Some(false) { &mut lanes.test } else { &mut lanes.live };
                lane.push_front(queued);
            }
        }
        self.wake.notify_one();
    }

    /// Whatever waits, up to `most`, as soon as `enough` do; test acts get at least an eighth of a full batch.
    /// `None` once the queue is closed and nothing is on its way back into it.
    pub(crate) async fn take(&self, most: usize, enough: usize) -> Option<Vec<Queued>> {
        loop {
            let woken = self.wake.notified();
            {
                let mut lanes = self.lock();
                lanes.enough = enough;
                // What was withdrawn is drained and left out: more may wait behind it.
                while lanes.depth() >= enough.max(1) {
                    let taken = lanes.drain(most.max(1));
                    if !taken.is_empty() {
                        return Some(taken);
                    }
                }
                if lanes.closed && self.is_unoccupied() {
                    return None;
                }
            }
            woken.await;
        }
    }

    /// Whatever waits now, up to `most`; perhaps nothing.
    pub(crate) fn take_now(&self, most: usize) -> Vec<Queued> {
        self.lock().drain(most)
    }

    /// Answers everything that waits with the same failure: nothing of it was written.
    pub(crate) fn refuse_waiting(&self, failure: &Failure) {
        let waiting = self.lock().drain(usize::MAX);
        for queued in waiting {
            queued.answer(Err(failure.clone()));
        }
    }

    /// Wakes a writer that waits for the last to leave a closed queue.
    pub(crate) fn some_have_left(&self) {
        if self.lock().closed {
            self.wake.notify_one();
        }
    }

    /// No act is accepted from here on; those inside are still decided.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// Whether nobody waits for an outcome, be it here or with the loader.
    fn is_unoccupied(&self) -> bool {
        self.live_places.available_permits().saturating_add(self.test_places.available_permits()) == self.places
    }

    pub(crate) fn depth(&self) -> usize {
        self.lock().depth()
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn depth(&self) -> usize {
        self.live.len().saturating_add(self.test.len())
    }

    fn drain(&mut self, most: usize) -> Vec<Queued> {
        let for_test = self.test.len().min(most / 8);
        let live = self.live.len().min(most.saturating_sub(for_test));
        let test = self.test.len().min(most.saturating_sub(live));
        self.live.drain(..live).chain(self.test.drain(..test)).filter(|queued| queued.ticket.take()).collect()
    }
}
