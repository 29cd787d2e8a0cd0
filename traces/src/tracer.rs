//! The one tracer of a process, if it has one: spans wait here for whoever collects.

use std::sync::{Mutex, OnceLock, PoisonError};

use meters::Counter;
use tokio::sync::Notify;

use crate::sampling::Sampling;
use crate::span::Span;

static TRACER: OnceLock<Tracer> = OnceLock::new();

struct Tracer {
    sampling: Sampling,
    room: usize,
    ended: Mutex<Vec<Span>>,
    /// Told of the first span that waits, and of no other: waking somebody costs more than a span does.
    waits: Notify,
    dropped: Counter,
}

/// Takes the spans that have ended.
#[derive(Debug)]
pub struct Ended(());

/// Begins to collect; of the spans at most `room` wait. `None` where it has begun before.
pub fn begin(sampling: Sampling, room: usize) -> Option<Ended> {
    let tracer = Tracer { sampling, room, ended: Mutex::default(), waits: Notify::new(), dropped: Counter::default() };
    TRACER.set(tracer).ok().map(|()| Ended(()))
}

impl Ended {
    /// Until some wait. Nothing is lost where this is given up.
    pub async fn wait(&mut self) {
        if let Some(tracer) = TRACER.get() {
            tracer.waits.notified().await;
        }
    }

    /// All that wait.
    pub fn take(&mut self) -> Vec<Span> {
        TRACER.get().map(|tracer| std::mem::take(&mut *tracer.waiting())).unwrap_or_default()
    }
}

impl Tracer {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Span>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether anybody collects.
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// Whether the spans of this trace are kept.
pub fn is_sampled(trace_id: &str) -> bool {
    TRACER.get().is_some_and(|tracer| tracer.sampling.keeps(trace_id))
}

/// Hands over a span; where there is no room it is dropped, and nobody waits.
pub fn record(span: Span) {
    let Some(tracer) = TRACER.get() else { return };
    let mut waiting = tracer.waiting();
    if waiting.len() >= tracer.room {
        drop(waiting);
        tracer.dropped.add(1);
        return;
    }
    waiting.push(span);
    let is_first = waiting.len() == 1;
    drop(waiting);
    if is_first {
        tracer.waits.notify_one();
    }
}

/// Spans there was no room for.
pub fn dropped() -> u64 {
    TRACER.get().map_or(0, |tracer| tracer.dropped.value())
}
