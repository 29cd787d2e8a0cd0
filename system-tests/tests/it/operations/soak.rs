//! A soak: everything a ledger does, under one fault after the other; then all must hold.

mod customers;
mod told;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use channels::sandbox::{FaultPlan, ReportFault};
use embedded_postgres::{Cluster, Settings};
use serde_json::json;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::broker::Broker;
use system_tests::client::{Client, Request};
use system_tests::database::Ledger;
use system_tests::invariants::betrayed;
use system_tests::proxy::{Proxy, Upstream};
use system_tests::relay::Relay;
use system_tests::say::say;
use system_tests::server::daybook;
use system_tests::times::times;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::customers::{Customer, Street};
use self::told::{BULK, Heard, Told};
use self::weather::{Site, Turns};
use super::until;
use crate::audit::Directory;
use crate::reactions::faulted::until_nothing_is_due;
use crate::reactions::holding::all_holds;
use crate::reactions::{Outside, said};

const CUSTOMERS: u64 = 6;
const MERCHANTS: usize = 3;
/// From there on a server's growth over its life is looked at, not only printed.
const LONG: Duration = Duration::from_secs(1_800);
/// What nobody knows is found out so soon after everything is well again.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);

struct Signing {
    place: Directory,
    public: String,
}

impl Signing {
    fn fresh() -> Self {
        let place = Directory::fresh();
        let key = place.at("key").display().to_string();
        let made = daybook().unwrap().args(["audit", "key", &key, "--name", "example.com/soak"]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        Self { public: String::from_utf8(made.stdout).unwrap().trim().to_owned(), place }
    }

    fn checkpoints(&self) -> String {
        self.place.at("checkpoints").display().to_string()
    }
}

/// A channel at which a good tenth goes wrong, and whose reports do, too. None of them tells another amount than is so:
/// what is to be believed then is a person's to say.
async fn outside(seed: u64) -> Outside {
    let mut rough = FaultPlan::rough(seed);
    rough.reports.remove(&ReportFault::WrongAmount);
    let answers = rough.answers.into_iter().map(|(fault, weight)| (fault, weight / 3)).collect();
    let plan = FaultPlan { seed, answers, reports: rough.reports, status_lags: 30 };
    Outside::open(plan, Some(Relay::open().await.unwrap())).await
}

/// Two that trade, and one that is paid out by a schedule as well.
async fn merchants(branch: &Branch) -> Vec<Merchant> {
    let mut merchants = Vec::new();
    for _merchant in 0..MERCHANTS {
        merchants.push(branch.merchant().await.unwrap());
    }
    let schedule = json!({ "delay_business_days": 1, "time_zone": "UTC", "two_people": false });
    branch.operate(&format!("/api/v1/merchants/{}/schedule", merchants[0].id), &schedule).await.unwrap();
    merchants
}

async fn site(seed: u64, topic: &str, signing: &Signing) -> (Site, Vec<Merchant>) {
    let cluster = Cluster::ephemeral(Settings::new().with("shared_buffers", "64MB")).unwrap();
    let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
    let broker = tokio::task::spawn_blocking(|| Broker::start().unwrap()).await.unwrap();
    let outside = outside(seed).await;
    let (key, checkpoints) = (signing.place.at("key").display().to_string(), signing.checkpoints());
    let own = [
        ("DAYBOOK_WITHOUT_AUDIT", "false"),
        ("DAYBOOK_CHECKPOINT_KEY_FILE", key.as_str()),
        ("DAYBOOK_CHECKPOINT_DIRECTORY", checkpoints.as_str()),
        ("DAYBOOK_CHECKPOINT_EVERY_MS", "500"),
        ("DAYBOOK_KAFKA_BROKERS", broker.address.as_str()),
        ("DAYBOOK_KAFKA_TOPIC", topic),
        ("DAYBOOK_KAFKA_PARTITIONS", "4"),
    ];
    let environment: Vec<(String, String)> = outside
        .environment()
        .iter()
        .chain(&own)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let direct = ledger.superuser_url().to_owned();
    let proxy = Proxy::start(Upstream::from_url(&direct).unwrap(), seed).await.unwrap();
    let branch = Branch::on(ledger, &[]).await.unwrap();
    let merchants = merchants(&branch).await;
    let (at, _nobody) = watch::channel(branch.server.address);
    let url = proxy.url_for(&direct).unwrap();
    let struck = BTreeMap::new();
    let mut site = Site { cluster, proxy, broker, branch, outside, url, environment, at, struck };
    site.start().await;
    (site, merchants)
}

/// One blow after the other; the second half is lived by one server. Its memory at the beginning of that and at the end.
async fn weather(site: &mut Site, turns: &mut Turns, long: Duration) -> (u64, u64) {
    let begun = Instant::now();
    let (mut has_week_ended, mut first_mib) = (false, None);
    while begun.elapsed() < long {
        let is_second_half = begun.elapsed() > long / 2;
        if is_second_half && !has_week_ended {
            has_week_ended = true;
            a_week_passes(&site.branch).await;
        }
        let blow = turns.next(is_second_half);
        site.strike(blow, turns).await;
        if is_second_half {
            first_mib.get_or_insert(site.resident_mib());
        }
        tokio::time::sleep(turns.millis(1_000, 3_500)).await;
    }
    let last_mib = site.resident_mib();
    (first_mib.unwrap_or(last_mib), last_mib)
}

/// As if all that waits to be settled had come last week.
async fn a_week_passes(branch: &Branch) {
    let mut log = branch.ledger.superuser().await.unwrap();
    for change in [
        "update work.unsettled set since = since - interval '7 days'",
        "update work.due set due_at = now(), heard = heard + 1 where process = 'open_settlement'",
    ] {
        sqlx::query(change).execute(&mut log).await.unwrap();
    }
}

/// Whatever was asked and not settled is settled now, and all that was told is told again.
async fn everything_is_known(street: &Street, client: &mut Client) {
    let open: Vec<_> = street.told().open.values().cloned().collect();
    for ask in &open {
        until(&format!("known: {} {}", ask.path, ask.key), KNOWN_WITHIN, async || {
            let answer = client.send(&ask.request()).await.ok();
            (street.told().hears(ask, answer.as_ref()) == Heard::Settled).then_some(())
        })
        .await;
    }
    let settled: Vec<_> = street.told().settled.values().map(|(ask, _kept)| ask.clone()).collect();
    for ask in &settled {
        let answer = client.send(&ask.request()).await.unwrap();
        assert_eq!(street.told().hears(ask, Some(&answer)), Heard::Settled, "{answer:?}");
        let is_replay = answer.header("idempotency-replayed") == Some("true");
        assert!(is_replay || ask.path == BULK || answer.status != 200, "done again: {answer:?}");
    }
}

/// Until everything has its end; what is to be tried again in minutes is tried soon. How often a person had to help.
async fn until_at_rest(branch: &Branch) -> usize {
    let mut log = branch.ledger.superuser().await.unwrap();
    let hurrying = async {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            let hurry = "update work.due set due_at = now(), heard = heard + 1 where taken_by is null \
                         and due_at > now() + interval '10 seconds' \
                         and process not in ('expire_authorisation', 'open_settlement')";
            sqlx::query(hurry).execute(&mut log).await.unwrap();
        }
    };
    tokio::select! {
        helped_count = until_nothing_is_due(branch) => helped_count,
        () = hurrying => 0,
    }
}

/// Each payment that was taken is there for whoever asks.
async fn every_payment_is_shown(street: &Street, client: &mut Client) -> usize {
    let taken: Vec<_> = {
        let told = street.told();
        let payments = told.settled.values().filter(|(ask, _kept)| ask.path == "/api/v1/payments");
        payments.filter_map(|(ask, kept)| Some((ask.caller.clone(), payment_no(kept)?))).collect()
    };
    for (caller, payment) in &taken {
        let path = format!("/api/v1/payments/{payment}");
        let answer = client.send(&Request::get(&path).by(caller)).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    taken.len()
}

fn payment_no(kept: &str) -> Option<String> {
    let told: serde_json::Value = serde_json::from_str(kept).ok()?;
    Some(told.pointer("/data/payment_no")?.as_str()?.to_owned())
}

/// The topic holds the log to its end.
async fn the_bus_has_all(site: &Site, topic: &str) {
    let (kafka, database) = (site.broker.kafka(), site.branch.ledger.database().unwrap());
    let mut log = site.branch.ledger.superuser().await.unwrap();
    until("the topic holds the log", Duration::from_secs(90), async || {
        let head: i64 = sqlx::query_scalar("select max(position) from log.events").fetch_one(&mut log).await.unwrap();
        let verified = bus::verify(&kafka, topic, &database).await.ok()?;
        (verified.events_count == head && verified.faults.is_empty()).then_some(())
    })
    .await;
}

// covers B1, B2, B4, C2, D20, E6, I6, I7, I8, I9, I11, I12, I13, I15, I16, I18, I20, I21, I24, I33, I34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_it_a_ledger_under_load_is_whole_in_the_end() {
    let long = Duration::from_secs(u64::try_from(times("DAYBOOK_SOAK_SECONDS", 120)).unwrap());
    let seed = u64::try_from(times("DAYBOOK_SOAK_SEED", 40_003)).unwrap();
    say(&format!("a soak of {long:?}, seed {seed} (DAYBOOK_SOAK_SECONDS, DAYBOOK_SOAK_SEED)"));
    let (topic, signing) = (fresh("soak"), Signing::fresh());
    let (mut site, merchants) = site(seed, &topic, &signing).await;
    let (stop, stopping) = watch::channel(false);
    let street = Arc::new(Street {
        merchants: merchants.iter().map(|merchant| merchant.test.clone()).collect(),
        operator: site.branch.operator.clone(),
        at: site.at.subscribe(),
        stop: stopping,
        told: Mutex::new(Told::default()),
    });
    let mut customers = JoinSet::new();
    for customer in 0..CUSTOMERS {
        customers.spawn(Customer::new(&street, seed ^ (customer + 1)).live());
    }
    let (first_mib, last_mib) = weather(&mut site, &mut Turns::seeded(seed), long).await;
    stop.send_replace(true);
    while let Some(ended) = customers.join_next().await {
        ended.unwrap();
    }
    let mut client = site.branch.client();
    everything_is_known(&street, &mut client).await;
    let helped_count = until_at_rest(&site.branch).await;
    all_holds(&site.branch, Some(&site.outside)).await;
    let payments_count = every_payment_is_shown(&street, &mut client).await;
    {
        let told = street.told();
        assert_eq!(told.wrong, Vec::<String>::new(), "seed {seed}");
        let Told { settled, left, repeated_count, denied_count, unanswered_count, .. } = &*told;
        say(&format!(
            "{} writes settled, {payments_count} of them payments; {unanswered_count} sendings without an answer, \
             {denied_count} denied, {} of these for good; {repeated_count} told again alike; {helped_count} let go on by a person",
            settled.len(),
            left.len()
        ));
    }
    let history = street.told().history();
    let mut superuser = site.branch.ledger.superuser().await.unwrap();
    assert_eq!(betrayed(&mut superuser, &history).await.unwrap(), Vec::<String>::new(), "seed {seed}");
    the_bus_has_all(&site, &topic).await;
    said(&site.branch, &["check"]);
    said(&site.branch, &["verify", "--key", &signing.public, "--checkpoints", &signing.checkpoints()]);
    let struck: u32 = site.struck.values().sum();
    say(&format!("{struck} blows, {:?}; a server of {first_mib} MiB had {last_mib} at the end", site.struck));
    if long >= LONG {
        assert!(last_mib <= first_mib * 3 / 2 + 64, "it grew from {first_mib} to {last_mib} MiB");
    }
}
