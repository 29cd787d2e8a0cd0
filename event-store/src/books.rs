//! The books as one decision sees them: folded states, and the events it adds to them.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ahash::HashMap;
use domain::aggregate::{Aggregate, Event};
use serde::Serialize;

use crate::act::{DataKey, Decision, Verdict};
use crate::cache::{Cache, Folded, Stream};
use crate::kind::Kind;
use crate::outcome::Failure;

/// The largest payload the log takes: with its headers it must fit into one message of a broker's default size.
pub const PAYLOAD_LIMIT: usize = 512 * 1024;

/// Why a decision could not be taken on the books at hand. Pass it on with `?`.
#[derive(Clone, Debug)]
pub struct Halt(pub(crate) Why);

impl Halt {
    /// Gives the act up: nothing of it is written, and its key stays free. A refusal would be remembered under the key;
    /// this may go otherwise another time. Whoever asked is told by [`Failure::Data`].
    pub fn give_up(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self(Why::Never(Failure::Data { code: code.into(), reason: reason.into() }))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Why {
    /// The stream is not in memory; the store loads it and the decision runs again.
    Unloaded(Stream, Kind),
    /// The caller demanded another version.
    VersionMismatch { demanded: i64, actual: i64 },
    /// No further try will help.
    Never(Failure),
}

/// Takes a decision on these books. One that panics costs only itself.
pub(crate) fn take(decision: &Decision, books: &mut Books<'_>) -> Result<Verdict, Why> {
    match catch_unwind(AssertUnwindSafe(|| decision(books))) {
        Ok(decided) => decided.map_err(|Halt(why)| why),
        Err(_panic) => {
            let reason = "its decision panicked; see the log of this process".to_owned();
            Err(Why::Never(Failure::Data { code: "panic".to_owned(), reason }))
        }
    }
}

/// A stream as this batch knows it: as committed when first read, plus what the batch has added.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) folded: Folded,
    /// The version it was read at: what the append makes sure is still so.
    pub(crate) read_at: i64,
}

/// An event that was decided and is not written yet.
pub(crate) struct Draft {
    pub(crate) stream: Stream,
    pub(crate) sequence: i64,
    pub(crate) event_type: &'static str,
    pub(crate) event_version: &'static str,
    pub(crate) payload: Arc<str>,
}

/// What a decision reads and changes. Every stream it looks at is remembered, and the append makes sure that none of
/// them has moved: a decision cannot rest on something that is no longer so.
pub struct Books<'b> {
    cache: &'b Cache,
    below: Option<&'b HashMap<Stream, Open>>,
    open: &'b mut HashMap<Stream, Open>,
    may_presume: bool,
    changed: Vec<(Stream, Folded)>,
    drafts: Vec<Draft>,
    data_keys: Vec<DataKey>,
    /// The version of the stream looked at last: what the act's outcome names.
    sequence: i64,
}

/// What one decision added to the books.
pub(crate) struct Added {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) data_keys: Vec<DataKey>,
    pub(crate) sequence: i64,
}

impl<'b> Books<'b> {
    pub(crate) fn new(
        cache: &'b Cache,
        below: Option<&'b HashMap<Stream, Open>>,
        open: &'b mut HashMap<Stream, Open>,
        may_presume: bool,
    ) -> Self {
        Self {
            cache,
            below,
            open,
            may_presume,
            changed: Vec::new(),
            drafts: Vec::new(),
            data_keys: Vec::new(),
            sequence: 0,
        }
    }

    /// The state of an aggregate; the empty one where it has no events.
    ///
    /// # Errors
    /// [`Halt`] where the stream must be loaded first.
    pub fn state<A: Aggregate>(&mut self, id: &Arc<str>) -> Result<Arc<A>, Halt> {
        self.folded::<A>(id).map(|(state, _version)| state)
    }

    /// How many events the aggregate has.
    ///
    /// # Errors
    /// [`Halt`] where the stream must be loaded first.
    pub fn version<A: Aggregate>(&mut self, id: &Arc<str>) -> Result<i64, Halt> {
        self.folded::<A>(id).map(|(_state, version)| version)
    }

    /// Goes on only where the aggregate has exactly that many events.
    ///
    /// # Errors
    /// [`Halt`] where it has not, or the stream must be loaded first.
    pub fn demand_version<A: Aggregate>(&mut self, id: &Arc<str>, demanded: i64) -> Result<(), Halt> {
        let actual = self.version::<A>(id)?;
        if actual == demanded { Ok(()) } else { Err(Halt(Why::VersionMismatch { demanded, actual })) }
    }

    /// Takes a stream that is not in memory to be empty, without a round trip to ask. The append finds out where that
    /// was wrong, and the decision runs again on the loaded stream. For commands that open a stream.
    pub fn presume_new<A: Aggregate>(&mut self, id: &Arc<str>) {
        let stream = stream_of::<A>(id);
        if self.may_presume && self.known(&stream).is_none() {
            let kind = Kind::of::<A>();
            let folded = Folded { kind, state: (kind.empty)(), version: 0 };
            self.open.insert(stream, Open { folded, read_at: 0 });
        }
    }

    /// Lets the aggregate decide a command; what it decides is part of these books from here on.
    ///
    /// # Errors
    /// Outside: [`Halt`]. Inside: the aggregate's refusal, after which nothing was added.
    pub fn tell<A: Aggregate>(&mut self, id: &Arc<str>, command: &A::Command) -> Result<Result<(), A::Refusal>, Halt> {
        let (mut state, mut version) = self.folded::<A>(id)?;
        let events = match state.decide(command) {
            Ok(events) => events,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if events.is_empty() {
            return Ok(Ok(()));
        }
        let stream = stream_of::<A>(id);
        for event in &events {
            version = version.saturating_add(1);
            let payload = written(event)?;
            if payload.len() > PAYLOAD_LIMIT {
                let failure = Failure::TooLarge { bytes: payload.len(), limit: PAYLOAD_LIMIT };
                return Err(Halt(Why::Never(failure)));
            }
            self.drafts.push(Draft {
                stream: stream.clone(),
                sequence: version,
                event_type: event.event_type(),
                event_version: event.event_version(),
                payload: payload.into(),
            });
            Arc::make_mut(&mut state).apply(event);
        }
        self.sequence = version;
        let folded = Folded { kind: Kind::of::<A>(), state, version };
        match self.changed.iter_mut().find(|(changed, _folded)| *changed == stream) {
            Some((_stream, kept)) => *kept = folded,
            None => self.changed.push((stream, folded)),
        }
        Ok(Ok(()))
    }

    /// Keeps the key that opens what the events of this decision carry sealed: in the same append as they are, or, where
    /// the decision adds none, not at all.
    pub fn keep_key(&mut self, key: &DataKey) {
        self.data_keys.push(key.clone());
    }

    /// Accepts what the decision added: the new states go into the open streams, the events to the caller.
    pub(crate) fn keep(self) -> Added {
        for (stream, folded) in self.changed {
            let read_at = self.open.get(&stream).map_or(0, |open| open.read_at);
            self.open.insert(stream, Open { folded, read_at });
        }
        let data_keys = if self.drafts.is_empty() { Vec::new() } else { self.data_keys };
        Added { drafts: self.drafts, data_keys, sequence: self.sequence }
    }

    /// Drops what the decision added. What it read stays read.
    pub(crate) fn drop_all(self) -> Added {
        let read = self.drafts.first().map_or(self.sequence, |draft| draft.sequence.saturating_sub(1));
        Added { drafts: Vec::new(), data_keys: Vec::new(), sequence: read }
    }

    fn folded<A: Aggregate>(&mut self, id: &Arc<str>) -> Result<(Arc<A>, i64), Halt> {
        let stream = stream_of::<A>(id);
        let unloaded = |stream| Halt(Why::Unloaded(stream, Kind::of::<A>()));
        let Some(folded) = self.known(&stream) else { return Err(unloaded(stream)) };
        let version = folded.version;
        match Arc::clone(&folded.state).downcast::<A>() {
            Ok(state) => {
                self.sequence = version;
                Ok((state, version))
            }
            Err(_another_type) => Err(unloaded(stream)),
        }
    }

    /// The newest this decision may know of a stream: changed by itself, opened by this batch, on its way, or cached.
    fn known(&mut self, stream: &Stream) -> Option<&Folded> {
        if let Some(at) = self.changed.iter().position(|(changed, _folded)| changed == stream) {
            return self.changed.get(at).map(|(_stream, folded)| folded);
        }
        if !self.open.contains_key(stream) {
            let on_its_way = self.below.and_then(|below| below.get(stream)).map(|open| open.folded.clone());
            let folded = on_its_way.or_else(|| self.cache.get(stream))?;
            let read_at = folded.version;
            self.open.insert(stream.clone(), Open { folded, read_at });
        }
        self.open.get(stream).map(|open| &open.folded)
    }
}

/// An event as its payload; most have room at once.
fn written<E: Serialize>(event: &E) -> Result<String, Halt> {
    let refused = |reason: String| Halt(Why::Never(Failure::Data { code: "json".to_owned(), reason }));
    let mut payload = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut payload, event).map_err(|reason| refused(reason.to_string()))?;
    String::from_utf8(payload).map_err(|reason| refused(reason.to_string()))
}

fn stream_of<A: Aggregate>(id: &Arc<str>) -> Stream {
    Stream { kind: Cow::Borrowed(A::TYPE), id: Arc::clone(id) }
}
