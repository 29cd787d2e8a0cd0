//! A superuser changes the log in every way: each is found, the position named.

use audit::verify::Kind;

use super::{Watched, first, found, newest};

/// Signed as of these; the log goes on to 700, in no checkpoint yet.
const SIGNED: [i64; 2] = [300, 600];

async fn watched() -> Watched {
    let mut watched = Watched::signed_at(&SIGNED).await;
    watched.more(100).await;
    watched
}

const SHIFT: &str = "update log.events set position = -(position + 1) where position >= 100; \
     update log.events set position = -position where position < 0;";
const FORGED: &str = "insert into log.events select 100, gen_random_uuid(), aggregate_type, 'PAY00000000000000000000000000000009', \
     1, event_type, event_version, payload, metadata, merchant_id, livemode, recorded_at from log.events where position = 99";
const CLOSE: &str = "delete from log.events where position = 100; \
     update log.events set position = -(position - 1) where position > 100; \
     update log.events set position = -position where position < 0;";
const SWAP: &str = "update log.events set position = -20 where position = 120; \
     update log.events set position = 120 where position = 150; update log.events set position = 150 where position = -20";
const UNSIGNED_ID: &str =
    "update log.events set event_id = (select event_id from log.events where position = 5) where position = 650";
const TWICE: &str = "alter table log.events drop constraint events_pkey; \
     insert into log.events select position, gen_random_uuid(), aggregate_type, 'PAY00000000000000000000000000000008', 1, \
     event_type, event_version, payload, metadata, merchant_id, livemode, recorded_at from log.events where position = 200";

/// What is done, what it is, and where.
const WAYS: &[(&str, Kind, i64)] = &[
    ("update log.events set payload = (payload::text || ' ')::json where position = 100", Kind::Changed, 100),
    ("update log.events set metadata = '{}' where position = 1", Kind::Changed, 1),
    ("update log.events set merchant_id = gen_random_uuid() where position = 600", Kind::Changed, 600),
    ("update log.events set livemode = not coalesce(livemode, true) where position = 123", Kind::Changed, 123),
    (
        "update log.events set recorded_at = recorded_at + interval '1 microsecond' where position = 300",
        Kind::Changed,
        300,
    ),
    ("update log.events set event_id = gen_random_uuid() where position = 301", Kind::Changed, 301),
    ("delete from log.events where position > 590", Kind::CutOff, 591),
    ("delete from log.events where position > 599", Kind::CutOff, 600),
    ("delete from log.events where position = 100", Kind::Removed, 100),
    ("delete from log.events where position between 250 and 350", Kind::Removed, 250),
    ("delete from log.events where position = 1", Kind::Removed, 1),
    (CLOSE, Kind::Removed, 100),
    (SWAP, Kind::Swapped, 120),
    (FORGED_IN, Kind::Inserted, 100),
    (TWICE, Kind::Inserted, 200),
    ("update log.events set position = 0 where position = 700", Kind::Inserted, 0),
    (UNSIGNED_ID, Kind::EventId, 650),
    ("update log.events set sequence = sequence + 1 where position = 700", Kind::Order, 700),
    ("update log.events set recorded_at = recorded_at - interval '1 day' where position = 650", Kind::Order, 650),
    ("update log.events set payload = '{\"nonsense\":{}}' where position = 640", Kind::Unreadable, 640),
    ("update log.events set event_type = 'payment_forgotten' where position = 641", Kind::Unreadable, 641),
    ("update log.events set event_version = '9.9' where position = 642", Kind::Unreadable, 642),
    ("update log.events set recorded_at = 'infinity' where position = 700", Kind::Unreadable, 700),
    (
        "update audit.tiles set hashes = overlay(hashes placing '\\x00' from 321 for 1) where level = 0 and index = 1",
        Kind::Tree,
        267,
    ),
    ("delete from audit.tiles where level = 0 and index = 1", Kind::Tree, 257),
    ("update audit.tiles set hashes = overlay(hashes placing '\\x00' from 33 for 1) where level = 1", Kind::Tree, 257),
    ("update audit.tree set root = sha256('')", Kind::Tree, 600),
    ("delete from audit.tree", Kind::Tree, 0),
    ("update audit.checkpoints set note = replace(note, '300', '301') where size = 300", Kind::Checkpoint, 300),
    ("delete from audit.checkpoints where size = 300", Kind::Checkpoint, 300),
];
const FORGED_IN: &str = "forge";

// covers H1, H2, H3, I15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_tampering_is_found_and_the_first_wrong_position_named() {
    for (way, kind, position) in WAYS {
        let watched = watched().await;
        assert_eq!(found(&watched.check()).await.findings, [], "all is well before");
        match *way {
            FORGED_IN => {
                watched.tamper(SHIFT).await;
                watched.tamper(FORGED).await;
            }
            sql => watched.tamper(sql).await,
        }
        let report = found(&watched.check()).await;
        assert!(report.first().is_some(), "nothing was found: {way}");
        assert_eq!(first(&report), (*kind, *position), "{way}: {report:#?}");
    }
}

/// A payload that is as good as the one before, in an event that was signed.
const REWRITE: &str = "update log.events set payload = (payload::text || ' ')::json where position >= 350";

// covers H3, I15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_rewritten_with_its_tree_is_found_by_what_is_kept_outside() {
    let watched = watched().await;
    watched.tamper(REWRITE).await;
    watched.cover_up().await;
    // The database agrees with itself now: with the leaves outside, the position is exact.
    let report = found(&watched.check()).await;
    assert_eq!(first(&report), (Kind::Rewritten, 350), "{report:#?}");
    assert_eq!(report.proven, 300);
    // With nothing but one checkpoint that somebody kept, it is known which two positions it lies between.
    watched.tamper("delete from audit.checkpoints where size > 300").await;
    let mut check = watched.check();
    check.directories = Vec::new();
    check.notes = vec![("mine".to_owned(), newest(&watched.outside()))];
    let report = found(&check).await;
    assert_eq!(first(&report), (Kind::Rewritten, 301), "{report:#?}");
    // With no trace outside the database nothing could be found: that is what the directory is for.
    check.notes = Vec::new();
    assert_eq!(found(&check).await.findings, []);
}

// covers H2, H3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_off_with_its_tree_and_written_on_is_found() {
    let mut watched = watched().await;
    let cut = "delete from log.events where position > 590; delete from audit.checkpoints where size > 590";
    watched.tamper(cut).await;
    watched.cover_up().await;
    let report = found(&watched.check()).await;
    assert_eq!(first(&report), (Kind::CutOff, 591), "{report:#?}");
    // Other events in their place.
    watched.more(50).await;
    let report = found(&watched.check()).await;
    assert_eq!(report.findings.iter().map(|found| found.position).min(), Some(591), "{report:#?}");
    watched.grow().await;
    let report = found(&watched.check()).await;
    assert_eq!(report.findings.iter().map(|found| found.position).min(), Some(591), "{report:#?}");
}

// covers H3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_chain_made_anew_under_another_key_is_found() {
    let watched = watched().await;
    watched.tamper("update log.events set metadata = '{\"forged\": \"yes\"}'; delete from audit.checkpoints").await;
    watched.cover_up().await;
    std::fs::remove_file(watched.place.at("key")).unwrap();
    let forger = audit::key::FileSigner::draw(&watched.place.at("key"), "example.com/ledger").unwrap();
    let mine = newest(&watched.outside());
    let signers: Vec<Box<dyn audit::key::Signer>> = vec![Box::new(forger)];
    let mut notary = audit::Notary::new(watched.ledger.database().unwrap().pool(2), signers, None);
    notary.step().await.unwrap();
    let mut check = watched.check();
    check.directories = Vec::new();
    check.notes = vec![("mine".to_owned(), mine)];
    let report = found(&check).await;
    assert_eq!(first(&report), (Kind::Rewritten, 1), "{report:#?}");
    assert!(report.findings.iter().any(|found| found.kind == Kind::Checkpoint), "{report:#?}");
}

// covers H4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_histories_shown_to_two_auditors_are_a_fork() {
    let mut watched = Watched::signed_at(&[300]).await;
    // The same ledger and key, another end: shown to somebody else.
    let mut other = watched.twin(12).await;
    other.more(150).await;
    other.grow().await;
    assert_eq!(other.sign().await, 450);
    watched.more(300).await;
    watched.grow().await;
    watched.sign().await;
    let mut check = watched.check();
    check.notes = vec![("the other auditor's".to_owned(), newest(&other.outside()))];
    let report = found(&check).await;
    assert_eq!(first(&report), (Kind::Fork, 301), "{report:#?}");
    // And so without a log: there is no proof that leads from one to the other.
    let proofs = audit::Proofs {
        store: watched.ledger.store().unwrap(),
        pool: watched.ledger.database().unwrap().pool(2),
        patience: std::time::Duration::ZERO,
    };
    let mut growth = proofs.growth(300, 600).await.unwrap();
    growth.verify(&[watched.key.clone()]).unwrap();
    growth.first = newest(&other.outside());
    assert!(growth.verify(&[watched.key.clone()]).is_err());
}
