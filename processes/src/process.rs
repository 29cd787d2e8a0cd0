//! What a process is, and the list of them: adding one is a file and a line here.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::fact::Fact;
use event_store::Halt;

use crate::{
    call::Call, cancel::Cancel, capture::Capture, expire::Expire, give_back::GiveBack, look_into::LookInto,
    open_settlement::OpenSettlement, pay_out::PayOut, record_funds::RecordFunds, refund::Refund,
    release_late::ReleaseLate, return_suspense::ReturnSuspense, settle::Settle, take_payment::TakePayment, turn::Turn,
};

/// Looks at the books and says what comes next. It runs inside the store's decision: pure, and maybe more than once.
pub(crate) trait Process: Send + Sync {
    /// Its identity, for ever: names of sagas follow from it.
    fn name(&self) -> &'static str;

    /// What an event of this stream makes it look at, if anything.
    fn hears(&self, stream: &str, fact: &Fact) -> Option<Business>;

    /// Adds to the books what follows, and says what to do then.
    fn react(&self, turn: &mut Turn<'_, '_>) -> Result<Next, Stop>;
}

/// What a process is to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Business {
    /// By the id the outside knows.
    pub(crate) id: String,
    /// The payment it is part of.
    pub(crate) payment: Arc<str>,
}

#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    /// Ask a channel, and react to what it says.
    Call(Box<Call>),
    /// Look again then, or when something happens.
    Wait(DateTime<Utc>),
    /// Nothing, until something happens.
    Rest,
}

/// Why a reaction could not be finished. Nothing of it was written.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The store is to load something first.
    Halt(Halt),
    /// An aggregate said no where the process did not expect it.
    Refused(&'static str),
    /// It needs to know what was counted before this attempt.
    Uncounted,
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

pub(crate) static PROCESSES: &[&dyn Process] = &[
    &TakePayment,
    &Capture,
    &Cancel,
    &Refund,
    &ReturnSuspense,
    &ReleaseLate,
    &GiveBack,
    &Expire,
    &PayOut,
    &OpenSettlement,
    &Settle,
    &RecordFunds,
    &LookInto,
];

/// Under these names sagas are kept.
pub const NAMES: &[&str] = &[
    "take_payment",
    "capture_payment",
    "cancel_payment",
    "refund_payment",
    "return_suspense",
    "release_late",
    "give_back",
    "expire_authorisation",
    "pay_out",
    "open_settlement",
    "settle",
    "record_funds",
    "look_into",
];

pub(crate) fn named(name: &str) -> Option<&'static dyn Process> {
    PROCESSES.iter().copied().find(|process| process.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_for_ever() {
        assert_eq!(PROCESSES.iter().map(|process| process.name()).collect::<Vec<_>>(), NAMES);
    }
}
