//! What is written stays: over stops, restarts, adoptions and stale pid files.

use std::{fs, process::Command};

use embedded_postgres::{Cluster, Options, Settings, Stop};

use crate::home::{Home, ask, rewrite, small};

#[test]
fn data_survives_a_stop_and_a_restart() {
    let home = Home::new();
    let cluster = home.start();
    assert!(cluster.started_here());
    ask(&cluster, "CREATE TABLE kept AS SELECT 7 AS number");
    cluster.restart().unwrap();
    assert_eq!(ask(&cluster, "SELECT number FROM kept"), "7");
    cluster.stop(Stop::Fast).unwrap();
    assert!(cluster.pid().is_err());
    assert_eq!(ask(&home.start(), "SELECT number FROM kept"), "7");
}

#[test]
fn a_running_server_is_adopted_and_not_started_twice() {
    let home = Home::new();
    let first = home.start();
    let second = Cluster::start(&home.path(), Options { port: 40499, ..small() }).unwrap();
    assert!(!second.started_here());
    assert_eq!((second.pid().unwrap(), second.port()), (first.pid().unwrap(), first.port()));
    assert_eq!(second.url("daybook"), first.url("daybook"));
    second.stop(Stop::Fast).unwrap();
    assert!(first.pid().is_err());
    assert!(Cluster::running(&home.path()).unwrap().is_none());
}

#[test]
fn two_starts_at_once_end_with_one_server() {
    let home = Home::new();
    let clusters: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| home.start())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(clusters.iter().filter(|cluster| cluster.started_here()).count(), 1);
    assert!(clusters.windows(2).all(|pair| pair[0].pid().unwrap() == pair[1].pid().unwrap()));
}

#[test]
fn a_pid_file_of_a_dead_server_is_no_obstacle() {
    let home = Home::new();
    let cluster = home.start();
    ask(&cluster, "CREATE TABLE kept AS SELECT 7 AS number");
    let pid_file = fs::read_to_string(home.data_dir().join("postmaster.pid")).unwrap();
    cluster.stop(Stop::Fast).unwrap();
    fs::write(home.data_dir().join("postmaster.pid"), pid_file).unwrap();
    assert_eq!(ask(&home.start(), "SELECT number FROM kept"), "7");
}

#[test]
fn a_pid_given_to_another_program_is_not_mistaken_for_ours() {
    let home = Home::new();
    let cluster = home.start();
    let pid_file = home.data_dir().join("postmaster.pid");
    cluster.kill9().unwrap();
    // A stranger of the server's own user, which Postgres by itself would take for its predecessor.
    let mut stranger = as_owner_of(&home, "sleep").arg("600").spawn().unwrap();
    for file in [pid_file, cluster.socket_dir().join(".s.PGSQL.40432.lock")] {
        rewrite(&file, |text| format!("{}\n{}", stranger.id(), text.split_once('\n').unwrap().1));
    }
    assert!(Cluster::running(&home.path()).unwrap().is_none());
    let again = home.start();
    assert!(again.started_here());
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was harmed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn an_ephemeral_cluster_takes_settings_and_leaves_nothing() {
    let settings = Settings::new().with("shared_buffers", "16MB").with("commit_delay", "5000");
    let cluster = Cluster::ephemeral(settings).unwrap();
    assert_eq!(ask(&cluster, "SHOW commit_delay"), "5000");
    assert_eq!(ask(&cluster, "SHOW synchronous_commit"), "on");
    assert_eq!(ask(&cluster, "SHOW data_checksums"), "on");
    assert_eq!(ask(&cluster, "SHOW timezone"), "UTC");
    let (home, pid) = (cluster.data_dir().parent().unwrap().to_path_buf(), cluster.pid().unwrap());
    drop(cluster);
    assert!(!home.exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_home_with_an_awkward_or_long_name_works() {
    let outer = Home::new();
    for name in ["a, \"b\" & c%20".to_owned(), "long".repeat(40)] {
        let path = outer.path().parent().unwrap().join(name).join("postgres");
        let cluster = Cluster::start(&path, small()).unwrap();
        assert_eq!(ask(&cluster, "SELECT 1"), "1");
        cluster.stop(Stop::Immediate).unwrap();
        let socket_dir = cluster.socket_dir();
        if !socket_dir.starts_with(&path) {
            fs::remove_dir_all(socket_dir).unwrap();
        }
    }
}

fn as_owner_of(home: &Home, program: &str) -> Command {
    use std::os::unix::{fs::MetadataExt, process::CommandExt};
    let owner = fs::metadata(home.data_dir()).unwrap();
    let mut command = Command::new(program);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command
}
