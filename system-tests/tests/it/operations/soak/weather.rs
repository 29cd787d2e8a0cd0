//! What befalls a server in a soak: one blow after the other, by seed, and the mending.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use embedded_postgres::Cluster;
use system_tests::branch::Branch;
use system_tests::broker::Broker;
use system_tests::client::Request;
use system_tests::proxy::{Ending, Fault, Latency, Proxy, Rule, When};
use system_tests::say::say;
use system_tests::server::Server;
use tokio::sync::watch;

use crate::kills::Seeded;
use crate::operations::until;
use crate::reactions::Outside;

/// As it is promised, from the return of what it needs.
const BACK_WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blow {
    ServerKilled,
    ServerToldToEnd,
    DatabaseKilled,
    BackendKilled,
    SessionsEnded,
    DatabaseSilent,
    AnswersLost,
    RequestsLost,
    NetworkSlow,
    BrokerKilled,
}

const ALL: [Blow; 10] = [
    Blow::ServerKilled,
    Blow::ServerToldToEnd,
    Blow::DatabaseKilled,
    Blow::BackendKilled,
    Blow::SessionsEnded,
    Blow::DatabaseSilent,
    Blow::AnswersLost,
    Blow::RequestsLost,
    Blow::NetworkSlow,
    Blow::BrokerKilled,
];

impl Blow {
    /// After which there is another server.
    const fn ends_the_server(self) -> bool {
        matches!(self, Self::ServerKilled | Self::ServerToldToEnd)
    }
}

/// All of them in an order of their own, and then again in another.
pub(super) struct Turns {
    chance: Seeded,
    left: Vec<Blow>,
}

impl Turns {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self { chance: Seeded(seed), left: Vec::new() }
    }

    pub(super) fn next(&mut self, spares_the_server: bool) -> Blow {
        loop {
            if self.left.is_empty() {
                self.left = ALL.to_vec();
            }
            let blow = self.left.swap_remove(self.chance.below(self.left.len()));
            if !(spares_the_server && blow.ends_the_server()) {
                return blow;
            }
        }
    }

    pub(super) fn millis(&mut self, from: usize, to: usize) -> Duration {
        Duration::from_millis(u64::try_from(from + self.chance.below(to - from)).unwrap())
    }
}

/// Everything that can be struck.
pub(super) struct Site {
    // What rests on another goes before it.
    pub(super) branch: Branch,
    pub(super) outside: Outside,
    pub(super) broker: Broker,
    pub(super) proxy: Proxy,
    pub(super) cluster: Cluster,
    /// The database as the server sees it, and what else it is told.
    pub(super) url: String,
    pub(super) environment: Vec<(String, String)>,
    pub(super) at: watch::Sender<SocketAddr>,
    pub(super) struck: BTreeMap<Blow, u32>,
}

impl Site {
    /// Strikes, leaves it so for a while, mends it, and waits until the server serves.
    pub(super) async fn strike(&mut self, blow: Blow, turns: &mut Turns) {
        say(&format!("  {blow:?}"));
        *self.struck.entry(blow).or_default() += 1;
        let faults = self.proxy.faults();
        let while_it_lasts = turns.millis(1_500, 5_000);
        match blow {
            Blow::ServerKilled => self.replace("KILL").await,
            Blow::ServerToldToEnd => self.replace("TERM").await,
            Blow::DatabaseKilled => {
                tokio::task::block_in_place(|| self.cluster.kill9()).unwrap();
                tokio::time::sleep(while_it_lasts).await;
                tokio::task::block_in_place(|| self.cluster.ensure_running()).unwrap();
            }
            Blow::BackendKilled => {
                tokio::task::block_in_place(|| self.cluster.kill9_backend()).unwrap();
                tokio::task::block_in_place(|| self.cluster.ensure_running()).unwrap();
            }
            Blow::SessionsEnded => {
                let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                           where datname = current_database() and pid <> pg_backend_pid()";
                let mut superuser = self.branch.ledger.superuser().await.unwrap();
                let ended: i64 = sqlx::query_scalar(end).fetch_one(&mut superuser).await.unwrap();
                assert!(ended > 0, "the server has no session");
            }
            Blow::DatabaseSilent => {
                faults.black_hole();
                tokio::time::sleep(while_it_lasts).await;
            }
            Blow::AnswersLost => self.lose(Fault::LoseAnswer(Ending::Reset), while_it_lasts).await,
            Blow::RequestsLost => self.lose(Fault::LoseRequest(Ending::Close), while_it_lasts).await,
            Blow::NetworkSlow => {
                let each_way = Duration::from_millis(40);
                faults.set_latency(Some(Latency { each_way, jitter: each_way }));
                tokio::time::sleep(while_it_lasts).await;
            }
            Blow::BrokerKilled => {
                tokio::task::block_in_place(|| self.broker.kill()).unwrap();
                tokio::time::sleep(while_it_lasts).await;
                tokio::task::block_in_place(|| self.broker.restart()).unwrap();
            }
        }
        faults.clear();
        self.until_ready(blow).await;
    }

    async fn lose(&self, fault: Fault, while_it_lasts: Duration) {
        let rule = Rule { marker: "log.append".to_owned(), when: When::PerMille(150), at_most: 30, fault };
        self.proxy.faults().add(rule);
        tokio::time::sleep(while_it_lasts).await;
    }

    /// Ends the server and starts another.
    async fn replace(&mut self, signal: &str) {
        self.branch.server.signal(signal).unwrap();
        let status = tokio::task::block_in_place(|| self.branch.server.wait()).unwrap();
        if signal == "TERM" {
            assert_eq!(status.code(), Some(0), "{}", self.branch.server.log().unwrap());
        }
        self.start().await;
    }

    pub(super) async fn start(&mut self) {
        let environment: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.branch.server = Server::start(&self.url, &environment).await.unwrap();
        self.outside.report_to(&self.branch.server);
        self.at.send_replace(self.branch.server.address);
    }

    async fn until_ready(&self, blow: Blow) {
        until(&format!("ready after {blow:?}"), BACK_WITHIN, async || {
            let answer = self.branch.client().send(&Request::get("/readyz")).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        assert!(self.branch.server.is_running(), "it ended by itself: {}", self.branch.server.log().unwrap());
    }

    pub(super) fn resident_mib(&self) -> u64 {
        self.branch.server.resident_kib().unwrap() / 1_024
    }
}

#[test]
fn every_blow_falls_before_one_falls_again_and_a_seed_repeats_them() {
    let fall = |seed, spares| {
        let mut turns = Turns::seeded(seed);
        (0..ALL.len() * 2).map(|_turn| turns.next(spares)).collect::<Vec<Blow>>()
    };
    let (first, rest) = (&fall(3, false)[..ALL.len()], &fall(3, true));
    assert!(ALL.iter().all(|blow| first.contains(blow)), "{first:?}");
    assert!(rest.iter().all(|blow| !blow.ends_the_server()), "{rest:?}");
    assert_eq!(fall(3, false), fall(3, false));
    assert_ne!(fall(3, false), fall(4, false));
}
