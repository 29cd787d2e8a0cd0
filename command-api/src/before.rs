//! Answers of the platform before: told again under the keys they were given under.

use event_store::{Failure, Outcome, Store};
use gate::{Call, Caller, Problem, Reply};

use crate::{
    carry_out::{is_dry_run, told},
    routes::Api,
};

/// What was answered there to this very request, under this key.
///
/// # Errors
/// The log cannot be asked.
pub(crate) async fn answered(api: &Api, call: &Call) -> Result<Option<Outcome>, Problem> {
    let (Caller::Merchant { .. }, Some(key)) = (&call.caller, &call.key) else { return Ok(None) };
    let scope = call.caller.idempotency_scope();
    let Some(remembered) = remembered(&api.gate.store, &scope, &key.0).await? else { return Ok(None) };
    let is_this = call.fingerprints_before(&api.gate.vault).contains(&remembered.fingerprint);
    Ok(is_this.then_some(Outcome::Replayed {
        position: remembered.position,
        sequence: remembered.sequence,
        answer: remembered.answer,
    }))
}

async fn remembered(store: &Store, scope: &str, key: &str) -> Result<Option<event_store::Remembered>, Problem> {
    let found = store.remembered(&[(scope, key)]).await;
    let found = found.map_err(|reason| Failure::Unavailable { reason: reason.to_string() })?;
    Ok(found.into_iter().next().flatten())
}

/// A request that comes to nothing here may have been answered there, when what it is about was.
pub(crate) async fn answered_or(api: &Api, call: &Call, problem: Problem) -> Result<Reply, Problem> {
    if is_dry_run(call)? {
        return Err(problem);
    }
    match answered(api, call).await? {
        Some(outcome) => Ok(told(outcome)?.reply(None)),
        None => Err(problem),
    }
}
