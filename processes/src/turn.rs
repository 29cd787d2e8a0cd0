//! One look of a process at the books: what it may read, what it adds, what it has heard.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{aggregate::Aggregate, id::MerchantId, refusal::Refusal as _, risk::facts::Counters};
use event_store::Books;
use traces::Value;

use crate::{
    brief::Brief,
    call::Heard,
    errand::Patience,
    process::Stop,
    spans::{Mark, Trace},
    unsettled::Unsettled,
};

/// What the work is about, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) process: &'static str,
    pub(crate) business: Arc<str>,
    pub(crate) payment: Arc<str>,
    pub(crate) merchant_id: MerchantId,
    pub(crate) livemode: bool,
}

/// What is looked up before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) brief: Brief,
    /// The trace of the request that is worked for.
    pub(crate) trace: Option<Trace>,
    pub(crate) merchant_since: Option<DateTime<Utc>>,
    pub(crate) counted: Counted,
    /// Of a merchant's, for those who settle.
    pub(crate) unsettled: Vec<Unsettled>,
    /// Whether more waits there, that cannot be settled yet.
    pub(crate) has_more_unsettled: bool,
}

/// What had been counted before the attempt at hand.
#[derive(Clone, Debug, Default)]
pub(crate) enum Counted {
    /// Nobody has looked yet.
    #[default]
    NotAsked,
    Known(Counters),
    /// It could not be had in time.
    Unknown,
}

pub(crate) struct Turn<'t, 'b> {
    books: &'t mut Books<'b>,
    pub(crate) work: &'t Work,
    pub(crate) known: &'t Known,
    /// The moment of the turn: the only clock there is.
    pub(crate) now: DateTime<Utc>,
    pub(crate) patience: Patience,
    heard: Option<&'t Heard>,
    /// What was done that is worth a span.
    pub(crate) marks: Vec<Mark>,
}

impl<'t, 'b> Turn<'t, 'b> {
    pub(crate) const fn new(
        books: &'t mut Books<'b>,
        work: &'t Work,
        known: &'t Known,
        (now, patience): (DateTime<Utc>, Patience),
        heard: Option<&'t Heard>,
    ) -> Self {
        Self { books, work, known, now, patience, heard, marks: Vec::new() }
    }

    /// Names what was done, for the trace of the request it is done for, where that is kept.
    pub(crate) fn mark(&mut self, name: &'static str, attributes: impl FnOnce() -> Vec<(&'static str, Value)>) {
        if self.known.trace.as_ref().is_some_and(|trace| trace.asked_by.is_some()) {
            self.marks.push(Mark { name, attributes: attributes() });
        }
    }

    pub(crate) fn state<A: Aggregate>(&mut self, id: &Arc<str>) -> Result<Arc<A>, Stop> {
        Ok(self.books.state::<A>(id)?)
    }

    /// A stream that this turn most likely opens: the append finds out where that is wrong.
    pub(crate) fn presume_new<A: Aggregate>(&mut self, id: &Arc<str>) {
        self.books.presume_new::<A>(id);
    }

    /// A command that must be taken.
    pub(crate) fn tell<A: Aggregate>(&mut self, id: &Arc<str>, command: &A::Command) -> Result<(), Stop> {
        self.offer::<A>(id, command)?.map_err(|refusal| Stop::Refused(refusal.code()))
    }

    /// A command that may be refused: then nothing came of it.
    pub(crate) fn offer<A: Aggregate>(
        &mut self,
        id: &Arc<str>,
        command: &A::Command,
    ) -> Result<Result<(), A::Refusal>, Stop> {
        Ok(self.books.tell::<A>(id, command)?)
    }

    /// What was heard of the call that was made since, for whoever asks first.
    pub(crate) const fn take_heard(&mut self) -> Option<&'t Heard> {
        self.heard.take()
    }

    pub(crate) const fn heard(&self) -> Option<&'t Heard> {
        self.heard
    }
}
