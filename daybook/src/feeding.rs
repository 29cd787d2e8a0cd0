//! The read models of a server: each from the log or from Kafka.

use bus::{Fed, Feed};
use event_store::Store;
use futures_util::future::join_all;
use projections::{MODELS, Projections, ReadModel};
use tokio::sync::watch;
use vault::Vault;

use crate::{database, failure::Result, serving::Told};

/// What is to be kept up to date, and from where.
pub(crate) struct Feeding {
    projections: Projections,
    from_log: Vec<&'static dyn ReadModel>,
    from_kafka: Vec<(&'static dyn ReadModel, Feed)>,
}

/// Makes ready what can be made at once.
pub(crate) fn open(told: &Told, store: &Store, app_url: &str, vault: &Vault) -> Result<Feeding> {
    let log = database::parse(app_url)?;
    let projections = match told.roles.own_database() {
        Some(url) => Projections::new(database::store(url)?, database::parse(url)?, vault.clone()).with_keys_in(&log),
        None => Projections::new(store.clone(), log, vault.clone()),
    };
    let kafka = told.on_kafka.kafka()?;
    let (mut from_log, mut from_kafka) = (Vec::new(), Vec::new());
    for model in MODELS.iter().copied() {
        let name = model.plan().name;
        match &kafka {
            Some(kafka) if told.roles.own_database().is_some() || told.on_kafka.feeds(name) => {
                from_kafka.push((model, told.on_kafka.feed(kafka, name)));
            }
            Some(_) | None => from_log.push(model),
        }
    }
    Ok(Feeding { projections, from_log, from_kafka })
}

impl Feeding {
    /// Builds what there is not yet, where that is soon done.
    pub(crate) async fn prepare(&self) {
        self.projections.prepare().await;
    }

    /// Keeps all of them up to date until told to stop.
    pub(crate) async fn run(self, stop: watch::Receiver<bool>) {
        let Self { projections, from_log, from_kafka } = self;
        let fed = from_kafka.into_iter().map(|(model, feed)| {
            let (projections, mut stop) = (projections.clone(), stop.clone());
            async move {
                if let Some(projector) = projections.ready(model, &mut stop).await {
                    Fed::new(projector, projections.pool().clone(), feed).run(stop).await;
                }
            }
        });
        let fed = join_all(fed);
        tokio::join!(projections.clone().run(from_log, stop.clone()), fed);
    }
}
