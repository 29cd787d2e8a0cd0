//! The broker is killed and comes back: commands go on, nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event_store::Outcome;
use system_tests::broker::Broker;
use system_tests::say::say;
use system_tests::tally::{add, key};
use system_tests::times::times;
use tokio::sync::watch;
use tokio::task::JoinSet;

use system_tests::branch::fresh;
use system_tests::copyist::Copyist;

use super::desk::{Desk, assert_copied, copyists_room};
use super::fed::fed_to;

/// Callers that go on whatever becomes of the broker.
struct Load {
    callers: JoinSet<()>,
    stop: watch::Sender<bool>,
    pause: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
}

impl Load {
    fn begin(desk: &Desk) -> Self {
        let (stop, stopping) = watch::channel(false);
        let (mut callers, accepted, pause) = (JoinSet::new(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        for caller in 0..4 {
            let (store, stopping) = (desk.store.clone(), stopping.clone());
            let (accepted, pause) = (Arc::clone(&accepted), Arc::clone(&pause));
            callers.spawn(async move {
                for number in 0_u32.. {
                    if *stopping.borrow() {
                        return;
                    }
                    let name = format!("{caller}-{number}");
                    match store.execute(add(&name.as_str().into(), 1, Some(key("shop", &name, &name)), true)).await {
                        Ok(Outcome::Accepted { .. }) => accepted.fetch_add(1, Ordering::Relaxed),
                        other => panic!("a command suffers from Kafka: {other:?}"),
                    };
                    // The broker and the relay share the machine with us.
                    tokio::time::sleep(Duration::from_millis(pause.load(Ordering::Relaxed))).await;
                }
            });
        }
        Self { callers, stop, pause, accepted }
    }

    /// The broker is away for so long, and commands come at a pace that leaves something to drain, not everything.
    async fn slowly_for(&self, long: Duration) {
        self.pause.store(20, Ordering::Relaxed);
        let (begin, before) = (Instant::now(), self.accepted());
        tokio::time::sleep(long).await;
        self.pause.store(0, Ordering::Relaxed);
        let came = self.accepted() - before;
        assert!(came > 0, "nothing was accepted while the broker was away");
        say(&format!("the broker was away for {:?}: {came} commands meanwhile", begin.elapsed()));
    }

    fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    async fn until(&self, accepted: u64) {
        let reaching = async {
            while self.accepted() < accepted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reaching).await.unwrap();
    }

    async fn end(mut self) -> u64 {
        self.stop.send_replace(true);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        self.accepted.load(Ordering::Relaxed)
    }
}

// covers E6, E7, I18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_under_load_and_no_command_and_no_event_suffers() {
    let mut broker = tokio::task::spawn_blocking(|| Broker::start().unwrap()).await.unwrap();
    let desk = Desk::on(broker.kafka(), 101).await;
    let relay = desk.start_relay();
    let load = Load::begin(&desk);
    let kills = times("DAYBOOK_BROKER_KILLS", 3);
    for kill in 1..=kills {
        // Some of it is on its way.
        let before = load.accepted();
        load.until(before + 300).await;
        desk.until_relayed(i64::try_from(before).unwrap()).await;
        broker = tokio::task::spawn_blocking(move || {
            broker.kill().unwrap();
            broker
        })
        .await
        .unwrap();
        let without = load.accepted();
        load.until(without + 500).await;
        if kill == kills {
            load.slowly_for(Duration::from_secs(times("DAYBOOK_BROKER_AWAY_SECONDS", 2).try_into().unwrap())).await;
        }
        broker = tokio::task::spawn_blocking(move || {
            broker.restart().unwrap();
            broker
        })
        .await
        .unwrap();
    }
    let head = i64::try_from(load.end().await).unwrap();
    desk.until_relayed(head).await;
    let pool = copyists_room(&desk.ledger).await;
    fed_to(&mut bus::Fed::new(Copyist, pool, desk.feed(&fresh("copies"))), head).await;
    relay.end().await;
    let verified = desk.verify().await;
    assert_eq!((verified.events_count, verified.faults), (head, vec![]));
    assert_copied(&desk.behind, &desk.behind, head).await;
    let again = verified.repeated_count;
    say(&format!("killed the broker {kills} times under load: {head} commands, all in order, {again} came again"));
}
