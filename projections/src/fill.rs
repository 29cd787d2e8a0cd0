//! Filling builds from the log: read once for all of them, beside whatever is live.

use std::sync::Arc;

use event_store::{Bulk, Poison, Run};
use futures_util::future::join_all;
use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::books::Books;
use crate::builds::{self, Build};
use crate::control;
use crate::happened::Happened;
use crate::projector::Projections;
use crate::read_model::ReadModel;
use crate::swap::standing;

/// How many events one step of a fill takes: most of what belongs together begins and ends in one.
const RUN: i64 = 40_000;
/// Runs that are read and wait to be written.
const AHEAD: usize = 1;

/// Why a build was not filled. What was written stays; the next fill goes on there.
#[derive(Debug, thiserror::Error)]
pub enum FillFailure {
    #[error("{model}: {source}")]
    Stopped {
        model: &'static str,
        #[source]
        source: Poison,
    },
    #[error("{model}: its build {build} is filled by somebody else, or was dropped")]
    Elsewhere { model: &'static str, build: i32 },
    #[error(transparent)]
    Log(#[from] sqlx::Error),
}

/// A build on its way.
#[derive(Clone, Copy)]
pub struct Filling {
    pub model: &'static dyn ReadModel,
    pub build: Build,
    /// Only what is of this merchant is folded in.
    pub only_of: Option<Uuid>,
}

/// Where a fill is, for whoever watches.
pub type Watch<'w> = &'w (dyn Fn(&'static str, i64) + Sync);

/// A run of events, or why there is none. Read once, shared by all.
type Shared = Result<Arc<Vec<Arc<Happened>>>, String>;

impl Projections {
    /// A build of this read model to be filled: one that was begun before, or a new one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn begin(&self, model: &'static dyn ReadModel) -> Result<Filling, sqlx::Error> {
        let mut connection = self.database.connect_as_projector().await?;
        Ok(Filling { model, build: builds::begin(&mut connection, model.plan()).await?, only_of: None })
    }

    /// Where the log ends now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn head(&self) -> Result<i64, sqlx::Error> {
        self.database.bulk().await?.head().await
    }

    /// Where a build of this read model is to be filled to: to where the live one stands, or to the end of the log.
    ///
    /// # Errors
    /// The database failed.
    pub async fn target(&self, model: &'static dyn ReadModel) -> Result<i64, sqlx::Error> {
        let mut connection = self.database.connect_as_projector().await?;
        match builds::live(&mut connection, model.plan().name).await? {
            Some(_live) => standing(&mut connection, model.plan()).await,
            None => self.head().await,
        }
    }

    /// Fills builds, each up to a position, all in one pass over the log. One that fails costs the others nothing.
    ///
    /// # Errors
    /// For each build, why it did not get there.
    pub async fn fill(&self, fillings: &[(Filling, i64)], watch: Watch<'_>) -> Vec<Result<Filling, FillFailure>> {
        let from = fillings.iter().map(|(filling, _upto)| filling.build.position).min().unwrap_or_default();
        let last = fillings.iter().map(|(_filling, upto)| *upto).max().unwrap_or_default();
        let (mut senders, mut fills) = (Vec::new(), Vec::new());
        for (filling, upto) in fillings {
            let (sender, receiver) = mpsc::channel(AHEAD);
            senders.push(sender);
            let projections = self.clone();
            fills.push(projections.fill_one(*filling, *upto, receiver, watch));
        }
        let models = fillings.iter().map(|(filling, _upto)| filling.model).collect();
        let reader = tokio::spawn(self.clone().read(models, from, last, senders));
        let filled = join_all(fills).await;
        reader.abort();
        filled
    }

    /// Reads run after run and hands each to all, until all have enough.
    async fn read(self, models: Vec<&'static dyn ReadModel>, from: i64, upto: i64, senders: Vec<mpsc::Sender<Shared>>) {
        let (to_decode, mut raw) = mpsc::channel::<Result<Run, sqlx::Error>>(AHEAD);
        let database = self.log.clone();
        let copying = tokio::spawn(async move {
            let mut after = from;
            let mut bulk = database.bulk().await;
            while after < upto {
                let next = after.saturating_add(RUN).min(upto);
                let run = match &mut bulk {
                    Ok(bulk) => bulk.run(after, next).await,
                    Err(_unreachable) => Err(sqlx::Error::PoolTimedOut),
                };
                let is_cut = run.is_err();
                if to_decode.send(run).await.is_err() || is_cut {
                    return;
                }
                after = next;
            }
        });
        while let Some(run) = raw.recv().await {
            let (projections, models) = (self.clone(), models.clone());
            let decoded = tokio::task::spawn_blocking(move || projections.decoded(run, &models)).await;
            let (events, reason) = decoded.unwrap_or_else(|panic| (Vec::new(), Some(panic.to_string())));
            let events = Arc::new(events);
            for sender in &senders {
                // A closed one has enough, or has failed: the others go on.
                drop(sender.send(Ok(Arc::clone(&events))).await);
                if let Some(reason) = &reason {
                    drop(sender.send(Err(reason.clone())).await);
                }
            }
            if reason.is_some() || senders.iter().all(mpsc::Sender::is_closed) {
                break;
            }
        }
        copying.abort();
    }

    /// The events of a run, or why there are none.
    fn decoded(
        &self,
        run: Result<Run, sqlx::Error>,
        models: &[&'static dyn ReadModel],
    ) -> (Vec<Arc<Happened>>, Option<String>) {
        let recorded = match run.and_then(|run| run.events()) {
            Ok(recorded) => recorded,
            Err(reason) => return (Vec::new(), Some(reason.to_string())),
        };
        let upcasters = self.store.upcasters();
        let mut events = Vec::with_capacity(recorded.len());
        for event in recorded {
            let happened = Happened::new(Arc::new(event), Arc::clone(&upcasters));
            if models.iter().any(|model| model.wants(&happened.recorded)) {
                // Whoever wants it and cannot read it stops there.
                drop(happened.fact());
            }
            events.push(Arc::new(happened));
        }
        (events, None)
    }

    async fn fill_one(
        self,
        mut filling: Filling,
        upto: i64,
        mut runs: mpsc::Receiver<Shared>,
        watch: Watch<'_>,
    ) -> Result<Filling, FillFailure> {
        let name = filling.model.plan().name;
        let stopped = |reason| FillFailure::Stopped { model: name, source: Poison::Event(reason) };
        while filling.build.position < upto {
            let run = runs.recv().await.ok_or_else(|| stopped("the log was not read to its end".to_owned()))?;
            let events = run.map_err(stopped)?;
            let after = filling.build.position;
            let new = events.partition_point(|event| event.recorded.position <= after);
            let enough = events.partition_point(|event| event.recorded.position <= upto);
            let events = events.get(new..enough).unwrap_or_default();
            if let Some(last) = events.last().map(|event| event.recorded.position) {
                let mut connection = self.pool.acquire().await?;
                self.fill_run(&mut connection, &mut filling, events, last).await?;
                watch(name, last);
            }
        }
        Ok(filling)
    }

    /// Rows and the place they stand for, in one transaction.
    async fn fill_run(
        &self,
        connection: &mut PgConnection,
        filling: &mut Filling,
        events: &[Arc<Happened>],
        last: i64,
    ) -> Result<(), FillFailure> {
        use sqlx::Connection as _;
        let Filling { model, build, only_of } = *filling;
        let name = model.plan().name;
        let mut transaction = connection.begin().await?;
        if !builds::advance(&mut transaction, name, build, last).await? {
            return Err(FillFailure::Elsewhere { model: name, build: build.build });
        }
        let skips = control::skips(&mut transaction, name).await?;
        let mut wanted = Vec::with_capacity(events.len());
        for event in events.iter().filter(|event| !skips.contains(&event.recorded.position)) {
            event.must_be_known().map_err(|source| FillFailure::Stopped { model: name, source })?;
            let is_of = only_of.is_none_or(|merchant_id| event.recorded.merchant_id == Some(merchant_id));
            if is_of && model.wants(&event.recorded) {
                wanted.push(Arc::clone(event));
            }
        }
        if !wanted.is_empty() {
            let mut books = Books {
                connection: &mut transaction,
                build: build.build,
                vault: &self.vault,
                keys: self.keys.as_ref(),
            };
            let applied = model.apply(&mut books, &wanted).await;
            applied.map_err(|source| FillFailure::Stopped { model: name, source })?;
        }
        transaction.commit().await?;
        filling.build.position = last;
        Ok(())
    }

    /// Brings a build that is nearly there up to a position, by itself.
    pub(crate) async fn catch_up(&self, filling: &mut Filling, upto: i64, bulk: &mut Bulk) -> Result<(), FillFailure> {
        while filling.build.position < upto {
            let next = filling.build.position.saturating_add(RUN).min(upto);
            let run = bulk.run(filling.build.position, next).await;
            let (events, reason) = self.decoded(run, &[filling.model]);
            if let Some(reason) = reason {
                let source = Poison::Event(reason);
                return Err(FillFailure::Stopped { model: filling.model.plan().name, source });
            }
            let mut connection = self.pool.acquire().await?;
            self.fill_run(&mut connection, filling, &events, next).await?;
        }
        Ok(())
    }
}
