//! `daybook dev`: started twice, on a busy port, ended, killed and started again.

use std::{
    io::Write as _,
    net::{TcpListener, TcpStream},
};

use crate::server::{Home, signal};

#[test]
fn it_serves_and_ends_with_the_postgres_it_started() {
    let home = Home::new();
    let mut server = home.serve();
    assert!(server.get("/livez").starts_with("HTTP/1.1 200"));
    assert_eq!(home.say(&["postgres", "status"]).1, Some(0));
    assert!(server.end("TERM").success());
    assert_eq!(home.say(&["postgres", "status"]).1, Some(1));
    // Nobody is to wonder what was lost on an end in good order.
    let log = home.log();
    assert!(log.contains("Postgres has stopped") && !log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_second_start_names_the_first_and_is_content() {
    let home = Home::new();
    let server = home.serve();
    let (said, code) = home.say(&["dev"]);
    assert_eq!(code, Some(0));
    assert!(said.contains(&format!("already serves on http://{}", server.listen)), "{said}");
}

#[test]
fn a_busy_port_is_told_in_one_sentence_and_nothing_is_started() {
    let home = Home::new();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = stranger.local_addr().unwrap().to_string();
    let (said, code) = home.say(&["dev", "--listen", &listen]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains(&format!("{listen} is taken by another program")), "{said}");
    assert_eq!(home.say(&["postgres", "status"]).1, Some(1));
}

#[test]
fn another_daybook_on_the_port_is_recognised() {
    let (home, other) = (Home::new(), Home::new());
    let server = home.serve();
    let (said, code) = other.say(&["dev", "--listen", &server.listen]);
    assert_eq!(code, Some(1));
    assert!(said.contains("taken by another Daybook"), "{said}");
}

#[test]
fn a_start_after_kill_9_takes_over_what_runs() {
    let home = Home::new();
    let mut server = home.serve();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert_eq!(home.say(&["postgres", "status"]).1, Some(0), "Postgres outlives a killed server");
    let mut again = home.serve();
    assert!(again.get("/livez").starts_with("HTTP/1.1 200"));
    assert!(again.end("INT").success());
}

#[test]
fn the_first_signal_waits_for_what_is_under_way_and_the_second_does_not() {
    let home = Home::new();
    let mut server = home.serve();
    let mut unfinished = server.connect();
    unfinished.write_all(b"GET /livez HTTP/1.1\r\nhost: loc").unwrap();
    // An answer to a later connection: the unfinished one has been accepted.
    server.get("/livez");
    signal(server.child.id(), "TERM");
    unfinished.write_all(b"alhost\r\n").unwrap();
    while TcpStream::connect(&server.listen).is_ok() {}
    assert!(server.child.try_wait().unwrap().is_none(), "it did not wait");
    assert_eq!(server.end("TERM").code(), Some(130));
}

#[test]
fn another_master_key_than_the_ledgers_own_is_refused_before_anything_is_done() {
    let home = Home::new();
    home.serve().end("TERM");
    let other = home.0.join("other.key");
    std::fs::write(&other, "f0e1d2c3b4a5968778695a4b3c2d1e0f00112233445566778899aabbccddeeff").unwrap();
    let (said, code) = home.say(&["dev", "--listen", "127.0.0.1:0", "--master-key-file", other.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("was begun under another master key"), "{said}");
    assert!(home.serve().end("TERM").success(), "its own key still opens it");
}

#[test]
fn a_broken_data_directory_ends_in_one_sentence() {
    let home = Home::new();
    home.serve().end("TERM");
    let version = home.0.join("postgres/data/PG_VERSION");
    std::fs::remove_file(&version).unwrap();
    let (said, code) = home.say(&["dev", "--listen", &crate::server::free_address()]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("holds files but no PG_VERSION"), "{said}");
}
