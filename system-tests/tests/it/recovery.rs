//! A Postgres that is lost: restored from a backup, or replaced by its standby.

mod backup;
mod by_hand;
mod clocks;
mod disk;
mod standby;

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use embedded_postgres::{Binaries, Cluster, Options, Settings};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Client, Request};
use system_tests::say::say;
use system_tests::tree::root;

use crate::audit::Directory;
use crate::operations::until;

/// Set where a test that was not run is a test that failed.
const REQUIRED: &str = "DAYBOOK_REQUIRE_PG_BASEBACKUP";
const WITHIN: Duration = Duration::from_secs(60);

/// A directory for servers and what is kept of them, and who they run as.
struct Room {
    place: Directory,
    binaries: PathBuf,
}

impl Room {
    /// Nothing where Postgres came without its tools, which is said.
    fn new() -> Option<Self> {
        let binaries = Binaries::find(Some(&root().join(".daybook/postgres-dist"))).unwrap().directory;
        if ["pg_basebackup", "pg_verifybackup"].iter().all(|tool| binaries.join(tool).is_file()) {
            return Some(Self { place: Directory::fresh(), binaries });
        }
        assert!(!std::env::var(REQUIRED).is_ok_and(|set| set == "1"), "{REQUIRED}=1, and it is not beside Postgres");
        say("NOT RUN: backups and standbys: this Postgres came without pg_basebackup");
        None
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.at(name)
    }

    /// A server of its own, in a place of that name.
    async fn cluster(&self, name: &str, settings: Settings) -> Cluster {
        let home = self.at(name);
        let settings = settings.with("max_connections", "60").with("shared_buffers", "32MB");
        let options = Options { settings, ..Options::default() };
        tokio::task::spawn_blocking(move || Cluster::start(&home, options)).await.unwrap().unwrap()
    }

    /// A directory that whoever runs this server may write to.
    fn shared(&self, cluster: &Cluster, name: &str) -> PathBuf {
        let directory = self.at(name);
        std::fs::create_dir_all(&directory).unwrap();
        let owner = std::fs::metadata(cluster.data_dir()).unwrap();
        chown(&directory, Some(owner.uid()), Some(owner.gid())).unwrap();
        directory
    }

    /// One of the scripts of the guide, run as that server's user with its tools.
    fn script(&self, cluster: &Cluster, name: &str) -> Command {
        let owner = std::fs::metadata(cluster.data_dir()).unwrap();
        let mut command = Command::new("sh");
        let text = std::fs::read_to_string(root().join("deploy/backup").join(name)).unwrap();
        // By its text: that user may not be able to reach it.
        command.arg("-c").arg(text).arg(name).current_dir("/");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.binaries.display()));
        command.env("PGHOST", cluster.socket_dir()).env("PGPORT", cluster.port().to_string()).env("PGUSER", "postgres");
        if std::fs::metadata("/proc/self").unwrap().uid() != owner.uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        command
    }
}

fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A payment as it was asked for and answered.
struct Paid {
    key: String,
    order_no: String,
    body: String,
}

async fn ask(client: &mut Client, merchant: &Merchant, order_no: &str, key: &str) -> std::io::Result<Answer> {
    let body = json!({ "order_no": order_no, "amount": 2_500, "currency": "USD", "channel": "stripe" });
    client.send(&Request::post("/api/v1/payments", &body).keyed(key).by(&merchant.test)).await
}

async fn pay(client: &mut Client, merchant: &Merchant, count: usize) -> Vec<Paid> {
    let mut paid = Vec::new();
    for _payment in 0..count {
        let (order_no, key) = (fresh("kept"), fresh("key"));
        let answer = ask(client, merchant, &order_no, &key).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        paid.push(Paid { key, order_no, body: answer.body });
    }
    paid
}

/// Everything that was answered is answered again in the same bytes, and nothing came of it twice.
async fn all_is_there(branch: &Branch, merchant: &Merchant, paid: &[Paid]) {
    let before = head(branch).await;
    let mut client = branch.client();
    for Paid { key, order_no, body } in paid {
        let again = ask(&mut client, merchant, order_no, key).await.unwrap();
        assert_eq!((again.status, &again.body), (200, body));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(head(branch).await, before);
}

/// Where the log ends: it has no holes.
async fn head(branch: &Branch) -> i64 {
    let mut log = branch.ledger.superuser().await.unwrap();
    let (count, head): (i64, i64) = sqlx::query_as("select count(*), coalesce(max(position), 0) from log.events")
        .fetch_one(&mut log)
        .await
        .unwrap();
    assert_eq!(count, head, "positions have holes");
    head
}

/// Until it takes writes.
async fn until_promoted(url: &str) {
    until("the server takes writes", WITHIN, async || {
        let mut connection = PgConnection::connect(url).await.ok()?;
        let is_in_recovery: bool =
            sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut connection).await.ok()?;
        (!is_in_recovery).then_some(())
    })
    .await;
}

/// The same database on another server.
fn on(cluster: &Cluster, ledger_url: &str) -> String {
    let (_server, rest) = ledger_url.split_once(":///").unwrap();
    cluster.url(rest.split('?').next().unwrap())
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}
