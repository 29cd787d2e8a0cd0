//! The folded states of the streams in use: bounded, and kept fresh by the tail.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::generations::Generations;
use crate::kind::{Kind, State};
use crate::recorded::Recorded;
use crate::upcast::Upcasters;

/// The name of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) id: Arc<str>,
}

/// A folded state and the sequence of the last event in it.
#[derive(Clone)]
pub(crate) struct Folded {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) version: i64,
}

/// Shared by the writer, the readers and the tail.
pub(crate) struct Cache {
    streams: Mutex<Generations<Stream, Folded>>,
    upcasters: Arc<Upcasters>,
}

impl Cache {
    pub(crate) fn bounded(entries: usize, upcasters: Arc<Upcasters>) -> Self {
        Self { streams: Mutex::new(Generations::bounded(entries)), upcasters }
    }

    pub(crate) fn get(&self, stream: &Stream) -> Option<Folded> {
        self.lock().get(stream).cloned()
    }

    /// Keeps the newer of what is there and what comes.
    pub(crate) fn put(&self, stream: Stream, folded: Folded) {
        let mut streams = self.lock();
        if streams.get(&stream).is_none_or(|kept| kept.version < folded.version) {
            streams.insert(stream, folded);
        }
    }

    pub(crate) fn forget(&self, stream: &Stream) {
        self.lock().remove(stream);
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    /// Takes note of an event another process wrote: the next one of a cached stream is folded in; if it cannot be,
    /// the stream is forgotten and will be loaded when it is asked for.
    pub(crate) fn observe(&self, event: &Recorded) {
        let mut streams = self.lock();
        let stream = Stream { kind: event.aggregate_type.clone(), id: Arc::clone(&event.aggregate_id) };
        let Some(kept) = streams.get(&stream) else { return };
        if event.sequence <= kept.version {
            return;
        }
        let next = (event.sequence == kept.version.saturating_add(1))
            .then(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    (kept.kind.fold)(Arc::clone(&kept.state), event, &self.upcasters).ok()
                }))
            })
            .and_then(|folded| folded.ok().flatten());
        match next {
            Some(state) => {
                kept.state = state;
                kept.version = event.sequence;
            }
            None => streams.remove(&stream),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<Stream, Folded>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
