//! What a caller hands to the store: for whom, under which key, and the decision to take.

use std::sync::Arc;

use domain::aggregate::Aggregate;
use uuid::Uuid;

use crate::books::{Books, Halt};

/// Whose events these are. Both are absent for acts that belong to no merchant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    pub merchant_id: Option<Uuid>,
    pub livemode: Option<bool>,
}

/// An idempotency key. The same key with the same fingerprint is the same request, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub scope: Arc<str>,
    pub key: Arc<str>,
    /// What the request was: a hash the caller computes over everything that makes it this request.
    pub fingerprint: [u8; 32],
}

/// A key that opens sealed values in events, itself wrapped by a key that is kept elsewhere. It stands beside the log,
/// not in it: deleting it is the one way of forgetting something the log must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataKey {
    pub id: Uuid,
    pub wrapped: Vec<u8>,
    /// Keyed index of the person whose values it opens.
    pub person: Option<String>,
}

/// What is told to whoever asked, now and on every replay: byte for byte the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: i16,
    pub body: String,
}

/// How an act was decided. A refusal is an answer too: its key is remembered, its events are not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted(Answer),
    Refused(Answer),
}

/// Decides on the books as they stand. It may run more than once, each time on fresher books: it must be pure.
pub type Decision = Box<dyn Fn(&mut Books<'_>) -> Result<Verdict, Halt> + Send + Sync>;

/// One command on its way into the log.
pub struct Act {
    pub tenant: Tenant,
    pub key: Option<Key>,
    /// Who asked and why, as string pairs; written into the metadata of every event of this act.
    pub metadata: Vec<(&'static str, String)>,
    pub decision: Decision,
}

impl Act {
    /// One command on one aggregate, answered with nothing but its outcome.
    pub fn tell<A: Aggregate>(id: impl Into<Arc<str>>, command: A::Command) -> Self {
        let id = id.into();
        Self::deciding(move |books| match books.tell::<A>(&id, &command)? {
            Ok(()) => Ok(Verdict::Accepted(Answer::default())),
            Err(refusal) => {
                Ok(Verdict::Refused(Answer { status: 422, body: domain::refusal::Refusal::code(&refusal).to_owned() }))
            }
        })
    }

    /// Any decision, for no tenant and without a key.
    pub fn deciding(decision: impl Fn(&mut Books<'_>) -> Result<Verdict, Halt> + Send + Sync + 'static) -> Self {
        Self { tenant: Tenant::default(), key: None, metadata: Vec::new(), decision: Box::new(decision) }
    }
}
