//! The one writer of this process: takes what waits, decides it in order, appends it in one call, answers.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnection;

use crate::append::{self, Place, Trouble};
use crate::batch::{Batch, KeyName, name_of};
use crate::books::{Halt, Why};
use crate::cache::Stream;
use crate::crash;
use crate::kind::Kind;
use crate::outcome::{Failure, Outcome};
use crate::queue::Queued;
use crate::settle::{self, Stored};
use crate::store::Shared;

/// How many acts one append carries at most.
const ACTS_PER_BATCH: usize = 1_000;
/// How often an act is decided again before its caller is told to come back.
const TRIES: u32 = 200;
/// Pauses between attempts to learn what became of a batch.
const RETRY_PAUSES_MS: [u64; 6] = [0, 50, 100, 200, 500, 1_000];

pub(crate) struct Writer {
    shared: Arc<Shared>,
    connection: Option<PgConnection>,
    /// The end of the log as this process has seen it. A log that ends before is not the same log.
    seen_position: i64,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: None, seen_position: 0 }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(acts) = self.shared.queue.take(ACTS_PER_BATCH).await {
            // Acts to settle, the ones to settle first last.
            let mut work = vec![acts];
            while let Some(acts) = work.pop() {
                work.extend(self.settle(acts).await.into_iter().rev());
            }
        }
    }

    /// Decides and appends; what comes back must be settled again, in that order.
    async fn settle(&mut self, acts: Vec<Queued>) -> Vec<Vec<Queued>> {
        crash::point("writer.before_decide");
        let batch = self.decide(acts);
        crash::point("writer.after_decide");
        if batch.items.is_empty() {
            return Vec::new();
        }
        match self.append(&batch).await {
            Ok(Some(place)) => {
                self.conclude(batch, place);
                Vec::new()
            }
            Ok(None) => vec![self.reconcile(batch).await],
            Err(Trouble::Data { code, reason }) => split(batch, &Failure::Data { code, reason }),
            Err(Trouble::Shorter(reason)) => {
                tracing::error!(reason, "the log is shorter than it was; no more commands are accepted");
                self.shared.queue.close();
                self.refuse(batch.into_acts(), &Failure::Shorter { reason })
            }
            Err(Trouble::Refused(reason) | Trouble::Unknown(reason)) => {
                tracing::warn!(reason, "an append was not possible");
                self.refuse(batch.into_acts(), &Failure::Unavailable { reason })
            }
            Err(Trouble::Again) => vec![batch.into_acts()],
        }
    }

    /// Decides in the order of the queue. An act whose key was answered lately gets that answer; one whose key is in
    /// the batch already waits for the next; one whose streams are not in memory goes to the loader.
    fn decide(&self, acts: Vec<Queued>) -> Batch {
        let mut batch = Batch::default();
        let mut unloaded: Vec<(Queued, Stream, Kind)> = Vec::new();
        let mut later = Vec::new();
        for mut queued in acts {
            if let Some(key) = &queued.act.key {
                if let Some(stored) = self.shared.answered_lately(key) {
                    let outcome = stored.outcome(key);
                    queued.answer(Ok(outcome));
                    continue;
                }
                if batch.holds(key) {
                    later.push(queued);
                    continue;
                }
            }
            queued.tries = queued.tries.saturating_add(1);
            if queued.tries > TRIES {
                queued.answer(Err(Failure::Busy));
                continue;
            }
            match batch.decide(&self.shared.cache, queued) {
                None => {}
                Some((queued, Halt(Why::Unloaded(stream, kind)))) => unloaded.push((queued, stream, kind)),
                Some((queued, Halt(Why::VersionMismatch { demanded, actual }))) => {
                    queued.answer(Ok(Outcome::VersionMismatch { demanded, actual }));
                }
                Some((queued, Halt(Why::Unwritable(reason)))) => {
                    queued.answer(Err(Failure::Data { code: "json".to_owned(), reason }));
                }
                Some((queued, Halt(Why::TooLarge { bytes, limit }))) => {
                    queued.answer(Err(Failure::TooLarge { bytes, limit }));
                }
            }
        }
        if !unloaded.is_empty() {
            tokio::spawn(Arc::clone(&self.shared).load_and_put_back(unloaded));
        }
        if !later.is_empty() {
            self.shared.queue.put_back(later);
        }
        batch
    }

    /// Sends the batch until its fate is known. Only a batch that was never sent may be given up.
    async fn append(&mut self, batch: &Batch) -> Result<Option<Place>, Trouble> {
        let mut unresolved: Option<Unresolved> = None;
        let mut pauses = RETRY_PAUSES_MS.into_iter();
        loop {
            match self.attempt(batch, unresolved.is_some()).await {
                Ok(place) => return Ok(place),
                Err((Trouble::Unknown(reason), Sent(true))) => {
                    tracing::warn!(reason, "an append was not answered; sending the same batch again");
                    unresolved.get_or_insert_with(|| Unresolved::declare(&self.shared, batch));
                }
                Err((trouble, _sent)) if unresolved.is_none() => return Err(trouble),
                // The same data would have been refused the first time too, and another log has no first time.
                Err((trouble @ (Trouble::Data { .. } | Trouble::Shorter(_)), _sent)) => return Err(trouble),
                Err((trouble, _sent)) => {
                    tracing::warn!(?trouble, "what became of an append is still unknown; asking again");
                }
            }
            tokio::time::sleep(Duration::from_millis(pauses.next().unwrap_or(1_000))).await;
        }
    }

    /// One sending. After an unknown end the first thing to ask is whether that one came to be.
    async fn attempt(&mut self, batch: &Batch, was_sent: bool) -> Result<Option<Place>, (Trouble, Sent)> {
        let unsent = |error: sqlx::Error| (Trouble::Unknown(error.to_string()), Sent(false));
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.shared.database.connect().await.map_err(unsent)?,
        };
        crash::point("append.before_send");
        let sending = append::send(&mut connection, batch, self.seen_position);
        let answer = match tokio::time::timeout(self.shared.limits.append_within, sending).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Trouble::Unknown("no answer in time".to_owned())),
        };
        crash::point("append.after_send");
        let place = match answer {
            Ok(None) if was_sent => {
                crash::point("append.before_find_own");
                let own = settle::find_own(&mut connection, batch).await.map_err(unsent)?;
                crash::point("append.after_find_own");
                Ok(own)
            }
            // The connection is in an unknown state: it is dropped, not used again.
            Err(Trouble::Unknown(reason)) => return Err((Trouble::Unknown(reason), Sent(true))),
            known => known,
        };
        self.connection = Some(connection);
        place.map_err(|trouble| (trouble, Sent(true)))
    }

    /// The batch stands in the log: everybody learns of it.
    fn conclude(&mut self, mut batch: Batch, place: Place) {
        batch.place(place.first_position, place.recorded_at);
        let last =
            place.first_position.saturating_sub(1).saturating_add(i64::try_from(batch.events.len()).unwrap_or(0));
        self.seen_position = self.seen_position.max(last);
        crash::point("writer.before_cache");
        self.shared.keep_states(&mut batch);
        self.shared.tail.offer(batch.events);
        crash::point("writer.after_cache");
        crash::point("writer.before_answers");
        for item in batch.items {
            let outcome = item.outcome(place.first_position);
            if let (
                Some(key),
                Outcome::Accepted { position, sequence, .. } | Outcome::Refused { position, sequence, .. },
            ) = (&item.queued.act.key, &outcome)
            {
                let stored = Stored {
                    fingerprint: key.fingerprint,
                    position: *position,
                    sequence: *sequence,
                    answer: item.answer().clone(),
                };
                self.shared.remember_answer(name_of(key), stored);
            }
            item.queued.answer(Ok(outcome));
        }
        crash::point("writer.after_answers");
    }

    /// Nothing was written because something was assumed that is not so. Used keys get their answers, moved streams
    /// are loaded, the rest is decided again.
    async fn reconcile(&mut self, batch: Batch) -> Vec<Queued> {
        crash::point("settle.before_look");
        let looked = self.look(&batch).await;
        crash::point("settle.after_look");
        let stored = match looked {
            Ok(stored) => stored,
            Err(failure) => {
                self.connection = None;
                let _settled = self.refuse(batch.into_acts(), &failure);
                return Vec::new();
            }
        };
        let mut again = Vec::new();
        for queued in batch.into_acts() {
            match queued.act.key.as_ref().and_then(|key| stored.get(&name_of(key)).map(|stored| (key, stored))) {
                Some((key, stored)) => {
                    let outcome = stored.outcome(key);
                    self.shared.remember_answer(name_of(key), stored.clone());
                    queued.answer(Ok(outcome));
                }
                None => again.push(queued),
            }
        }
        again
    }

    async fn look(&mut self, batch: &Batch) -> Result<std::collections::HashMap<KeyName, Stored>, Failure> {
        let unavailable = |error: sqlx::Error| Failure::Unavailable { reason: error.to_string() };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.shared.database.connect().await.map_err(unavailable)?,
        };
        let looking = async {
            let stored = settle::stored_answers(&mut connection, batch).await?;
            let moved = settle::moved_streams(&mut connection, batch).await?;
            Ok((stored, moved))
        };
        let (stored, moved) = match tokio::time::timeout(self.shared.limits.append_within, looking).await {
            Ok(looked) => looked.map_err(unavailable)?,
            Err(_elapsed) => return Err(Failure::Unavailable { reason: "no answer in time".to_owned() }),
        };
        self.connection = Some(connection);
        let moved: Vec<(Stream, Kind)> = moved
            .into_iter()
            .filter_map(|stream| batch.open.get(&stream).map(|open| (stream.clone(), open.folded.kind)))
            .collect();
        for (stream, _kind) in &moved {
            self.shared.cache.forget(stream);
        }
        match self.shared.load(&moved).await {
            // Whoever needs the unreadable stream finds out by itself.
            Ok(_) | Err(Failure::Unreadable { .. }) => Ok(stored),
            Err(failure) => Err(failure),
        }
    }

    /// Answers acts of which nothing was written.
    fn refuse(&self, acts: Vec<Queued>, failure: &Failure) -> Vec<Vec<Queued>> {
        for queued in acts {
            queued.answer(Err(failure.clone()));
        }
        Vec::new()
    }
}

/// Whether a trouble arose after the batch may have left this process.
struct Sent(bool);

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

/// A data error is one act's fault and must cost only that act: the halves are settled by themselves.
fn split(batch: Batch, failure: &Failure) -> Vec<Vec<Queued>> {
    let mut first = batch.into_acts();
    if first.len() > 1 {
        let second = first.split_off(first.len() / 2);
        return vec![first, second];
    }
    for queued in first {
        queued.answer(Err(failure.clone()));
    }
    Vec::new()
}
