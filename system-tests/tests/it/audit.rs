//! The witness from outside: what it signs and proves, and the tampering it finds.

mod announced;
mod broken_off;
mod bundles;
mod checked;
mod damaged;
mod forgotten;
mod held;
mod history;
mod judged;
mod looks;
mod periods;
mod proofs;
mod restored;
mod served;
mod sessions;
mod signing;
mod tampering;
mod what_if;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use audit::key::{FileSigner, Signer, VerifierKey};
use audit::verify::{Finding, Kind, Report, Verify};
use audit::{Notary, Signed, Tree};
use event_store::{Step, Upcasters};
use sqlx::{PgConnection, PgPool};
use system_tests::database::Ledger;
use system_tests::traffic::{Mix, Traffic, load};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A directory that goes with its test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn fresh() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("daybook-audit-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A ledger with a history, a tree over it, and somebody who signs.
struct Watched {
    ledger: Ledger,
    traffic: Traffic,
    place: Directory,
    key: VerifierKey,
}

impl Watched {
    /// Signed as of each of these positions.
    async fn signed_at(positions: &[i64]) -> Self {
        Self::with(Ledger::fresh().await.unwrap(), 11, positions).await
    }

    async fn with(ledger: Ledger, seed: u64, positions: &[i64]) -> Self {
        let place = Directory::fresh();
        let key = FileSigner::draw(&place.at("key"), "example.com/ledger").unwrap().key().clone();
        let traffic = Traffic::new(Mix::seeded(seed)).unwrap();
        let mut watched = Self { ledger, traffic, place, key };
        let mut head = 0;
        for position in positions {
            head = watched.more(usize::try_from(position - head).unwrap()).await;
            assert_eq!(head, *position);
            watched.grow().await;
            assert_eq!(watched.sign().await, u64::try_from(*position).unwrap());
        }
        watched
    }

    /// The same ledger under the same key, to be gone on with otherwise.
    async fn twin(&self, seed: u64) -> Self {
        let (place, key) = (Directory::fresh(), self.key.clone());
        std::fs::copy(self.place.at("key"), place.at("key")).unwrap();
        let ledger = Ledger::copy_of(&self.ledger).await.unwrap();
        Self { ledger, traffic: Traffic::new(Mix::seeded(seed)).unwrap(), place, key }
    }

    fn outside(&self) -> PathBuf {
        self.place.at("checkpoints")
    }

    async fn superuser(&self) -> PgConnection {
        self.ledger.superuser().await.unwrap()
    }

    /// More events, behind the tree's back; where the log ends then.
    async fn more(&mut self, count: usize) -> i64 {
        let lines = self.traffic.more(count).unwrap();
        load(&mut self.superuser().await, &lines).await.unwrap()
    }

    /// Lets the tree come up to the log.
    async fn grow(&self) {
        let store = self.ledger.store().unwrap();
        let mut tree = store.follow(Tree, self.ledger.database().unwrap().pool(2));
        loop {
            match tree.step().await.unwrap() {
                Step::Moved { .. } => {}
                Step::Idle { .. } => break,
                stuck @ (Step::Stumbled { .. } | Step::Parked { .. } | Step::Elsewhere) => {
                    panic!("the tree does not grow: {stuck:?}")
                }
            }
        }
        // The next one need not wait for the lease.
        let free = "update log.followers set holder = null, lease_until = null where name = 'tree'";
        sqlx::query(free).execute(&mut self.superuser().await).await.unwrap();
    }

    fn notary(&self) -> Notary {
        self.notary_by(self.ledger.database().unwrap().pool(2))
    }

    fn notary_by(&self, pool: PgPool) -> Notary {
        let signers = FileSigner::read(&self.place.at("key")).unwrap();
        let signers = signers.into_iter().map(|signer| -> Box<dyn Signer> { Box::new(signer) }).collect();
        Notary::new(pool, signers, Some(self.outside()))
    }

    async fn sign(&self) -> u64 {
        let mut notary = self.notary();
        loop {
            match notary.step().await.unwrap() {
                Signed::Behind(_) => {}
                Signed::Upto(size) | Signed::Idle(size) => return size,
            }
        }
    }

    /// As an auditor who knows the key and has the directory.
    fn check(&self) -> Verify {
        Verify {
            database: self.ledger.database().unwrap(),
            upcasters: Arc::new(Upcasters::default()),
            directories: vec![self.outside()],
            notes: Vec::new(),
            trusted: vec![self.key.clone()],
            state: None,
            save_every: audit::verify::SAVE_EVERY,
        }
    }

    async fn tamper(&self, sql: &str) {
        sqlx::raw_sql(sql).execute(&mut self.superuser().await).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The tree made anew over what is in the log now, as whoever owns the database can.
    async fn cover_up(&self) {
        audit::rebuild(&self.ledger.database().unwrap(), &mut self.superuser().await, &|_, _| {}).await.unwrap();
    }
}

async fn found(check: &Verify) -> Report {
    check.run(&|_, _| {}).await.unwrap()
}

/// The first thing that is wrong.
fn first(report: &Report) -> (Kind, i64) {
    let Finding { kind, position, .. } = report.first().unwrap_or_else(|| panic!("nothing was found: {report:?}"));
    (*kind, *position)
}

fn newest(outside: &Path) -> String {
    std::fs::read_to_string(outside.join("checkpoint")).unwrap()
}
