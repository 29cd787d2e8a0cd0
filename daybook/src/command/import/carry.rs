//! Rows into the log, hundreds at once: what is there is found, what differs is told.

use std::time::Duration;

use event_store::{Failure, Outcome, Rehearsal, Remembered, Store};
use futures_util::{StreamExt as _, stream};
use tokio::time::sleep;

use super::plan::Planned;

/// Rows that enter the log together.
pub(super) const AT_ONCE: usize = 500;
/// Rows whose effect is looked at at once, where nothing is written.
const LOOKED_AT: usize = 16;
/// A log that does not answer is asked again so often, each time after twice as long.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// It is here now; in a dry run, it would be.
    Taken,
    /// It was here before, as it is there.
    Known,
    /// It was here before, and is otherwise there now: nothing was changed.
    Differs(String),
    /// The ledger says no, by which rule and why.
    Refused { code: String, why: String },
}

/// Carries out, or only looks.
pub(super) struct Carrier {
    pub(super) store: Store,
    pub(super) dry: bool,
}

impl Carrier {
    /// What becomes of each of these rows, in order.
    ///
    /// # Errors
    /// The log cannot be reached; what had come in stays, and may be found again.
    pub(super) async fn carry(&self, rows: &[Planned]) -> Result<Vec<Became>, String> {
        let keys: Vec<(&str, &str)> = rows.iter().map(|row| (&*row.key.scope, &*row.key.key)).collect();
        let remembered = self.store.remembered(&keys).await.map_err(|failure| failure.to_string())?;
        let mut became: Vec<Option<Became>> =
            rows.iter().zip(remembered).map(|(row, found)| found.map(|found| known(row, &found))).collect();
        let new: Vec<usize> = (0..rows.len()).filter(|at| became.get(*at).is_some_and(Option::is_none)).collect();
        let told = if self.dry { self.rehearse(rows, &new).await? } else { self.execute(rows, &new).await? };
        for (at, outcome) in told {
            if let Some(place) = became.get_mut(at) {
                *place = Some(outcome);
            }
        }
        became.into_iter().map(|became| became.ok_or_else(|| "a row was left out".to_owned())).collect()
    }

    async fn execute(&self, rows: &[Planned], new: &[usize]) -> Result<Vec<(usize, Became)>, String> {
        let (mut left, mut told, mut pause) = (new.to_vec(), Vec::with_capacity(new.len()), FIRST_PAUSE);
        for tries in 1..=TRIES {
            let acts = left.iter().filter_map(|at| rows.get(*at)).map(Planned::act).collect();
            let outcomes = self.store.execute_all(acts).await;
            let (mut again, mut why) = (Vec::new(), String::new());
            for (at, outcome) in left.iter().copied().zip(outcomes) {
                match outcome {
                    // The key makes it the same act, whether or not the first came to be.
                    Err(failure) if failure.is_retryable() => {
                        why = failure.to_string();
                        again.push(at);
                    }
                    Ok(Outcome::InFlight) => again.push(at),
                    outcome => told.extend(rows.get(at).map(|row| (at, ended(row, outcome)))),
                }
            }
            if again.is_empty() {
                return Ok(told);
            }
            if tries == TRIES {
                return Err(why);
            }
            left = again;
            sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        Ok(told)
    }

    async fn rehearse(&self, rows: &[Planned], new: &[usize]) -> Result<Vec<(usize, Became)>, String> {
        let look = |at: usize| async move {
            let Some(row) = rows.get(at) else { return Ok((at, Became::Taken)) };
            match self.store.rehearse(&row.act().decision).await {
                Ok(Rehearsal::Decided { .. } | Rehearsal::VersionMismatch { .. }) => Ok((at, Became::Taken)),
                // It comes with the rows before, which are not written either.
                Err(Failure::Data { code, .. }) if code == "merchant_absent" => Ok((at, Became::Taken)),
                Err(failure) if failure.is_retryable() => Err(failure.to_string()),
                Err(failure) => Ok((at, refused(failure))),
            }
        };
        stream::iter(new.iter().copied().map(look))
            .buffer_unordered(LOOKED_AT)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect()
    }
}

fn known(row: &Planned, found: &Remembered) -> Became {
    let is_same = found.fingerprint == row.key.fingerprint && found.answer == row.answer;
    if is_same { Became::Known } else { Became::Differs(otherwise(row)) }
}

/// What is so, and what to do.
fn otherwise(row: &Planned) -> String {
    format!("{} was taken over before with other contents, and stays as it was", row.source)
}

fn ended(row: &Planned, outcome: Result<Outcome, Failure>) -> Became {
    match outcome {
        Ok(Outcome::Accepted { .. }) => Became::Taken,
        Ok(Outcome::Replayed { answer, .. }) if answer == row.answer => Became::Known,
        Ok(Outcome::Replayed { .. } | Outcome::KeyReused) => Became::Differs(otherwise(row)),
        Ok(Outcome::Refused { answer, .. }) => Became::Refused { code: answer.body, why: String::new() },
        Ok(other @ (Outcome::InFlight | Outcome::VersionMismatch { .. })) => {
            Became::Refused { code: "unforeseen".to_owned(), why: format!("{other:?}") }
        }
        Err(failure) => refused(failure),
    }
}

fn refused(failure: Failure) -> Became {
    if let Failure::Data { code, reason } = failure {
        return Became::Refused { code, why: reason };
    }
    Became::Refused { code: "not_possible".to_owned(), why: failure.to_string() }
}
