//! The one tracer of a process, if it has one: a bounded queue to whoever collects.

use std::sync::OnceLock;

use meters::Counter;
use tokio::sync::mpsc;

use crate::sampling::Sampling;
use crate::span::Span;

static TRACER: OnceLock<Tracer> = OnceLock::new();

struct Tracer {
    sampling: Sampling,
    ended: mpsc::Sender<Span>,
    dropped: Counter,
}

/// Begins to collect; what is returned brings the spans, of which at most `room` wait. `None` where it has begun before.
pub fn begin(sampling: Sampling, room: usize) -> Option<mpsc::Receiver<Span>> {
    let (ended, spans) = mpsc::channel(room);
    TRACER.set(Tracer { sampling, ended, dropped: Counter::default() }).ok().map(|()| spans)
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
    if let Some(tracer) = TRACER.get()
        && tracer.ended.try_send(span).is_err()
    {
        tracer.dropped.add(1);
    }
}

/// Spans there was no room for.
pub fn dropped() -> u64 {
    TRACER.get().map_or(0, |tracer| tracer.dropped.value())
}
