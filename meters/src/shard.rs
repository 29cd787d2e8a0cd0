//! Which part of a meter a thread counts into: threads that count at once do not meet.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many parts a meter has.
pub(crate) const SHARDS: usize = 4;

/// Of no thread yet.
const NONE: usize = usize::MAX;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(NONE) };
}

/// The part of this thread.
pub(crate) fn mine() -> usize {
    MINE.with(|mine| {
        if mine.get() == NONE {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        mine.get()
    })
}
