//! Sends a batch until its fate is known: one connection, and patience.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;

use crate::append::{self, Place, Seen, Trouble};
use crate::batch::{Batch, KeyName};
use crate::cache::Stream;
use crate::crash;
use crate::kind::Kind;
use crate::outcome::Failure;
use crate::settle::{self, Stored};
use crate::store::Shared;

/// Pauses between attempts to learn what became of a batch.
const RETRY_PAUSES_MS: [u64; 6] = [0, 50, 100, 200, 500, 1_000];

const MOST_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Appender {
    shared: Arc<Shared>,
    connection: Option<PgConnection>,
    seen: Seen,
}

/// What the log says about a batch that was not written.
pub(crate) struct Findings {
    pub(crate) stored: ahash::HashMap<KeyName, Stored>,
    pub(crate) moved: Vec<(Stream, Kind)>,
}

/// Whether a trouble arose after the batch may have left this process.
struct Sent(bool);

impl Appender {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: None, seen: Seen::default() }
    }

    /// Sends the batch until its fate is known; only a batch that was never sent may be given up. `None`: nothing was
    /// written, because something was assumed that is not so.
    pub(crate) async fn append(&mut self, batch: &Batch) -> Result<Option<Place>, Trouble> {
        let begun = Instant::now();
        let appended = self.send_until_known(batch).await;
        self.shared.figures.appended(&appended, batch, begun.elapsed());
        appended
    }

    async fn send_until_known(&mut self, batch: &Batch) -> Result<Option<Place>, Trouble> {
        let mut unresolved: Option<Unresolved> = None;
        let mut pauses = RETRY_PAUSES_MS.into_iter();
        // Twice as much for each attempt: a batch that needs longer than the first must not be sent for ever.
        let mut patience = self.shared.limits.append_within;
        loop {
            let attempted = self.attempt(batch, unresolved.is_some(), patience).await;
            patience = patience.saturating_mul(2).min(MOST_PATIENCE);
            match attempted {
                Ok(place) => {
                    if let (Some(place), Some(last)) = (place, batch.events.last()) {
                        self.seen = Seen { position: batch.last_position(place), event_id: Some(last.event_id) };
                    }
                    return Ok(place);
                }
                Err((Trouble::Unknown(reason), Sent(true))) => {
                    tracing::warn!(reason, "an append was not answered; sending the same batch again");
                    self.shared.figures.unanswered.add(1);
                    unresolved.get_or_insert_with(|| Unresolved::declare(&self.shared, batch));
                }
                Err((trouble, _sent)) if unresolved.is_none() => return Err(trouble),
                // The same data would have been refused the first time too.
                Err((trouble @ Trouble::Data { .. }, _sent)) => return Err(trouble),
                // Another log can say nothing of what the first one took.
                Err((Trouble::Shorter { reason, .. }, _sent)) => {
                    return Err(Trouble::Shorter { reason, may_be_written: true });
                }
                Err((trouble, _sent)) => {
                    tracing::warn!(?trouble, "what became of an append is still unknown; asking again");
                }
            }
            tokio::time::sleep(Duration::from_millis(pauses.next().unwrap_or(1_000))).await;
        }
    }

    /// One sending. After an unknown end the first thing to ask is whether that one came to be.
    async fn attempt(
        &mut self,
        batch: &Batch,
        was_sent: bool,
        patience: Duration,
    ) -> Result<Option<Place>, (Trouble, Sent)> {
        let unsent = |error: sqlx::Error| (Trouble::Unknown(error.to_string()), Sent(false));
        let mut connection = self.connected().await.map_err(unsent)?;
        crash::point("append.before_send");
        let sending = append::send(&mut connection, batch, self.seen);
        let answer = match tokio::time::timeout(patience, sending).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Trouble::Unknown("no answer in time".to_owned())),
        };
        crash::point("append.after_send");
        let place = match answer {
            Ok(None) if was_sent => {
                crash::point("append.before_find_own");
                let finding = settle::find_own(&mut connection, batch);
                let found = tokio::time::timeout(patience, finding).await;
                let own = found.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(unsent)?;
                crash::point("append.after_find_own");
                Ok(own)
            }
            // The connection is in an unknown state: it is dropped, not used again.
            Err(Trouble::Unknown(reason)) => return Err((Trouble::Unknown(reason), Sent(true))),
            // So is one to a server that refuses to write: the next may lead to the one that does.
            Err(trouble @ (Trouble::Refused(_) | Trouble::Shorter { .. })) => return Err((trouble, Sent(true))),
            known @ (Ok(_) | Err(Trouble::Again | Trouble::Data { .. })) => known,
        };
        self.connection = Some(connection);
        place.map_err(|trouble| (trouble, Sent(true)))
    }

    /// Asks what the batch assumed wrongly. The append that found it out has locked the head of the log: it was committed as
    /// any other, behind everything it saw, and so all that is found here is on the disk, and with the standby.
    pub(crate) async fn look(&mut self, batch: &Batch) -> Result<Findings, Failure> {
        let unavailable = |error: sqlx::Error| Failure::Unavailable { reason: error.to_string() };
        crash::point("settle.before_look");
        let mut connection = self.connected().await.map_err(unavailable)?;
        let looking = async {
            let stored = settle::stored_answers(&mut connection, batch).await?;
            let moved = settle::moved_streams(&mut connection, batch).await?;
            Ok(Findings { stored, moved })
        };
        let findings = match tokio::time::timeout(self.shared.limits.append_within, looking).await {
            Ok(findings) => findings.map_err(unavailable)?,
            Err(_elapsed) => return Err(Failure::Unavailable { reason: "no answer in time".to_owned() }),
        };
        crash::point("settle.after_look");
        self.connection = Some(connection);
        Ok(findings)
    }

    /// Takes the connection out: where the work on it ends badly or is given up, it is dropped with that work.
    async fn connected(&mut self) -> Result<PgConnection, sqlx::Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.shared.database.connect().await,
        }
    }
}

/// While it lives, the keys of the batch are in flight and other acts are refused at once: the log does not answer.
struct Unresolved {
    shared: Arc<Shared>,
}

impl Unresolved {
    fn declare(shared: &Arc<Shared>, batch: &Batch) -> Self {
        shared.declare_unresolved(batch.keys.iter().cloned().collect(), true);
        Self { shared: Arc::clone(shared) }
    }
}

impl Drop for Unresolved {
    fn drop(&mut self) {
        self.shared.declare_unresolved(Vec::new(), false);
    }
}
