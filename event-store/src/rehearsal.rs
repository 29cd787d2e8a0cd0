//! What a decision would do, without doing it.

use std::sync::Arc;

use ahash::HashMap;

use crate::act::{Decision, Verdict};
use crate::books::{self, Books, Why};
use crate::cache::Cache;
use crate::outcome::Failure;
use crate::store::Shared;

/// How often streams may be loaded for one rehearsal before the caller is told to come back.
const LOADS: u32 = 64;
const STREAMS: usize = 64;

/// How a decision would go on the log as it stands. Nothing is written and no key is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    Decided { verdict: Verdict, events: Vec<Proposed> },
    VersionMismatch { demanded: i64, actual: i64 },
}

/// An event that would follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    pub aggregate_type: String,
    pub aggregate_id: Arc<str>,
    pub sequence: i64,
    pub event_type: &'static str,
    pub payload: Arc<str>,
}

/// Every stream it needs is read anew: no append will come to find out that something remembered is no longer so.
pub(crate) async fn rehearse(shared: &Shared, decision: &Decision) -> Result<Rehearsal, Failure> {
    let read = Cache::bounded(STREAMS, Arc::clone(&shared.upcasters));
    for _load in 0..LOADS {
        let mut open = HashMap::default();
        let mut books = Books::new(&read, None, &mut open, false);
        let (stream, kind) = match books::take(decision, &mut books) {
            Ok(verdict) => {
                let added = match verdict {
                    Verdict::Accepted(_) => books.keep(),
                    Verdict::Refused(_) => books.drop_all(),
                };
                let events = added.drafts.into_iter().map(|draft| Proposed {
                    aggregate_type: draft.stream.kind.into_owned(),
                    aggregate_id: draft.stream.id,
                    sequence: draft.sequence,
                    event_type: draft.event_type,
                    payload: draft.payload,
                });
                return Ok(Rehearsal::Decided { verdict, events: events.collect() });
            }
            Err(Why::VersionMismatch { demanded, actual }) => {
                return Ok(Rehearsal::VersionMismatch { demanded, actual });
            }
            Err(Why::Never(failure)) => return Err(failure),
            Err(Why::Unloaded(stream, kind)) => (stream, kind),
        };
        for (stream, folded) in shared.load(&[(stream, kind)]).await? {
            read.put(stream, folded);
        }
    }
    Err(Failure::Busy)
}
