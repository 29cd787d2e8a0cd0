//! A log from an older copy, a damaged disk, a check broken off: what is said of them.

use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use sqlx::Connection as _;
use system_tests::client::Request;
use system_tests::database::{Ledger, in_database};
use system_tests::server::Server;

use audit::verify::Kind;
use embedded_postgres::{Cluster, Settings};

use super::{Watched, first, found};
use crate::operations::until;

const SOON: Duration = Duration::from_secs(30);

/// A ledger of which 200 were signed, and a copy of it from when it had 100.
async fn with_an_older_copy() -> (Watched, Ledger) {
    let mut watched = Watched::signed_at(&[100]).await;
    let older = Ledger::copy_of(&watched.ledger).await.unwrap();
    watched.more(100).await;
    watched.grow().await;
    watched.sign().await;
    (watched, older)
}

// covers B10, B11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_restored_from_an_older_copy_is_not_served_as_if_nothing_had_been() {
    let (watched, older) = with_an_older_copy().await;
    let outside = watched.outside().display().to_string();
    let environment = [("DAYBOOK_WITHOUT_AUDIT", "true"), ("DAYBOOK_CHECKPOINT_DIRECTORY", outside.as_str())];
    let refused = Server::start(older.superuser_url(), &environment).await.unwrap_err().to_string();
    assert!(refused.contains("a checkpoint of 200 was signed"), "{refused}");
    assert!(!refused.contains(&in_database(older.superuser_url(), "x").unwrap()), "no address of a database is told");
    // The log that was signed is served, and so is the older one where nothing newer was signed.
    drop(Server::start(watched.ledger.superuser_url(), &environment).await.unwrap());
    let nothing = watched.place.at("nothing").display().to_string();
    drop(Server::start(older.superuser_url(), &[("DAYBOOK_CHECKPOINT_DIRECTORY", &nothing)]).await.unwrap());
}

// covers B10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_not_known_whether_the_log_is_the_one_that_was_signed_nobody_is_answered() {
    let (watched, older) = with_an_older_copy().await;
    let outside = watched.outside().display().to_string();
    let environment = [("DAYBOOK_WITHOUT_AUDIT", "true"), ("DAYBOOK_CHECKPOINT_DIRECTORY", outside.as_str())];
    for (ledger, held, served) in [(&watched.ledger, "audit.tree", "401"), (&older, "log.events", "503")] {
        let mut books = ledger.superuser().await.unwrap();
        let mut holding = books.begin().await.unwrap();
        sqlx::query(&format!("lock table {held}")).execute(&mut *holding).await.unwrap();
        let server = Server::start(ledger.superuser_url(), &environment).await.unwrap();
        let status = async |path: &str| server.client().send(&Request::get(path)).await.unwrap().status.to_string();
        assert_eq!(status("/api/v1/payments").await, "503", "it is not known yet");
        assert_eq!(status("/livez").await, "200");
        holding.rollback().await.unwrap();
        if served == "503" {
            until("it is told", SOON, async || {
                server.log().unwrap().contains("this is not the log that was signed").then_some(())
            })
            .await;
        }
        until(served, SOON, async || (status("/api/v1/payments").await == served).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_goes_on_where_it_was_broken_off() {
    let watched = Watched::signed_at(&[300, 20_000]).await;
    let state = watched.place.at("state");
    let mut check = watched.check();
    check.state = Some(state.clone());
    // A check that ended well leaves nothing to go on from.
    assert_eq!(found(&check).await.findings, []);
    assert!(!state.exists());
    check.save_every = Duration::ZERO;
    let first_run = tokio::sync::Notify::new();
    let watch = |_at: i64, _head: i64| first_run.notify_one();
    tokio::select! {
        done = check.run(&watch) => panic!("it was not broken off: {done:?}"),
        () = first_run.notified() => {}
    }
    assert!(state.exists());
    // Behind where it goes on, everything is found; before, it was well when it was looked at.
    watched.tamper("update log.events set metadata = '{}' where position in (10, 19990)").await;
    let report = found(&check).await;
    assert_eq!(first(&report), (Kind::Changed, 19_990), "{report:#?}");
    assert_eq!(report.resumed_at, 16_384);
    std::fs::remove_file(&state).unwrap();
    assert_eq!(first(&found(&check).await), (Kind::Changed, 10));
    std::fs::write(&state, "{}").unwrap();
    assert!(check.run(&|_, _| {}).await.unwrap_err().to_string().contains("cannot be used"));
}

/// Where an event lies: the file of its table, and where its page begins.
const PAGE_OF: &str = "select pg_relation_filepath('log.events'), (ctid::text::point)[0]::bigint * 8192 \
     from log.events where position = $1";
const FIRST_ON_PAGE: &str = "select min(position) from log.events where (ctid::text::point)[0]::bigint * 8192 = $1";

// covers B12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_flipped_on_the_disk_is_found_and_where() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::ephemeral(Settings::new())).await.unwrap().unwrap();
    let ledger = Ledger::on(&cluster.url("daybook")).await.unwrap();
    let watched = Watched::with(ledger, 11, &[600]).await;
    let mut superuser = watched.superuser().await;
    let (file, page): (String, i64) = sqlx::query_as(PAGE_OF).bind(400_i64).fetch_one(&mut superuser).await.unwrap();
    let first_on_page: i64 = sqlx::query_scalar(FIRST_ON_PAGE).bind(page).fetch_one(&mut superuser).await.unwrap();
    drop(superuser);
    let path = cluster.data_dir().join(file);
    let flip = move || {
        let file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
        let (mut byte, at) = ([0], u64::try_from(page).unwrap() + 8_000);
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    };
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.stop(embedded_postgres::Stop::Fast).unwrap();
        flip();
        cluster.ensure_running().unwrap();
        cluster
    });
    let cluster = cluster.await.unwrap();
    let report = found(&watched.check()).await;
    assert_eq!(first(&report), (Kind::Unreadable, first_on_page), "{report:#?}");
    // With its checksums off Postgres gives what it finds, and the tree knows better.
    let ignore = "alter system set ignore_checksum_failure = on";
    sqlx::raw_sql(ignore).execute(&mut watched.superuser().await).await.unwrap();
    let cluster = tokio::task::spawn_blocking(move || cluster.restart().map(|()| cluster)).await.unwrap().unwrap();
    let report = found(&watched.check()).await;
    let (kind, position) = first(&report);
    assert!([Kind::Changed, Kind::Unreadable].contains(&kind) && position >= first_on_page, "{report:#?}");
    drop(cluster);
}
