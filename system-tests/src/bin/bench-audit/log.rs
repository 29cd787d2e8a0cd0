//! On a long log: checking it whole, building its tree, proving one event.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::key::{FileSigner, Signer, VerifierKey};
use audit::receipt::About;
use audit::verify::{SAVE_EVERY, Verify};
use audit::{Notary, Proofs, Signed};
use event_store::Upcasters;
use system_tests::database::Ledger;
use system_tests::report::{Aim, Figure, line, median};
use system_tests::traffic::{Mix, Traffic};

use crate::Problem;

const ROUNDS: usize = 3;
const PROOFS: i64 = 500;

pub(crate) async fn measure(server: &str, events: usize) -> Result<Vec<Figure>, Problem> {
    let (ledger, head) = ledger(server, events).await?;
    let place = std::env::temp_dir().join(format!("daybook-bench-audit-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let measured = on(&ledger, head, &place).await;
    std::fs::remove_dir_all(&place)?;
    measured
}

async fn ledger(server: &str, events: usize) -> Result<(Ledger, i64), Problem> {
    let ledger = Ledger::on(server).await?;
    let head = Traffic::new(Mix { merchants: 200, at_once: 500, ..Mix::seeded(5) })?.fill(&ledger, events).await?;
    Ok((ledger, head))
}

async fn on(ledger: &Ledger, head: i64, place: &Path) -> Result<Vec<Figure>, Problem> {
    let key_file = place.join("key");
    let signer = FileSigner::draw(&key_file, "example.com/bench")?;
    let key = signer.key().clone();
    let mut built = Vec::new();
    for round in 1..=ROUNDS {
        let mut owner = ledger.superuser().await?;
        let begin = Instant::now();
        audit::rebuild(&ledger.database()?, &mut owner, &|_, _| {}).await?;
        built.push(per_second(head, begin.elapsed()));
        line(&format!("round {round}: the tree from the log {:.0}/s", built.last().copied().unwrap_or_default()))?;
    }
    sign(ledger, signer, place).await?;
    let mut verified = Vec::new();
    for round in 1..=ROUNDS {
        let begin = Instant::now();
        let report = check(ledger, place, &key)?.run(&|_, _| {}).await?;
        verified.push(per_second(head, begin.elapsed()));
        if !report.findings.is_empty() || rows(report.proven) != head {
            return Err(format!("the log is not as it was written: {report:?}").into());
        }
        line(&format!("round {round}: the whole check {:.0}/s", verified.last().copied().unwrap_or_default()))?;
    }
    let slowest = prove(ledger, head, &key).await?;
    Ok(vec![
        Figure::new("verify_events_per_s", "the whole check", median(verified), Some(Aim::AtLeast(300_000.0))),
        Figure::new(
            "tree_events_per_s",
            "the tree, from the log to its tiles",
            median(built),
            Some(Aim::AtLeast(300_000.0)),
        ),
        Figure::new("proof_ms", "an event with its proof, p99", slowest, Some(Aim::AtMost(5.0))),
    ])
}

/// Signs the whole tree, and keeps the checkpoints there.
pub(crate) async fn sign(ledger: &Ledger, signer: FileSigner, place: &Path) -> Result<(), Problem> {
    let mut notary = Notary::new(ledger.database()?.pool(2), vec![Box::new(signer)], Some(place.join("checkpoints")));
    while let Signed::Behind(_) = notary.step().await? {}
    Ok(())
}

fn check(ledger: &Ledger, place: &Path, key: &VerifierKey) -> Result<Verify, Problem> {
    Ok(Verify {
        database: ledger.database()?,
        upcasters: Arc::new(Upcasters::default()),
        directories: vec![place.join("checkpoints")],
        notes: Vec::new(),
        trusted: vec![key.clone()],
        state: Some(place.join("state")),
        save_every: SAVE_EVERY,
    })
}

/// Events from all over the log, read and proven as over HTTP; each is verified, outside the time.
pub(crate) async fn prove(ledger: &Ledger, head: i64, key: &VerifierKey) -> Result<f64, Problem> {
    let proofs = Proofs { store: ledger.store()?, pool: ledger.database()?.pool(2), patience: Duration::ZERO };
    let mut took = Vec::new();
    for nth in 0..PROOFS {
        let position = 1 + nth * 7_919 * 997 % head;
        let begin = Instant::now();
        let event = proofs.event(position).await?;
        let receipt = proofs.receipt(About::Event(position), &[event]).await?;
        took.push(begin.elapsed().as_secs_f64() * 1_000.0);
        receipt.verify(std::slice::from_ref(key))?;
    }
    took.sort_by(f64::total_cmp);
    line(&format!("a proof: p50 {:.2} ms", took.get(took.len() / 2).copied().unwrap_or(f64::NAN)))?;
    Ok(took.get(took.len() * 99 / 100).copied().unwrap_or(f64::NAN))
}

fn rows(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn per_second(events: i64, took: Duration) -> f64 {
    f64::from(i32::try_from(events).unwrap_or(i32::MAX)) / took.as_secs_f64()
}
