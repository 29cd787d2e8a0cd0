//! A base backup and the archive make the ledger again; less of it is not served.

use std::path::Path;

use audit::key::FileSigner;
use audit::key::Signer as _;
use embedded_postgres::{Cluster, Settings, Stop};
use sqlx::Connection as _;
use sqlx::PgConnection;
use system_tests::branch::Branch;
use system_tests::database::Ledger;
use system_tests::server::{Server, daybook};

use super::{Room, WITHIN, all_is_there, head, is_empty, must, on, pay, until_promoted};
use crate::operations::until;

/// Everything that is in the log so far is in the archive.
async fn archived(log: &mut PgConnection) {
    let piece: String =
        sqlx::query_scalar("select pg_walfile_name(pg_current_wal_lsn())").fetch_one(&mut *log).await.unwrap();
    sqlx::query("select pg_switch_wal()").execute(&mut *log).await.unwrap();
    let is_kept = "select coalesce(max(last_archived_wal), '') >= $1 from pg_stat_archiver";
    until("the last piece is archived", WITHIN, async || {
        let is_kept: bool = sqlx::query_scalar(is_kept).bind(&piece).fetch_one(&mut *log).await.unwrap();
        is_kept.then_some(())
    })
    .await;
}

/// What the log is held against: everything that was signed of it.
async fn signed(branch: &Branch) {
    let wanted = head(branch).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let question = "select coalesce(max(size), 0) >= $1 from audit.checkpoints";
    until("all of it is signed", WITHIN, async || {
        let is_signed: bool = sqlx::query_scalar(question).bind(wanted).fetch_one(&mut log).await.unwrap();
        is_signed.then_some(())
    })
    .await;
}

/// A moment in which nobody wrote, and where the log ended then.
async fn quiet_moment(branch: &Branch) -> (String, i64) {
    let mut log = branch.ledger.superuser().await.unwrap();
    let question = "select clock_timestamp()::text, max(position) from log.events";
    until("nobody writes", WITHIN, async || {
        let before: (String, i64) = sqlx::query_as(question).fetch_one(&mut log).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let (_later, head): (String, i64) = sqlx::query_as(question).fetch_one(&mut log).await.unwrap();
        (before.1 == head).then_some(before)
    })
    .await
}

/// The log as of a moment: as long as it was then, though the archive goes on.
async fn a_moment_comes_back(room: &Room, owner: &Cluster, from: [&Path; 2], url: &str, then: &(String, i64)) {
    let (moment, head) = then;
    let home = room.shared(owner, "moment");
    must(room.script(owner, "restore").args(from).arg(home.join("data")).arg(moment));
    let restored = room.cluster("moment", Settings::new()).await;
    let url = on(&restored, url);
    until_promoted(&url).await;
    let mut log = PgConnection::connect(&url).await.unwrap();
    let found: i64 = sqlx::query_scalar("select max(position) from log.events").fetch_one(&mut log).await.unwrap();
    assert_eq!(found, *head, "as of {moment}");
    drop(log);
    tokio::task::spawn_blocking(move || restored.stop(Stop::Immediate)).await.unwrap().unwrap();
}

fn kept(script: &str, archive: &Path) -> Settings {
    let command = format!("sh {script} \"%p\" {}/%f", archive.display());
    Settings::new().with("archive_mode", "on").with("archive_command", command)
}

fn verify(url: &str, key: &str, checkpoints: &str) -> std::process::Output {
    let mut command = daybook().unwrap();
    command.args(["verify", "--key", key, "--checkpoints", checkpoints]).env("DATABASE_URL", url).output().unwrap()
}

// covers B11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_backup_and_the_archive_bring_back_every_answer_and_less_of_it_is_not_served() {
    let Some(room) = Room::new() else { return };
    // Where the server's user can read it.
    let script = room.at("archive-wal");
    std::fs::copy(system_tests::tree::root().join("deploy/backup/archive-wal"), &script).unwrap();
    let archive = room.at("archive");
    let primary = room.cluster("primary", kept(&script.display().to_string(), &archive)).await;
    room.shared(&primary, "archive");
    let (key_file, checkpoints) = (room.at("key"), room.at("checkpoints").display().to_string());
    let key = FileSigner::draw(&key_file, "example.com/ledger").unwrap().key().to_string();
    let key_file = key_file.display().to_string();
    let witnessed = [
        ("DAYBOOK_WITHOUT_AUDIT", "false"),
        ("DAYBOOK_CHECKPOINT_KEY_FILE", key_file.as_str()),
        ("DAYBOOK_CHECKPOINT_DIRECTORY", checkpoints.as_str()),
        ("DAYBOOK_CHECKPOINT_EVERY_MS", "100"),
    ];
    let ledger = Ledger::on(&primary.url("daybook")).await.unwrap();
    let branch = Branch::on(ledger, &witnessed).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut paid = pay(&mut branch.client(), &merchant, 10).await;
    let base = room.shared(&primary, "kept").join("base");
    must(room.script(&primary, "take").arg(&base));
    pay(&mut branch.client(), &merchant, 2).await;
    let then = quiet_moment(&branch).await;
    paid.extend(pay(&mut branch.client(), &merchant, 10).await);
    signed(&branch).await;
    archived(&mut branch.ledger.superuser().await.unwrap()).await;
    let (lost_at, url) = (head(&branch).await, branch.ledger.superuser_url().to_owned());
    // The disk is gone, and the server with it.
    let Branch { server, operator, .. } = branch;
    drop(server);
    let owner = tokio::task::spawn_blocking(move || primary.kill9().map(|()| primary)).await.unwrap().unwrap();

    let home = room.shared(&owner, "restored");
    must(room.script(&owner, "restore").args([&base, &archive, &home.join("data")]));
    // Nothing that is there is written over.
    assert!(!room.script(&owner, "restore").args([&base, &archive, &home.join("data")]).status().unwrap().success());
    let restored = room.cluster("restored", Settings::new()).await;
    let url_of_restored = on(&restored, &url);
    until_promoted(&url_of_restored).await;
    let said = verify(&url_of_restored, &key, &checkpoints);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    let ledger = Ledger::at(&url_of_restored);
    let server = Server::start(&url_of_restored, &witnessed).await.unwrap();
    let branch = Branch { ledger, server, operator };
    assert_eq!(head(&branch).await, lost_at);
    all_is_there(&branch, &merchant, &paid).await;
    pay(&mut branch.client(), &merchant, 5).await;
    assert!(head(&branch).await > lost_at);
    signed(&branch).await;
    let said = verify(&url_of_restored, &key, &checkpoints);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));

    a_moment_comes_back(&room, &owner, [&base, &archive], &url, &then).await;

    // Without the archive the log ends at the backup: shorter than what was signed.
    let (home, nothing) = (room.shared(&owner, "older"), room.shared(&owner, "nothing"));
    assert!(is_empty(&nothing));
    must(room.script(&owner, "restore").args([&base, &nothing, &home.join("data")]));
    let older = room.cluster("older", Settings::new()).await;
    let url_of_older = on(&older, &url);
    until_promoted(&url_of_older).await;
    let refused = Server::start(&url_of_older, &witnessed).await.unwrap_err().to_string();
    assert!(refused.contains("this is not the log that was signed"), "{refused}");
    assert_eq!(verify(&url_of_older, &key, &checkpoints).status.code(), Some(12), "cut off");
    drop(branch);
    for cluster in [restored, older] {
        tokio::task::spawn_blocking(move || Cluster::stop(&cluster, Stop::Immediate)).await.unwrap().unwrap();
    }
}

#[test]
fn a_piece_of_the_archive_is_never_written_over() {
    let place = crate::audit::Directory::fresh();
    let [from, other, to] = ["from", "other", "to"].map(|name| place.at(name));
    std::fs::write(&from, "one").unwrap();
    std::fs::write(&other, "another").unwrap();
    let keep = |from: &Path| {
        let script = system_tests::tree::root().join("deploy/backup/archive-wal");
        std::process::Command::new(script).args([from, &to]).status().unwrap().success()
    };
    assert!(keep(&from) && keep(&from), "once, and once again");
    assert!(!keep(&other));
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "one");
}
