//! A command on its way through the store: into the queue, and back with its outcome.

use std::time::{Duration, Instant};

use crate::act::Act;
use crate::crash;
use crate::outcome::{Failure, Outcome};
use crate::queue::Pending;
use crate::store::Store;

/// So long a caller waits whatever happens. Where an append is without a known end by then, the log does not answer, and
/// the caller is told.
const PROMPT: Duration = Duration::from_millis(1_500);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// An act in the queue; or what is known of it at once.
type Entered = Result<Pending, Result<Outcome, Failure>>;

impl Store {
    /// Decides an act and appends what it decided. The future may be dropped at any time: what was queued is decided
    /// all the same, or not at all, never by half.
    ///
    /// # Errors
    /// A [`Failure`], which says whether the act was applied.
    pub async fn execute(&self, act: Act) -> Result<Outcome, Failure> {
        match self.enter(vec![act]).pop() {
            Some(entered) => self.outcome(entered).await,
            None => Err(Failure::Busy),
        }
    }

    /// As [`Store::execute`], for acts that come together: they enter the queue together and so, where there is room,
    /// share an append. Each has its own outcome, in order.
    pub async fn execute_all(&self, acts: Vec<Act>) -> Vec<Result<Outcome, Failure>> {
        futures_util::future::join_all(self.enter(acts).into_iter().map(|entered| self.outcome(entered))).await
    }

    fn enter(&self, acts: Vec<Act>) -> Vec<Entered> {
        if self.shared.is_unresolved() {
            return acts.iter().map(|act| Err(self.shared.while_unresolved(act.key.as_ref()))).collect();
        }
        crash::point("execute.before_queue");
        let entered = self.shared.queue.push(acts);
        crash::point("execute.after_queue");
        entered.into_iter().map(|entered| entered.map_err(Err)).collect()
    }

    async fn outcome(&self, entered: Entered) -> Result<Outcome, Failure> {
        let mut pending = match entered {
            Ok(pending) => pending,
            Err(at_once) => return at_once,
        };
        let (begun, within) = (Instant::now(), self.shared.limits.answer_within);
        let mut patience = PROMPT.min(within);
        loop {
            match tokio::time::timeout(patience, &mut pending.outcome).await {
                Ok(Ok(outcome)) => return outcome,
                Ok(Err(_dropped)) => return Err(Failure::Unknown),
                // A log that is known to be silent is not waited for.
                Err(_elapsed) if begun.elapsed() < within && !self.shared.is_unresolved() => {
                    patience = LOOK_AGAIN.min(within.saturating_sub(begun.elapsed()));
                }
                Err(_elapsed) if pending.ticket.withdraw() => {
                    return Err(Failure::Unavailable {
                        reason: "the log did not come to this command in time".to_owned(),
                    });
                }
                Err(_elapsed) => return Err(Failure::Unknown),
            }
        }
    }
}
