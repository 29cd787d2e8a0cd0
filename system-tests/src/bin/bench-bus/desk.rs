//! A ledger with a history, a broker, and a relay between them.

use std::time::Duration;

use bus::{Relay, Topic};
use event_store::Store;
use system_tests::broker::Broker;
use system_tests::database::Ledger;
use system_tests::report::line;
use system_tests::traffic::{Mix, Traffic};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Problem;

pub(crate) struct Desk {
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) traffic: Traffic,
    pub(crate) broker: Broker,
    pub(crate) topic: Topic,
    pub(crate) head: i64,
}

pub(crate) struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn end(self) -> Result<(), Problem> {
        self.stop.send_replace(true);
        Ok(self.task.await?)
    }
}

impl Desk {
    pub(crate) async fn with(server: &str, broker: Broker, events: usize) -> Result<Self, Problem> {
        let ledger = Ledger::on(server).await?;
        let mut traffic = Traffic::new(Mix { merchants: 200, at_once: 500, ..Mix::seeded(6) })?;
        let head = traffic.fill(&ledger, events).await?;
        let mut superuser = ledger.superuser().await?;
        let bytes: i64 = sqlx::query_scalar(
            "select coalesce(sum(octet_length(payload::text) + octet_length(metadata::text)), 0)::bigint from log.events",
        )
        .fetch_one(&mut superuser)
        .await?;
        line(&format!("{head} events of {} bytes of payload and metadata on average", bytes / head.max(1)))?;
        let store = ledger.store()?;
        let mut end = store.head();
        if !end.reaches(head).await {
            return Err("the store is gone".into());
        }
        Ok(Self { ledger, store, traffic, broker, topic: Topic::default(), head })
    }

    pub(crate) fn start_relay(&self) -> Result<Running, Problem> {
        let (stop, stopping) = watch::channel(false);
        let database = self.ledger.database()?;
        let relay = Relay::new(self.store.clone(), database, self.broker.kafka(), self.topic.clone());
        Ok(Running { stop, task: tokio::spawn(relay.run(stopping)) })
    }

    /// Where the relay's checkpoint is.
    pub(crate) async fn relayed(&self) -> Result<i64, Problem> {
        let name = bus::relay_name(&self.topic.name);
        let position = "select coalesce((select position from log.followers where name = $1), 0)";
        let mut superuser = self.ledger.superuser().await?;
        Ok(sqlx::query_scalar(position).bind(name).fetch_one(&mut superuser).await?)
    }

    pub(crate) async fn until_relayed(&self, head: i64) -> Result<(), Problem> {
        let name = bus::relay_name(&self.topic.name);
        let position = "select coalesce((select position from log.followers where name = $1), 0)";
        let mut superuser = self.ledger.superuser().await?;
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while sqlx::query_scalar::<_, i64>(position).bind(&name).fetch_one(&mut superuser).await? < head {
            looks.tick().await;
        }
        Ok(())
    }
}

/// So many in so long.
pub(crate) fn rate(count: i64, took: Duration) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX)) / took.as_secs_f64()
}
