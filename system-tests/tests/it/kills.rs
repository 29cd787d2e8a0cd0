//! Processes and servers die at any moment: what was acknowledged stays, no denial lies.

use std::time::Duration;

use embedded_postgres::{Cluster, Settings};
use event_store::{Failure, Limits, Outcome, Store, crash};
use futures_util::{StreamExt, stream};
use system_tests::appender::{Appender, History};
use system_tests::copyist::Copyist;
use system_tests::database::Ledger;
use system_tests::invariants::{betrayed, broken};
use system_tests::proxy::{Ending, Fault, Proxy, Rule, Upstream, When};
use system_tests::say::say;
use system_tests::tally::{Tally, add, key};
use system_tests::times::times;
use tokio::task::JoinSet;

const APPENDER: &str = env!("CARGO_BIN_EXE_appender");

/// Numbers that look like chance and come again with the same seed.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

async fn ledger_with_copies() -> Ledger {
    let ledger = Ledger::fresh().await.unwrap();
    let mut superuser = ledger.superuser().await.unwrap();
    Copyist::make_room(&mut superuser).await.unwrap();
    ledger
}

/// Every invariant of the log, the history and the follower's copy.
async fn assert_sound(ledger: &Ledger, history: &History, seed: u64) {
    let mut superuser = ledger.superuser().await.unwrap();
    assert_eq!(broken(&mut superuser).await.unwrap(), Vec::<&str>::new(), "seed {seed}");
    assert_eq!(betrayed(&mut superuser, history).await.unwrap(), Vec::<String>::new(), "seed {seed}");
    let (shared, told): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where aggregate_id = 'shared'), \
                coalesce(max((payload -> 'tally_moved' ->> 'total')::bigint) filter (where aggregate_id = 'shared'), 0) \
         from log.events",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(shared, told, "an update of the shared stream was lost, seed {seed}");
    let torn: i64 = sqlx::query_scalar(
        "select count(*) from (select position from copies group by position having count(*) > 1 \
         union all select p from generate_series(1, (select position from log.followers where name = 'copyist')) p \
         where p not in (select position from copies)) x",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(torn, 0, "the follower lost or doubled a position, seed {seed}");
}

// covers A10, E4, I7, I9, I10, I11, I12, I13, I14, I31, I33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_of_eight_writers_are_killed_again_and_again() {
    let seed = 40_003;
    let (mut chance, kills) = (Seeded(seed), times("DAYBOOK_PROCESS_KILLS", 20));
    let ledger = ledger_with_copies().await;
    let mut history = History::default();
    let start = |name: &str| Appender::start(APPENDER, [ledger.superuser_url(), name, "8", "100000"], None).unwrap();
    let mut pair = [start("left-0"), start("right-0")];
    for kill in 1..=kills {
        for appender in &mut pair {
            assert!(appender.listen(1 + chance.below(300), &mut history).await.unwrap());
        }
        let side = chance.below(2);
        let name = ["left", "right"][side];
        let killed = std::mem::replace(&mut pair[side], start(&format!("{name}-{kill}")));
        killed.kill(&mut history).await.unwrap();
    }
    for appender in pair {
        appender.kill(&mut history).await.unwrap();
    }
    say(&format!("killed a process {} times, {} commands acknowledged", kills + 2, history.acked.len()));
    assert_sound(&ledger, &history, seed).await;
}

// covers C1 for the append path, A10, E4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_any_point_is_finished_by_asking_again() {
    // Leases, snapshots and reads of the tail are too rare for a seventh one.
    let is_rare = |point: &str| ["snapshot", "tail", "lease"].iter().any(|rare| point.contains(rare));
    let deaths = crash::POINTS
        .iter()
        .flat_map(|point| [(*point, 1), (*point, 7)])
        .filter(|(point, nth)| *nth == 1 || !is_rare(point));
    let died: Vec<()> = stream::iter(deaths).map(|(point, nth)| die_at(point, nth)).buffer_unordered(4).collect().await;
    say(&format!("died {} times, at each point of the append path and of a follower's step", died.len()));
}

/// Dies at the n-th passing of a point and is started again with the same commands, until it comes to their end.
async fn die_at(point: &'static str, nth: u32) {
    let ledger = ledger_with_copies().await;
    let mut history = History::default();
    // The commands of a process before this one: their keys are used, their streams are long and not in memory.
    let before = Appender::start(APPENDER, [ledger.superuser_url(), "a", "3", "150"], None).unwrap();
    assert!(before.finish(&mut history).await.unwrap());
    let proxy = Proxy::start(Upstream::from_url(ledger.superuser_url()).unwrap(), u64::from(nth)).await.unwrap();
    let url = proxy.url_for(ledger.superuser_url()).unwrap();
    if point.contains("find_own") {
        // Only a batch whose answer was lost is looked for.
        let lost = Rule {
            marker: "log.append".into(),
            when: When::Every(3),
            at_most: 10,
            fault: Fault::LoseAnswer(Ending::Close),
        };
        proxy.faults().add(lost);
    }
    let trap = format!("{point}:{nth}");
    let armed = [url.as_str(), "a", "4", "300"];
    let doomed = Appender::start(APPENDER, armed, Some(("DAYBOOK_CRASH_AT", &trap))).unwrap();
    let ended_well = doomed.finish(&mut history).await.unwrap();
    assert!(!ended_well, "{trap} was never passed");
    proxy.faults().clear();
    let again = Appender::start(APPENDER, [ledger.superuser_url(), "a", "4", "300"], None).unwrap();
    assert!(again.finish(&mut history).await.unwrap(), "{trap}");
    assert_eq!(history.acked.len(), 1_200, "{trap}");
    assert_sound(&ledger, &history, u64::from(nth)).await;
}

// covers A8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_paused_before_it_wrote_finds_the_key_used() {
    let ledger = ledger_with_copies().await;
    let mut paused_history = History::default();
    let arguments = [ledger.superuser_url(), "a", "1", "1"];
    let paused = Appender::start(APPENDER, arguments, Some(("DAYBOOK_PAUSE_AT", "append.before_send:1"))).unwrap();
    let pid = paused.pid().unwrap();
    until(|| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))).await;

    let store = ledger.store().unwrap();
    let same = add(&"shared".into(), 1, Some(key("appender", "a-0-0", "a-0-0")), false);
    let here = store.execute(same).await.unwrap();
    assert!(matches!(here, Outcome::Accepted { position: 1, .. }), "{here:?}");

    let resumed = std::process::Command::new("kill").args(["-CONT", &pid.to_string()]).status().unwrap();
    assert!(resumed.success());
    assert!(paused.finish(&mut paused_history).await.unwrap());
    assert_eq!(paused_history.acked.get("a-0-0"), Some(&1));
    assert_eq!(store.read::<Tally>(&"shared".into()).await.unwrap().1, 1);
    assert_sound(&ledger, &paused_history, 0).await;
}

/// Looks every few milliseconds, for twenty seconds at most.
async fn until(is_so: impl Fn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        while !is_so() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}

/// A server of its own, to be killed.
struct Doomed {
    cluster: Cluster,
    ledger: Ledger,
    store: Store,
}

impl Doomed {
    async fn new(settings: Settings) -> Self {
        let cluster = Cluster::ephemeral(settings).unwrap();
        let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
        let limits = Limits { answer_within: Duration::from_secs(2), ..Limits::default() };
        let store = ledger.store_with(limits).unwrap();
        Self { cluster, ledger, store }
    }

    /// Sixteen callers give commands until told to stop; what they were told comes back.
    async fn load(&self, life: usize, stop: tokio::sync::watch::Receiver<bool>) -> JoinSet<Vec<String>> {
        let mut callers = JoinSet::new();
        for caller in 0..16 {
            let (store, mut stop, mut head) = (self.store.clone(), stop.clone(), self.store.head());
            callers.spawn(async move {
                let mut told = Vec::new();
                for number in 0_u32.. {
                    if *stop.borrow_and_update() {
                        break;
                    }
                    let name = format!("{life}-{caller}-{number}");
                    let act = add(&name.as_str().into(), 1, Some(key("shop", &name, &name)), true);
                    told.push(match store.execute(act).await {
                        Ok(Outcome::Accepted { position, .. }) => format!("acked {name} {position}"),
                        Ok(Outcome::InFlight) | Err(Failure::Unknown) => format!("unknown {name}"),
                        Err(failure @ (Failure::Unavailable { .. } | Failure::Busy)) => {
                            assert!(failure.is_retryable());
                            // Comes back when the log has moved, or shortly.
                            drop(tokio::time::timeout(Duration::from_millis(20), head.changed()).await);
                            format!("not_applied {name}")
                        }
                        other => format!("wrong {name}: {other:?}"),
                    });
                }
                told
            });
        }
        callers
    }
}

// covers B1, B2, I9, I33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_killed_under_load_again_and_again() {
    let seed = 40_432;
    let (mut chance, kills) = (Seeded(seed), times("DAYBOOK_SERVER_KILLS", 10));
    let doomed = Doomed::new(Settings::new()).await;
    let mut history = History::default();
    for life in 0..kills {
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let mut callers = doomed.load(life, stopping).await;
        let mut head = doomed.store.head();
        let from = head.position();
        let upto = from + i64::try_from(50 + chance.below(2_000)).unwrap();
        let moved = tokio::time::timeout(Duration::from_secs(30), head.reaches(upto)).await;
        assert!(moved.is_ok(), "no command in 30 s after the server was back, seed {seed}, life {life}");
        if life % 3 == 2 {
            doomed.cluster.kill9_backend().unwrap();
        } else {
            doomed.cluster.kill9().unwrap();
        }
        doomed.cluster.ensure_running().unwrap();
        stop.send(true).unwrap();
        while let Some(told) = callers.join_next().await {
            told.unwrap().iter().for_each(|line| history.note(line));
        }
    }
    doomed.store.close().await;
    say(&format!(
        "killed the server {kills} times: {} acknowledged, {} denied, {} unknown",
        history.acked.len(),
        history.not_applied.len(),
        history.unknown.len(),
    ));
    let mut superuser = doomed.ledger.superuser().await.unwrap();
    assert_eq!(broken(&mut superuser).await.unwrap(), Vec::<&str>::new(), "seed {seed}");
    assert_eq!(betrayed(&mut superuser, &history).await.unwrap(), Vec::<String>::new(), "seed {seed}");
}

// covers B14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_free_place_is_told_apart_at_once_and_forgiven_later() {
    let doomed = Doomed::new(Settings::new().with("max_connections", "12").with("max_wal_senders", "0")).await;
    let mut held = Vec::new();
    while let Ok(connection) = doomed.ledger.superuser().await {
        held.push(connection);
    }
    let fresh = doomed.ledger.store().unwrap();
    let begin = std::time::Instant::now();
    let refused = fresh.execute(add(&"a".into(), 1, None, true)).await;
    assert!(matches!(refused, Err(Failure::Unavailable { .. })), "{refused:?}");
    assert!(begin.elapsed() < Duration::from_secs(1), "told only after {:?}", begin.elapsed());
    drop(held);
    let accepted = async {
        while !matches!(fresh.execute(add(&"a".into(), 1, None, true)).await, Ok(Outcome::Accepted { .. })) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), accepted).await.unwrap();
}
