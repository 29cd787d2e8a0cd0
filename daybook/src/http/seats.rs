//! Who is connected: so many at once; the longest idle makes room for a newcomer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Stands for now, where nobody is idle.
const BUSY: u64 = u64::MAX;

pub(super) struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<BTreeMap<u64, Arc<Seat>>>,
    next: AtomicU64,
    begun: Instant,
}

/// The place of one connection.
pub(super) struct Seat {
    /// Milliseconds since the server began.
    idle_since: AtomicU64,
    has_asked: AtomicBool,
    /// Requests that have no answer yet.
    serving: Arc<AtomicUsize>,
    leave: Notify,
}

/// Gives the place back when the connection is gone.
pub(super) struct Taken {
    seats: Arc<Seats>,
    seat: Arc<Seat>,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(count: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(count));
        Arc::new(Self { free, taken: Mutex::default(), next: AtomicU64::new(0), begun: Instant::now() })
    }

    /// A seat for a newcomer; where none is free, one that is idle is asked to leave. Waits where all are busy.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Taken> {
        let place = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(place) => place,
            Err(_full) => loop {
                self.ask_one_to_leave();
                // Whoever is asked may be at work again by then: another is asked soon.
                if let Ok(place) = timeout(ASKED_AGAIN_AFTER, Arc::clone(&self.free).acquire_owned()).await {
                    break place.ok()?;
                }
            },
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat {
            idle_since: AtomicU64::new(self.now()),
            has_asked: AtomicBool::new(false),
            serving: Arc::default(),
            leave: Notify::new(),
        });
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&seat));
        Some(Taken { seats: Arc::clone(self), seat, number, _place: place })
    }

    /// Those that never asked for anything go before those that did, the longest idle first.
    fn ask_one_to_leave(&self) {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = taken.values().filter(|seat| seat.idle_since.load(Ordering::Relaxed) != BUSY);
        let rank =
            |seat: &&Arc<Seat>| (seat.has_asked.load(Ordering::Relaxed), seat.idle_since.load(Ordering::Relaxed));
        if let Some(seat) = idle.min_by_key(rank) {
            // It is asked once.
            seat.idle_since.store(BUSY, Ordering::Relaxed);
            seat.leave.notify_one();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(BUSY)
    }
}

impl Taken {
    /// While this is held, a request is being served.
    pub(super) fn busy(&self) -> Busy {
        self.seat.idle_since.store(BUSY, Ordering::Relaxed);
        self.seat.has_asked.store(true, Ordering::Relaxed);
        self.seat.serving.fetch_add(1, Ordering::Relaxed);
        Busy { seats: Arc::clone(&self.seats), seat: Arc::clone(&self.seat) }
    }

    pub(super) fn has_asked(&self) -> bool {
        self.seat.has_asked.load(Ordering::Relaxed)
    }

    pub(super) fn serving(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.seat.serving)
    }

    /// Returns when somebody else is to have the seat, and nobody is served on it.
    pub(super) async fn asked_to_leave(&self) {
        loop {
            self.seat.leave.notified().await;
            if self.seat.serving.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

pub(super) struct Busy {
    seats: Arc<Seats>,
    seat: Arc<Seat>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.seat.serving.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        self.seat.idle_since.store(self.seats.now(), Ordering::Relaxed);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}
