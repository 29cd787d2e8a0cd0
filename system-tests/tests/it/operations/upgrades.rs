//! A later release beside this one: its migrations under traffic, its events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cqrs_es::persist::SemanticVersionEventUpcaster;
use domain::aggregate::{Aggregate, Event};
use domain::payment::Payment;
use event_store::schema::{self, MigrationFailure};
use event_store::{Act, Answer, Failure, Follower, Limits, Outcome, Poison, Recorded, Step, Store, Upcasters, Verdict};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::{Executor as _, PgConnection};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Client, Request};
use system_tests::database::Ledger;
use system_tests::invariants::broken;
use system_tests::server::{Server, daybook};
use system_tests::tally::{Tally, TallyRefusal, add};
use system_tests::tree::root;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{ready, until, until_well};
use crate::audit::Directory;
use crate::reactions::looking::{pay, until_told};

const SOON: Duration = Duration::from_secs(60);

/// What a later release might add: to tables that are there, and a new one. Nothing of it takes longer with more rows.
const LATER: &str = "alter table log.events add column later text;\n\
    alter table log.followers add column later integer not null default 0;\n\
    create table log.later (id bigint primary key);\n";

/// All migrations there are, and one more.
async fn later_migrations(place: &Directory) -> Migrator {
    let folder = place.at("migrations");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(root().join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(folder.join("9001_later.sql"), LATER).unwrap();
    Migrator::new(folder.as_path()).await.unwrap()
}

/// Merchants who go on meanwhile; none of them is ever refused.
struct Paying {
    callers: JoinSet<()>,
    stop: watch::Sender<bool>,
    taken: Arc<AtomicU64>,
}

impl Paying {
    fn begin(branch: &Branch, merchant: &Merchant) -> Self {
        let (stop, stopping) = watch::channel(false);
        let (mut callers, taken) = (JoinSet::new(), Arc::<AtomicU64>::default());
        for _caller in 0..4 {
            let (mut client, merchant, stopping) = (branch.client(), merchant.clone(), stopping.clone());
            let taken = Arc::clone(&taken);
            callers.spawn(async move {
                while !*stopping.borrow() {
                    pay_once(&mut client, &merchant).await;
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { callers, stop, taken }
    }

    /// Until so many more are taken.
    async fn go_on(&self, more: u64) {
        let upto = self.taken.load(Ordering::Relaxed) + more;
        until("payments are taken", SOON, async || (self.taken.load(Ordering::Relaxed) >= upto).then_some(())).await;
    }

    async fn end(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

async fn pay_once(client: &mut Client, merchant: &Merchant) {
    let name = fresh("upgraded");
    let body = json!({ "order_no": name, "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let answer = client.send(&Request::post("/api/v1/payments", &body).keyed(&name).by(&merchant.test)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let listed = client.send(&Request::get("/api/v1/payments").by(&merchant.test)).await.unwrap();
    assert_eq!(listed.status, 200, "{listed:?}");
}

// covers B16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_migration_under_traffic_fails_nobody_and_gives_up_rather_than_hold_all_up() {
    let place = Directory::fresh();
    let later = later_migrations(&place).await;
    let branch = Branch::own(&[]).await.unwrap();
    let (merchant, owner) = (branch.merchant().await.unwrap(), branch.ledger.superuser_url());
    let paying = Paying::begin(&branch, &merchant);
    paying.go_on(20).await;

    // Somebody looks at the log for long: the table cannot be changed meanwhile.
    let mut holder = branch.ledger.superuser().await.unwrap();
    holder.execute("set idle_in_transaction_session_timeout = 0; begin; select from log.events limit 1").await.unwrap();
    let failure = schema::apply(owner, &later).await.unwrap_err();
    assert!(matches!(failure, MigrationFailure::Held { version: 9_001, .. }), "{failure}");
    let told = failure.to_string();
    assert!(told.contains("nothing of it was applied") && told.contains("in a transaction for"), "{told}");
    paying.go_on(20).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    assert!(!is_there(&mut log, "log.later").await, "half of it was applied");

    holder.execute("rollback").await.unwrap();
    let status = schema::apply(owner, &later).await.unwrap();
    assert_eq!(status.applied.last(), Some(&9_001));
    assert!(status.is_current());
    paying.go_on(20).await;

    // This release is the older one now: it serves, also from a fresh start, says so, and has nothing to migrate.
    let older = Server::start(owner, &[]).await.unwrap();
    let seen = ready(&mut older.client()).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert!(seen.body.contains("version 9001, newer than the"), "{seen:?}");
    pay_once(&mut older.client(), &merchant).await;
    let migrated = daybook().unwrap().arg("migrate").env("DATABASE_URL", owner).output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    assert!(String::from_utf8_lossy(&migrated.stdout).contains("version 9001"), "{migrated:?}");
    paying.end().await;
    assert_eq!(broken(&mut log).await.unwrap(), Vec::<&str>::new());
}

async fn is_there(log: &mut PgConnection, table: &str) -> bool {
    sqlx::query_scalar("select to_regclass($1) is not null").bind(table).fetch_one(log).await.unwrap()
}

/// A payment as a later release has it: of what it tells, this one knows the name, and not the shape.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct LaterPayment;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LaterPaymentEvent {
    Captured { in_parts: Vec<i64> },
}

impl Event for LaterPaymentEvent {
    fn event_type(&self) -> &'static str {
        "captured"
    }

    fn event_version(&self) -> &'static str {
        "2.0"
    }
}

impl Aggregate for LaterPayment {
    const TYPE: &'static str = Payment::TYPE;
    const STATE_VERSION: i32 = 9_001;
    type Command = ();
    type Event = LaterPaymentEvent;
    type Refusal = TallyRefusal;

    fn decide(&self, (): &()) -> Result<Vec<LaterPaymentEvent>, TallyRefusal> {
        Ok(vec![LaterPaymentEvent::Captured { in_parts: vec![1, 2] }])
    }

    fn apply(&mut self, _event: &LaterPaymentEvent) {}
}

/// Who reads no payload, or none of payments, and so goes on.
const READ_NO_PAYMENTS: [&str; 2] = ["tree", "erasures"];

// covers B16, E12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_a_later_release_halts_whoever_reads_it_and_refuses_nobody() {
    let branch = Branch::own(&[("DAYBOOK_WITHOUT_PROCESSES", "false"), ("DAYBOOK_WITHOUT_AUDIT", "false")]).await;
    let branch = branch.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = pay(&branch, &merchant.test, &fresh("before"), "pm_sandbox_visa", "automatic").await;
    until_told(&mut log, &before, "captured", 1).await;
    let behind = "select count(*) from log.followers where position < (select max(position) from log.events)";
    until("all is read", SOON, async || (count(&mut log, behind).await == 0).then_some(())).await;

    let store = branch.ledger.store().unwrap();
    let foreign: Arc<str> = "PAY000000000000000000000000000000ff".into();
    let outcome = store.execute(Act::tell::<LaterPayment>(foreign, ())).await.unwrap();
    let Outcome::Accepted { position, .. } = outcome else { panic!("{outcome:?}") };

    // Everybody who would have to understand it stands before it, says why, and has passed over nothing.
    until_parked(&mut log, position).await;
    let reasons: Vec<(String, String)> =
        sqlx::query_as("select name, parked_reason from log.followers where parked_reason is not null")
            .fetch_all(&mut log)
            .await
            .unwrap();
    assert!(reasons.len() > projections::MODELS.len(), "read models and reactions: {reasons:?}");
    for (name, reason) in &reasons {
        assert!(reason.contains(&format!("position {position}")), "{name}: {reason}");
    }

    // Nobody is refused; what was read before is shown; how it stands is told.
    let mut client = branch.client();
    let during = pay(&branch, &merchant.test, &fresh("during"), "pm_sandbox_visa", "automatic").await;
    let shown = client.send(&Request::get(format!("/api/v1/payments/{before}")).by(&merchant.test)).await.unwrap();
    assert_eq!((shown.status, shown.data("status").as_str()), (200, "success"), "{shown:?}");
    let seen = until("it is told", SOON, async || {
        Some(ready(&mut client).await).filter(|answer| answer.body.contains("warn  followers parked"))
    });
    assert_eq!(seen.await.status, 200);
    until_told(&mut log, &during, "captured", 0).await;

    // Let go on by the same release, they stand there again.
    sqlx::query("update log.followers set parked_reason = null, parked_at = null, failures = 0")
        .execute(&mut log)
        .await
        .unwrap();
    until_parked(&mut log, position).await;
    assert_eq!(broken(&mut log).await.unwrap(), Vec::<&str>::new());
}

/// Until everybody who reads payloads stands before that event.
async fn until_parked(log: &mut PgConnection, position: i64) {
    let others = "select coalesce(string_agg(name || ' at ' || position, ', '), '') from log.followers \
                  where name <> all ($1) and (parked_reason is null or position <> $2 - 1)";
    until_well("all are parked before it", SOON, async || {
        let others: String =
            sqlx::query_scalar(others).bind(READ_NO_PAYMENTS).bind(position).fetch_one(&mut *log).await.unwrap();
        if others.is_empty() { Ok(()) } else { Err(others) }
    })
    .await;
}

async fn count(log: &mut PgConnection, question: &str) -> i64 {
    sqlx::query_scalar(question).fetch_one(log).await.unwrap()
}

/// A tally as a later release has it: each move says who made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct LaterTally {
    total: i64,
    who: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LaterTallyEvent {
    TallyMoved { amount: i64, total: i64, who: String },
}

impl Event for LaterTallyEvent {
    fn event_type(&self) -> &'static str {
        "tally_moved"
    }

    fn event_version(&self) -> &'static str {
        "2.0"
    }
}

impl Aggregate for LaterTally {
    const TYPE: &'static str = Tally::TYPE;
    const STATE_VERSION: i32 = 2;
    type Command = i64;
    type Event = LaterTallyEvent;
    type Refusal = TallyRefusal;

    fn decide(&self, amount: &i64) -> Result<Vec<LaterTallyEvent>, TallyRefusal> {
        let total = self.total + amount;
        Ok(vec![LaterTallyEvent::TallyMoved { amount: *amount, total, who: "a later release".to_owned() }])
    }

    fn apply(&mut self, event: &LaterTallyEvent) {
        let LaterTallyEvent::TallyMoved { total, who, .. } = event;
        self.total = *total;
        self.who.push(who.clone());
    }
}

/// How a later release reads what this one wrote.
fn lifting() -> Upcasters {
    let lift = |payload: serde_json::Value| {
        let moved = &payload["tally_moved"];
        json!({ "tally_moved": { "amount": moved["amount"], "total": moved["total"], "who": "nobody said" } })
    };
    Upcasters::new(vec![Box::new(SemanticVersionEventUpcaster::new("tally_moved", "2.0", Box::new(lift)))])
}

/// Copies what it understands; of the later release, or of this one.
struct Reader {
    upcasters: Arc<Upcasters>,
    is_later: bool,
}

impl Follower for Reader {
    fn name(&self) -> &'static str {
        "reader"
    }

    fn apply<'a>(
        &'a mut self,
        books: &'a mut PgConnection,
        events: &'a [Arc<Recorded>],
    ) -> BoxFuture<'a, Result<(), Poison>> {
        async move {
            for event in events {
                let who = if self.is_later {
                    let LaterTallyEvent::TallyMoved { who, .. } =
                        self.upcasters.decode(event).map_err(Poison::Event)?;
                    who
                } else {
                    self.upcasters.decode::<system_tests::tally::TallyEvent>(event).map_err(Poison::Event)?;
                    String::new()
                };
                let copy = "insert into copies (position, who) values ($1, $2)";
                sqlx::query(copy).bind(event.position).bind(who).execute(&mut *books).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

// covers B16, E12
#[tokio::test]
async fn what_this_release_does_not_understand_waits_for_the_one_that_does_and_nothing_is_dropped() {
    let ledger = Ledger::fresh().await.unwrap();
    let mut log = ledger.superuser().await.unwrap();
    log.execute(
        "create table copies (nth bigserial, position bigint, who text); \
                 grant all on copies, copies_nth_seq to daybook_app",
    )
    .await
    .unwrap();
    let this = ledger.store().unwrap();
    let later = Store::open(ledger.database().unwrap(), lifting(), Limits::default());
    let (shared, own): (Arc<str>, Arc<str>) = ("shared".into(), "own".into());
    this.execute(add(&shared, 1, None, true)).await.unwrap();
    this.execute(add(&own, 1, None, true)).await.unwrap();
    // The later one folds what this one wrote, lifted, and goes on with the stream.
    let moved = later.execute(Act::deciding({
        let shared = Arc::clone(&shared);
        move |books| {
            books.tell::<LaterTally>(&shared, &5)?.ok();
            let total = books.state::<LaterTally>(&shared)?.total;
            Ok(Verdict::Accepted(Answer { status: 200, body: total.to_string() }))
        }
    }));
    let moved = moved.await.unwrap();
    assert!(matches!(&moved, Outcome::Accepted { answer, .. } if answer.body == "6"), "{moved:?}");
    let mut head = this.head();
    assert!(head.reaches(3).await);
    // This one decides nothing on a stream it does not understand, and goes on with all others.
    let refused = this.execute(add(&shared, 1, None, false)).await;
    assert!(matches!(refused, Err(Failure::Unreadable { .. })), "{refused:?}");
    assert!(matches!(this.execute(add(&own, 1, None, false)).await, Ok(Outcome::Accepted { position: 4, .. })));
    assert!(head.reaches(4).await);

    let mut reader =
        this.follow(Reader { upcasters: this.upcasters(), is_later: false }, ledger.database().unwrap().pool(2));
    let reason = loop {
        match reader.step().await.unwrap() {
            Step::Parked { at: 2, reason } => break reason,
            Step::Moved { .. } | Step::Stumbled { .. } => {}
            other @ (Step::Idle { .. } | Step::Parked { .. } | Step::Elsewhere) => panic!("{other:?}"),
        }
    };
    assert!(reason.contains("position 3"), "{reason}");
    drop(reader);

    // The later release takes its place, at the same checkpoint.
    log.execute(
        "update log.followers set holder = null, lease_until = null, parked_reason = null, parked_at = null, \
                 failures = 0",
    )
    .await
    .unwrap();
    let mut reader =
        later.follow(Reader { upcasters: later.upcasters(), is_later: true }, ledger.database().unwrap().pool(2));
    assert!(later.head().reaches(4).await);
    while !matches!(reader.step().await.unwrap(), Step::Idle { at: 4 }) {}
    let copied: Vec<(i64, String)> =
        sqlx::query_as("select position, who from copies order by nth").fetch_all(&mut log).await.unwrap();
    let who = |position| ["", "", "a later release", "nobody said"][position];
    assert_eq!(copied, (0..4).map(|n| (i64::try_from(n).unwrap() + 1, who(n).to_owned())).collect::<Vec<_>>());
}
