//! Along the log in order: what each event must be after the one before it, and the tree.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::HashMap;
use event_store::{Bulk, Database, Run, Upcasters};
use futures_util::{StreamExt as _, TryFutureExt as _, stream};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::compare::Compared;
use super::kind::{Finding, Kind};
use super::look::{Line, Looked, Stream, Streams, look};
use super::reference::Reference;
use super::signed::Signed;
use super::state::{self, Halfway};
use super::{Verify, VerifyFailure};
use crate::rows::Standing;

/// Events of one run. Some runs are in memory at once.
const RUN: i64 = 16_384;
/// Runs looked at side by side.
const AT_ONCE: usize = 3;
/// Findings after which the walk ends: nobody reads more.
const ENOUGH: usize = 100;

pub(super) struct Walk<'v> {
    database: &'v Database,
    upcasters: Arc<Upcasters>,
    state: Option<&'v PathBuf>,
    save_every: Duration,
    streams: Streams,
    ends: HashMap<Stream, i64>,
    last_recorded_us: i64,
    at: i64,
    resumed: bool,
    compared: Compared,
    findings: Vec<Finding>,
}

/// What the walk brings home.
pub(super) struct Walked {
    pub(super) head: i64,
    /// How far the log agrees with what was signed.
    pub(super) proven: u64,
    pub(super) compared: Compared,
    pub(super) findings: Vec<Finding>,
    /// Where the walk ended before the head, if the log could not be read on.
    pub(super) stopped_at: Option<i64>,
}

impl<'v> Walk<'v> {
    pub(super) fn new(
        verify: &'v Verify,
        pool: &PgPool,
        references: Vec<Reference>,
        signed: Vec<Signed>,
        standing: Option<Standing>,
        halfway: Option<Halfway>,
    ) -> Self {
        let at = halfway.as_ref().map_or(0, |halfway| halfway.upto);
        let last_recorded_us = halfway.as_ref().map_or(i64::MIN, |halfway| halfway.recorded_at_us);
        Self {
            database: &verify.database,
            upcasters: Arc::clone(&verify.upcasters),
            state: verify.state.as_ref(),
            save_every: verify.save_every,
            streams: Streams::default(),
            ends: HashMap::default(),
            last_recorded_us,
            at,
            resumed: halfway.is_some(),
            compared: Compared::new(pool, references, signed, standing, halfway.as_ref()),
            findings: Vec::new(),
        }
    }

    pub(super) async fn to_the_end(mut self, watch: &(dyn Fn(i64, i64) + Sync)) -> Result<Walked, VerifyFailure> {
        let mut bulk = self.database.bulk().await?;
        let head = bulk.head().await?;
        if self.resumed {
            let (ends, streams) = (&mut self.ends, &self.streams);
            bulk.stream_ends(self.at, |kind, id, sequence| {
                ends.insert(streams.name(kind, id), sequence);
            })
            .await?;
        }
        let before_the_first = bulk.run(i64::MIN, 0).await?;
        let mut findings = Vec::new();
        before_the_first.glance(|event| {
            findings.push(Finding::new(event.position, Kind::Inserted, "positions begin at one"));
        });
        self.findings.append(&mut findings);
        let mut ids = self.database.bulk().await?;
        let again = tokio::spawn(async move { ids.repeated_event_id(head).await });
        let stopped_at = self.all_runs(bulk, head, watch).await?;
        match again.await.map_err(|gone| VerifyFailure::Thread(gone.to_string()))? {
            Ok(Some(position)) => {
                self.findings.push(Finding::new(position, Kind::EventId, "an event before it has the same id"));
            }
            Ok(None) => {}
            // What cannot be read is a finding already.
            Err(failure) if is_corrupted(&failure) && stopped_at.is_some() => {}
            Err(failure) => return Err(failure.into()),
        }
        let proven = self.compared.proven();
        Ok(Walked { head, proven, compared: self.compared, findings: self.findings, stopped_at })
    }

    /// Where it had to stop, if it had to.
    async fn all_runs(
        &mut self,
        bulk: Bulk,
        head: i64,
        watch: &(dyn Fn(i64, i64) + Sync),
    ) -> Result<Option<i64>, VerifyFailure> {
        let (sender, receiver) = mpsc::channel(1);
        let reader = tokio::spawn(read(bulk, self.at, head, sender));
        let (upcasters, streams) = (Arc::clone(&self.upcasters), self.streams.clone());
        let runs =
            stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|run| (run, receiver)) });
        let looking = runs.map(|(after, upto, run): Piece| {
            let (upcasters, streams) = (Arc::clone(&upcasters), streams.clone());
            let looked = spawn_blocking(move || run.map(|run| look(&run, (after, upto), &upcasters, &streams)));
            looked.map_err(|gone| VerifyFailure::Thread(gone.to_string())).map_ok(move |looked| (after, upto, looked))
        });
        let mut looking = std::pin::pin!(looking.buffered(AT_ONCE));
        let mut saved = Instant::now();
        while let Some(looked) = looking.next().await {
            let (after, upto, looked) = looked?;
            match looked {
                Ok(looked) => self.take_in(looked).await?,
                Err(failure) if is_corrupted(&failure) => {
                    let position = self.first_unreadable(after, upto).await?;
                    let words = format!("the database cannot give this event: {failure}");
                    self.findings.push(Finding::new(position, Kind::Unreadable, words));
                    reader.abort();
                    return Ok(Some(position));
                }
                Err(failure) => return Err(failure.into()),
            }
            self.at = upto;
            watch(upto, head);
            if self.findings.len() >= ENOUGH {
                reader.abort();
                return Ok(Some(upto.saturating_add(1)));
            }
            if saved.elapsed() >= self.save_every {
                self.save()?;
                saved = Instant::now();
            }
        }
        Ok(None)
    }

    async fn take_in(&mut self, looked: Looked) -> Result<(), VerifyFailure> {
        let Looked { leaves, lines, mut findings } = looked;
        self.findings.append(&mut findings);
        for line in lines {
            self.in_order(line);
        }
        self.compared.take_in(&leaves).await
    }

    fn in_order(&mut self, Line { position, stream, sequence, recorded_at_us }: Line) {
        if recorded_at_us < self.last_recorded_us {
            self.findings.push(Finding::new(position, Kind::Order, "it was recorded before the event before it"));
        }
        self.last_recorded_us = self.last_recorded_us.max(recorded_at_us);
        let end = self.ends.entry(stream).or_default();
        let expected = end.saturating_add(1);
        if sequence != expected {
            let words = format!("its stream goes on with sequence {expected}, and this is {sequence}");
            self.findings.push(Finding::new(position, Kind::Order, words));
        }
        *end = sequence;
    }

    /// Only what is well so far is worth going on from.
    fn save(&self) -> Result<(), VerifyFailure> {
        let Some(file) = self.state else { return Ok(()) };
        if !self.findings.is_empty() || !self.compared.is_well() {
            return Ok(());
        }
        let proven = self.compared.proven();
        state::write(file, &Halfway::of(self.compared.edge(), self.at, self.last_recorded_us, proven))
    }

    /// Halves a run that cannot be read until one event is left.
    async fn first_unreadable(&self, mut after: i64, mut upto: i64) -> Result<i64, VerifyFailure> {
        while upto.saturating_sub(after) > 1 {
            let middle = after.midpoint(upto);
            // A connection that met such an error is well, but a fresh one leaves no doubt.
            let mut bulk = self.database.bulk().await?;
            match bulk.run(after, middle).await {
                Ok(_readable) => after = middle,
                Err(failure) if is_corrupted(&failure) => upto = middle,
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(upto)
    }
}

/// A run, after and up to which position, or why there is none.
type Piece = (i64, i64, Result<Run, sqlx::Error>);

async fn read(mut bulk: Bulk, mut after: i64, head: i64, runs: mpsc::Sender<Piece>) {
    while after < head {
        let upto = after.saturating_add(RUN).min(head);
        let run = bulk.run(after, upto).await;
        let is_cut = run.is_err();
        if runs.send((after, upto, run)).await.is_err() || is_cut {
            return;
        }
        after = upto;
    }
}

/// Class XX: what stands on the disk is not what was written there. Class 22: a value is not one of its type.
fn is_corrupted(failure: &sqlx::Error) -> bool {
    let code = failure.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| code.starts_with("XX") || code.starts_with("22"))
}
