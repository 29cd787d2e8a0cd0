//! Killed at the worst moment: the server, a session, initdb, the owner.

use std::{fs, process::Command};

use embedded_postgres::{Binaries, Cluster, Settings};

use crate::home::{Home, ask};

#[test]
fn what_was_committed_before_kill_9_is_there_after_it() {
    let home = Home::new();
    let cluster = home.start();
    ask(&cluster, "CREATE TABLE kept (number int)");
    for round in 1..=3 {
        ask(&cluster, &format!("INSERT INTO kept VALUES ({round})"));
        let killed = cluster.pid().unwrap();
        cluster.kill9().unwrap();
        cluster.ensure_running().unwrap();
        assert_ne!(cluster.pid().unwrap(), killed);
        assert_eq!(ask(&cluster, "SELECT count(*) FROM kept"), round.to_string());
    }
}

#[test]
fn a_busy_session_of_a_killed_server_does_not_block_the_next() {
    let home = Home::new();
    let cluster = home.start();
    let mut session = cluster.connect("daybook").unwrap();
    let busy = std::thread::spawn(move || session.query("SELECT count(*) FROM generate_series(1, 5000000)"));
    while ask(&cluster, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%'") == "1" {}
    cluster.kill9().unwrap();
    cluster.ensure_running().unwrap();
    assert_eq!(ask(&cluster, "SELECT 1"), "1");
    drop(busy.join().unwrap());
}

#[test]
fn a_killed_session_takes_the_others_with_it_and_the_server_comes_back() {
    let home = Home::new();
    let cluster = home.start();
    let mut session = cluster.connect("daybook").unwrap();
    assert!(cluster.kill9_backend().unwrap().is_some());
    session.query("SELECT 1").unwrap_err();
    cluster.ensure_running().unwrap();
    assert_eq!(ask(&cluster, "SELECT 1"), "1");
}

#[test]
fn initdb_killed_in_the_middle_leaves_a_directory_that_starts() {
    let home = Home::new();
    // A home as it is while initdb works: its directory beside the place of the data, with some of its files.
    home.start().stop(embedded_postgres::Stop::Immediate).unwrap();
    let unfinished = home.path().join("data.unfinished-1-1");
    fs::rename(home.data_dir(), &unfinished).unwrap();
    fs::remove_file(unfinished.join("global/pg_control")).unwrap();
    assert_eq!(ask(&home.start(), "SELECT 1"), "1");
    assert!(!unfinished.exists());
}

#[test]
fn an_initdb_that_fails_leaves_no_data_directory() {
    let home = Home::new();
    home.start().stop(embedded_postgres::Stop::Immediate).unwrap();
    fs::remove_dir_all(home.data_dir()).unwrap();
    let stand_in = failing_initdb(&home);
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::start_with_the_binaries_of_the_environment", "--ignored", "--nocapture"])
        .env("DAYBOOK_POSTGRES_BIN", stand_in)
        .env("EMBEDDED_POSTGRES_HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("initdb could not prepare"), "{said}");
    assert!(!home.data_dir().exists());
    home.start();
}

#[test]
#[ignore = "run by its neighbour in a process of its own"]
fn start_with_the_binaries_of_the_environment() {
    let home = std::env::var("EMBEDDED_POSTGRES_HOME").unwrap();
    if let Err(error) = Cluster::start(std::path::Path::new(&home), crate::home::small()) {
        panic!("{error}");
    }
}

#[test]
#[ignore = "run by its neighbour in a process of its own"]
fn own_an_ephemeral_cluster_and_abort() {
    let cluster = Cluster::ephemeral(Settings::new().with("shared_buffers", "16MB")).unwrap();
    fs::write(std::env::var("EMBEDDED_POSTGRES_NOTE").unwrap(), cluster.data_dir().display().to_string()).unwrap();
    std::process::abort();
}

#[test]
fn the_ephemeral_cluster_of_a_killed_owner_is_cleared_by_the_next() {
    let home = Home::new();
    let note = home.path().with_file_name("note");
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::own_an_ephemeral_cluster_and_abort", "--ignored"])
        .env("EMBEDDED_POSTGRES_NOTE", &note)
        .output()
        .unwrap();
    let abandoned = fs::read_to_string(note).unwrap();
    let cluster = Cluster::ephemeral(Settings::new().with("shared_buffers", "16MB")).unwrap();
    assert!(!std::path::Path::new(&abandoned).exists());
    drop(cluster);
}

/// Binaries whose initdb begins its work and ends in the middle.
fn failing_initdb(home: &Home) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let real = Binaries::find(None).unwrap().directory;
    let directory = home.path().with_file_name("bin");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink(real.join("postgres"), directory.join("postgres")).unwrap();
    let script = "#!/bin/sh\nfor last; do :; done\nmkdir -p \"$last\" && echo 15 > \"$last/PG_VERSION\"\nkill -9 $$\n";
    fs::write(directory.join("initdb"), script).unwrap();
    fs::set_permissions(directory.join("initdb"), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}
