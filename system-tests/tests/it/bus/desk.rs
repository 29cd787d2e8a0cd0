//! A ledger with a history, a topic of its own, and a relay between them.

use std::time::Duration;

use bus::{Feed, Kafka, Relay, Topic, Verified, relay_name};
use event_store::Store;
use sqlx::{Executor as _, PgPool};
use system_tests::branch::fresh;
use system_tests::broker::Broker;
use system_tests::copyist::Copyist;
use system_tests::database::Ledger;
use system_tests::traffic::{Mix, Traffic, load};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(60);
pub(super) const PARTITIONS: usize = 4;

static BROKER: OnceCell<Broker> = OnceCell::const_new();

/// The one that most tests share: each brings a topic of its own.
pub(crate) async fn broker() -> &'static Broker {
    let start = || async { tokio::task::spawn_blocking(|| Broker::start().unwrap()).await.unwrap() };
    BROKER.get_or_init(start).await
}

pub(super) fn topic() -> Topic {
    Topic { name: fresh("events"), partitions: PARTITIONS, ..Topic::default() }
}

pub(super) struct Desk {
    pub(super) ledger: Ledger,
    pub(super) store: Store,
    pub(super) behind: PgPool,
    pub(super) kafka: Kafka,
    pub(super) topic: Topic,
    traffic: Traffic,
}

/// A relay in this process.
pub(super) struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) async fn end(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

impl Desk {
    pub(super) async fn new(seed: u64) -> Self {
        Self::on(broker().await.kafka(), seed).await
    }

    pub(super) async fn on(kafka: Kafka, seed: u64) -> Self {
        let ledger = Ledger::fresh().await.unwrap();
        let store = ledger.store().unwrap();
        let behind = ledger.superuser_pool().unwrap();
        let traffic = Traffic::new(Mix { merchants: 8, ..Mix::seeded(seed) }).unwrap();
        Self { ledger, store, behind, kafka, topic: topic(), traffic }
    }

    /// So many events more; the last position.
    pub(super) async fn add(&mut self, count: usize) -> i64 {
        let lines = self.traffic.more(count).unwrap();
        let position = load(&mut self.ledger.superuser().await.unwrap(), &lines).await.unwrap();
        self.sql(&format!("select pg_notify('daybook_log', '{position}')")).await;
        position
    }

    /// With the next events that are added: what moves in it afterwards is late.
    pub(super) fn close(&mut self, month: &str) {
        self.traffic.close(month.parse().unwrap()).unwrap();
    }

    pub(super) fn relay(&self) -> Relay {
        let database = self.ledger.database().unwrap();
        Relay::new(self.store.clone(), database, self.kafka.clone(), self.topic.clone())
    }

    pub(super) fn start_relay(&self) -> Running {
        let (stop, stopping) = watch::channel(false);
        Running { stop, task: tokio::spawn(self.relay().run(stopping)) }
    }

    /// Relays until everything that is in the log has been acknowledged.
    pub(super) async fn relay_all(&self, head: i64) {
        let relay = self.start_relay();
        self.until_relayed(head).await;
        relay.end().await;
    }

    pub(super) async fn until_relayed(&self, head: i64) {
        let name = relay_name(&self.topic.name);
        self.until(&format!("coalesce((select position from log.followers where name = '{name}'), 0) >= {head}")).await;
    }

    pub(super) async fn verify(&self) -> Verified {
        bus::verify(&self.kafka, &self.topic.name, &self.ledger.database().unwrap()).await.unwrap()
    }

    /// The topic holds the log up to there: each event, in order, to the byte.
    pub(super) async fn assert_holds(&self, head: i64) -> Verified {
        let verified = self.verify().await;
        assert_eq!(verified.faults, Vec::<String>::new());
        assert_eq!(verified.events_count, head);
        verified
    }

    pub(super) fn feed(&self, group: &str) -> Feed {
        Feed { kafka: self.kafka.clone(), topic: self.topic.name.clone(), group: group.to_owned() }
    }

    pub(super) async fn sql(&self, statement: &str) {
        self.behind.execute(statement).await.unwrap();
    }

    pub(super) async fn until(&self, condition: &str) {
        until(&self.behind, condition).await;
    }
}

pub(super) async fn until(behind: &PgPool, condition: &str) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let holds = async {
        let select = format!("select {condition}");
        while !sqlx::query_scalar::<_, bool>(&select).fetch_one(behind).await.unwrap() {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(SOON, holds).await.is_ok(), "it never came to be that {condition}");
}

/// Room for a copyist in that database, and connections to it.
pub(super) async fn copyists_room(ledger: &Ledger) -> PgPool {
    Copyist::make_room(&mut ledger.superuser().await.unwrap()).await.unwrap();
    ledger.database().unwrap().derived_pool(3)
}

impl Desk {
    /// So many events in place of others that are no more.
    pub(super) async fn refill(&mut self, count: usize) {
        let sql = format!(
            "insert into log.events select l.last + n, gen_random_uuid(), 'tally', 'refill', n, 'tally_moved', '1.0', \
             '{{}}', '{{}}', null, null, now() from generate_series(1, {count}) n, \
             (select max(position) as last from log.events) l"
        );
        self.sql(&sql).await;
    }

    /// Every position was copied, once and in order.
    pub(super) async fn assert_copied(&self, head: i64) {
        assert_copied(&self.behind, &self.behind, head).await;
    }

    pub(super) async fn drop_topic(&self) {
        let admin: rdkafka::admin::AdminClient<_> =
            rdkafka::ClientConfig::new().set("bootstrap.servers", &self.kafka.brokers).create().unwrap();
        let options = rdkafka::admin::AdminOptions::new().operation_timeout(Some(SOON));
        admin.delete_topics(&[&self.topic.name], &options).await.unwrap().pop().unwrap().unwrap();
        let gone = async { while bus::partitions(&self.kafka, &self.topic.name).await.unwrap().is_some() {} };
        tokio::time::timeout(SOON, gone).await.unwrap();
    }
}

/// Of copies in one database and the log in another.
pub(super) async fn assert_copied(copies: &PgPool, log: &PgPool, head: i64) {
    let copied: Vec<(i64, uuid::Uuid)> =
        sqlx::query_as("select position, event_id from copies order by number").fetch_all(copies).await.unwrap();
    let written: Vec<(i64, uuid::Uuid)> =
        sqlx::query_as("select position, event_id from log.events where position <= $1 order by position")
            .bind(head)
            .fetch_all(log)
            .await
            .unwrap();
    assert_eq!(copied.len(), written.len());
    assert_eq!(copied, written);
}
