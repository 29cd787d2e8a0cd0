//! Read models kept up to date: each a follower of its own, all reading each event once.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use event_store::{Database, Follow, Follower, Poison, Recorded, Store};
use futures_util::future::{BoxFuture, join_all};
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::watch;
use traces::{Kind, Traced, followed};
use vault::Vault;

use crate::books::Books;
use crate::builds;
use crate::fill::FillFailure;
use crate::happened::{Happened, Lately};
use crate::read_model::{MODELS, ReadModel};

/// Between tries to make the tables of a read model.
const AGAIN: Duration = Duration::from_secs(2);

/// So many events are folded by all read models in no time.
const SHORT: i64 = 10_000;
/// How long the first questions of a new ledger are held up until there is something to ask.
const PREPARED_WITHIN: Duration = Duration::from_secs(5);

/// One read model as a follower of the log.
pub struct Projector {
    model: &'static dyn ReadModel,
    lately: Arc<Lately>,
    vault: Vault,
    keys: Option<PgPool>,
}

impl Follower for Projector {
    fn name(&self) -> &'static str {
        self.model.plan().name
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let events = self.lately.with_facts(events);
            for event in &events {
                event.must_be_known()?;
            }
            let wanted: Vec<Arc<Happened>> =
                events.into_iter().filter(|event| self.model.wants(&event.recorded)).collect();
            if wanted.is_empty() {
                return Ok(());
            }
            // The checkpoint is locked by now, and with it which build is live: whoever swaps them locks it first.
            let plan = self.model.plan();
            let build = builds::live(books, plan.name).await?.filter(|build| build.version == plan.version);
            let build = build.ok_or_else(|| other_version(plan.name, plan.version))?;
            let keys = self.keys.as_ref();
            let mut books = Books { connection: books, build: build.build, vault: &self.vault, keys };
            self.model.apply(&mut books, &wanted).await
        })
    }

    fn committed(&self, events: &[Arc<Recorded>], begun_at: SystemTime) {
        if !traces::is_on() {
            return;
        }
        let wanted = events.iter().filter(|event| self.model.wants(event));
        let traced = wanted.filter_map(|event| Traced::of(event.position, &event.metadata));
        followed(&format!("project {}", self.name()), Kind::Consumer, begun_at, traced);
    }
}

fn other_version(name: &str, version: i32) -> Poison {
    let reason =
        format!("the live build of {name} is not of version {version}: it is rebuilt, or made by a newer release");
    Poison::Database(sqlx::Error::Protocol(reason))
}

/// All read models of a ledger, as one process keeps them.
#[derive(Clone)]
pub struct Projections {
    pub(crate) store: Store,
    /// Where the rows are.
    pub(crate) database: Database,
    /// Where the log is that they are made from.
    pub(crate) log: Database,
    pub(crate) pool: PgPool,
    lately: Arc<Lately>,
    pub(crate) vault: Vault,
    /// Where the keys of personal values are, if not with the rows.
    pub(crate) keys: Option<PgPool>,
}

/// Each model's step holds one, and now and then another to look for its lease.
const CONNECTIONS: u32 = 24;
/// A few read models hold a personal value in the open.
const KEY_CONNECTIONS: u32 = 2;

impl Projections {
    pub fn new(store: Store, database: Database, vault: Vault) -> Self {
        let pool = database.projector_pool(CONNECTIONS);
        let lately = Arc::new(Lately::new(store.upcasters()));
        Self { store, log: database.clone(), database, pool, lately, vault, keys: None }
    }

    /// Read models in a database of their own: the keys of personal values stay where the log is.
    #[must_use]
    pub fn with_keys_in(self, log: &Database) -> Self {
        Self { keys: Some(log.pool(KEY_CONNECTIONS)), ..self }
    }

    /// Read models in a database of their own, to be held against the log of another.
    #[must_use]
    pub fn against(self, log: &Database) -> Self {
        Self { log: log.clone(), ..self.with_keys_in(log) }
    }

    /// Connections that write read models.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A read model as a follower, to be moved step by step. Its tables are made if there are none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn follow(&self, model: &'static dyn ReadModel) -> Result<Follow<Projector>, sqlx::Error> {
        Ok(self.store.follow(self.projector(model).await?, self.pool.clone()))
    }

    /// A read model as a follower, for whoever brings it the events from elsewhere. Its tables are made if there are
    /// none.
    ///
    /// # Errors
    /// The database failed.
    pub async fn projector(&self, model: &'static dyn ReadModel) -> Result<Projector, sqlx::Error> {
        let mut connection = self.database.connect_as_projector().await?;
        builds::ensure_first(&mut connection, model.plan()).await?;
        Ok(self.projects(model))
    }

    fn projects(&self, model: &'static dyn ReadModel) -> Projector {
        Projector { model, lately: Arc::clone(&self.lately), vault: self.vault.clone(), keys: self.keys.clone() }
    }

    /// On a short log, builds what there is not yet, so that the first question of a new ledger finds it. On a long one
    /// that takes its time, and questions are told so.
    pub async fn prepare(&self) {
        let preparing = async {
            match self.head().await {
                Ok(head) if head <= SHORT => self.make_ready(MODELS).await,
                Ok(_long) => Ok(()),
                Err(reason) => Err(reason.into()),
            }
        };
        if let Ok(Err(reason)) = tokio::time::timeout(PREPARED_WITHIN, preparing).await {
            tracing::warn!(%reason, "the tables of the read models could not be made yet");
        }
    }

    /// Keeps read models up to date until told to stop.
    pub async fn run(self, models: Vec<&'static dyn ReadModel>, stop: watch::Receiver<bool>) {
        if let Err(reason) = self.make_ready(&models).await {
            tracing::warn!(%reason, "not all read models could be made; each is tried again by itself");
        }
        join_all(models.iter().map(|model| self.clone().keep(*model, stop.clone()))).await;
    }

    /// A read model that has a live build of this program's version, as a follower for whoever brings it the events
    /// from elsewhere; tried until it is so, or told to stop.
    pub async fn ready(&self, model: &'static dyn ReadModel, stop: &mut watch::Receiver<bool>) -> Option<Projector> {
        while !*stop.borrow_and_update() {
            match self.make_ready(&[model]).await {
                Ok(()) => return Some(self.projects(model)),
                Err(reason) => {
                    tracing::warn!(read_model = model.plan().name, %reason, "it could not be made");
                    tokio::select! {
                        _stopping = stop.changed() => {}
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                }
            }
        }
        None
    }

    async fn keep(self, model: &'static dyn ReadModel, mut stop: watch::Receiver<bool>) {
        if let Some(projector) = self.ready(model, &mut stop).await {
            self.store.follow(projector, self.pool.clone()).run(stop).await;
        }
    }

    /// Builds those that have no live build of this program's version, all in one pass over the log. What another
    /// version has built answers until then.
    async fn make_ready(&self, models: &[&'static dyn ReadModel]) -> Result<(), FillFailure> {
        let mut connection = self.database.connect_as_projector().await?;
        let mut fillings = Vec::new();
        for model in models.iter().copied() {
            let plan = model.plan();
            let live = builds::live(&mut connection, plan.name).await?;
            match live {
                Some(live) if live.version == plan.version => continue,
                Some(live) if live.version > plan.version => {
                    return Err(FillFailure::Stopped {
                        model: plan.name,
                        source: other_version(plan.name, plan.version),
                    });
                }
                Some(_) | None => fillings.push((self.begin(model).await?, self.target(model).await?)),
            }
        }
        let nobody = |_model: &'static str, _position: i64| {};
        let mut failure = None;
        for filled in self.fill(&fillings, &nobody).await {
            let swapped = match filled {
                Ok(mut filling) => self.swap(&mut filling, true).await.map(drop),
                Err(reason) => Err(reason),
            };
            failure = swapped.err().or(failure);
        }
        failure.map_or(Ok(()), Err)
    }
}
