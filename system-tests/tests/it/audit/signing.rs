//! Signing: only what continues, written down twice; keys that are changed.

use std::path::Path;

use audit::checkpoint::{Checkpoint, Note};
use audit::key::FileSigner;
use audit::outside::{Copy, Outside};
use audit::{NotaryFailure, Signed};
use embedded_postgres::{Cluster, Settings};
use event_store::Step;
use system_tests::database::Ledger;

use super::{Watched, found, newest};

// covers I15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_is_written_to_the_database_and_outside_and_grows() {
    let mut watched = Watched::signed_at(&[100, 1_500]).await;
    let copy = Copy::of(&watched.outside());
    assert_eq!(copy.leaves_count().unwrap(), 1_500);
    assert_eq!(copy.keys().unwrap(), [watched.key.to_string()]);
    let history = copy.history().unwrap();
    let stored: Vec<String> = sqlx::query_scalar("select note from audit.checkpoints order by size")
        .fetch_all(&mut watched.superuser().await)
        .await
        .unwrap();
    assert_eq!(history, stored);
    assert_eq!(history.last(), Some(&newest(&watched.outside())));
    let sizes =
        |notes: &[String]| notes.iter().map(|note| note.parse::<Note>().unwrap().claimed().size).collect::<Vec<_>>();
    assert_eq!(sizes(&history), [100, 1_500]);
    for note in &history {
        note.parse::<Note>().unwrap().verify(&[watched.key.clone()]).unwrap();
    }
    // Nothing new is signed twice.
    assert_eq!(watched.notary().step().await.unwrap(), Signed::Idle(1_500));
    assert_eq!(copy.history().unwrap(), history);
    watched.more(1).await;
    watched.grow().await;
    assert_eq!(watched.sign().await, 1_501);
    let report = found(&watched.check()).await;
    assert_eq!((report.findings.len(), report.proven, report.checkpoints, report.head), (0, 1_501, 3, 1_501));
}

// covers B2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_outside_the_database_has_after_its_death_by_whatever_connection_it_was_written() {
    let settings = Settings::new().with("wal_writer_delay", "10s");
    let cluster = tokio::task::spawn_blocking(|| Cluster::ephemeral(settings).unwrap()).await.unwrap();
    let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
    let mut watched = Watched::with(ledger, 11, &[]).await;
    watched.more(100).await;
    watched.grow().await;
    // As the server has it: the tree's own commits do not wait for the disk.
    let pool = watched.ledger.database().unwrap().derived_pool(2);
    assert_eq!(watched.notary_by(pool).step().await.unwrap(), Signed::Upto(100));
    tokio::task::block_in_place(|| cluster.kill9()).unwrap();
    tokio::task::block_in_place(|| cluster.ensure_running()).unwrap();
    let keys: i64 =
        sqlx::query_scalar("select count(*) from audit.keys").fetch_one(&mut watched.superuser().await).await.unwrap();
    assert_eq!(keys, 1, "the key is told as well");
    let report = found(&watched.check()).await;
    assert_eq!((report.findings.as_slice(), report.proven), (&[][..], 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_half_written_outside_is_cut_off_and_written_again() {
    let mut watched = Watched::signed_at(&[100]).await;
    let outside = watched.outside();
    let torn = |name: &str, bytes: &[u8]| {
        use std::io::Write as _;
        std::fs::File::options().append(true).open(outside.join(name)).unwrap().write_all(bytes).unwrap();
    };
    torn("leaves", &[7; 95]);
    torn("checkpoints", b"example.com/ledger\n101\nAAAA\n\n\xe2\x80\x94 exam");
    let copy = Copy::of(&outside);
    assert_eq!(copy.history().unwrap().len(), 1, "a reader passes over what is torn");
    watched.more(50).await;
    watched.grow().await;
    assert_eq!(watched.sign().await, 150);
    assert_eq!((copy.history().unwrap().len(), copy.leaves_count().unwrap()), (2, 150));
    assert_eq!(found(&watched.check()).await.findings, []);
    // One writer at a time.
    let open = Outside::open(&outside).unwrap();
    assert!(matches!(watched.notary().step().await, Err(NotaryFailure::Outside(_))));
    drop(open);
    assert_eq!(watched.sign().await, 150);
}

// covers B11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_does_not_continue_what_was_signed_is_not_signed() {
    let mut watched = Watched::signed_at(&[200]).await;
    watched.tamper("update log.events set metadata = '{\"a\": \"b\"}' where position = 150").await;
    watched.cover_up().await;
    watched.more(50).await;
    watched.grow().await;
    let refused = watched.notary().step().await.unwrap_err();
    assert!(matches!(refused, NotaryFailure::NotContinued(_)), "{refused}");
    assert!(refused.to_string().contains("another root at 200"), "{refused}");
    let signed: i64 = sqlx::query_scalar("select max(size) from audit.checkpoints")
        .fetch_one(&mut watched.superuser().await)
        .await
        .unwrap();
    assert_eq!(signed, 200);
    // The tree of a log that was cut off.
    watched.tamper("delete from log.events where position > 120; truncate audit.checkpoints").await;
    watched.cover_up().await;
    let refused = watched.notary().step().await.unwrap_err();
    assert!(refused.to_string().contains("120 leaves, and a checkpoint of 200 was signed"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_contradicts_itself_parks_its_follower_and_is_not_signed() {
    let mut watched = Watched::signed_at(&[300]).await;
    watched.more(10).await;
    watched.tamper("update audit.tiles set hashes = substr(hashes, 1, 64) where level = 0 and index = 1").await;
    let store = watched.ledger.store().unwrap();
    let mut tree = store.follow(audit::Tree, watched.ledger.database().unwrap().pool(2));
    let stumbled = tree.step().await.unwrap();
    let Step::Stumbled { reason, .. } = stumbled else { panic!("{stumbled:?}") };
    assert!(reason.contains("daybook audit rebuild"), "{reason}");
    assert!(watched.notary().step().await.is_err());
    drop(tree);
    watched.cover_up().await;
    assert_eq!(watched.sign().await, 310);
    assert_eq!(found(&watched.check()).await.findings, []);
}

// covers H5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_changed_and_the_chain_goes_on() {
    let mut watched = Watched::signed_at(&[100]).await;
    let old = watched.key.clone();
    let file = watched.place.at("key");
    // Both sign for a while; then the new one alone.
    let new = FileSigner::draw(&watched.place.at("new"), "example.com/ledger").unwrap();
    let new = audit::key::Signer::key(&new).clone();
    append(&watched.place.at("new"), &file);
    watched.more(100).await;
    watched.grow().await;
    assert_eq!(watched.sign().await, 200);
    std::fs::copy(watched.place.at("new"), &file).unwrap();
    watched.more(100).await;
    watched.grow().await;
    assert_eq!(watched.sign().await, 300);
    // Who knows both has one chain; who has only one of them is told which checkpoints it did not sign.
    let mut check = watched.check();
    check.trusted = vec![old.clone(), new.clone()];
    let report = found(&check).await;
    assert_eq!((report.findings.len(), report.proven), (0, 300), "{report:#?}");
    for (trusted, unsigned, by) in [(old.clone(), 300, &new), (new.clone(), 100, &old)] {
        check.trusted = vec![trusted];
        let report = found(&check).await;
        // It is said by whom it claims to be signed, and what to do about it.
        let name = by.to_string().splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
        assert!(
            report.findings.iter().all(|found| found.words.contains(&format!("it bears the name of {name}: "))),
            "{report:#?}"
        );
        let positions: Vec<i64> = report.findings.iter().map(|found| found.position).collect();
        assert!(!positions.is_empty() && positions.iter().all(|at| *at == unsigned), "{report:#?}");
    }
    assert_eq!(Copy::of(&watched.outside()).keys().unwrap(), [old.to_string(), new.to_string()]);
    // The key of another log does not go on with this one.
    std::fs::remove_file(&file).unwrap();
    FileSigner::draw(&file, "example.com/another").unwrap();
    assert!(matches!(watched.notary().step().await, Err(NotaryFailure::NotContinued(_))));
}

fn append(from: &Path, to: &Path) {
    let both = std::fs::read_to_string(to).unwrap() + &std::fs::read_to_string(from).unwrap();
    std::fs::write(to, both).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_made_anew_is_the_one_that_grew() {
    let watched = Watched::signed_at(&[70, 1_300]).await;
    let tiles = "select level, index, hashes from audit.tiles order by level, index";
    let of = async || -> Vec<(i16, i64, Vec<u8>)> {
        sqlx::query_as(tiles).fetch_all(&mut watched.superuser().await).await.unwrap()
    };
    let grown = of().await;
    watched.tamper("delete from audit.tiles where level = 1; update audit.tree set size = 3").await;
    watched.cover_up().await;
    assert_eq!(of().await, grown);
    assert_eq!(grown.len(), 7, "of 1,300 leaves: five full tiles, one that is not, and one above them");
    assert_eq!(found(&watched.check()).await.findings, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_of_another_log_is_none_of_this_one_whoever_signed_it() {
    let watched = Watched::signed_at(&[100]).await;
    let other = FileSigner::draw(&watched.place.at("other"), "example.com/another").unwrap();
    let key = audit::key::Signer::key(&other).clone();
    let note: Note = newest(&watched.outside()).parse().unwrap();
    let claimed = note.claimed();
    let (origin, size, root) = (key.name().to_owned(), claimed.size, claimed.root);
    let note = Checkpoint { origin, size, root }.sign(&[Box::new(other)]).await.unwrap();
    let mut check = watched.check();
    check.trusted.push(key);
    check.notes = vec![("theirs".to_owned(), note.to_string())];
    let report = found(&check).await;
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert!(report.findings[0].words.contains("theirs: it is of the log example.com/another"), "{report:#?}");
}
