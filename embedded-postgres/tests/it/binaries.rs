//! What the finder finds, and what it says of a directory that holds no server.

use std::process::Command;

use embedded_postgres::{Binaries, SUPPORTED_MAJORS};

#[test]
fn a_supported_version_is_found() {
    let found = Binaries::find(None).unwrap();
    assert!(SUPPORTED_MAJORS.contains(&found.major));
    assert!(found.version.starts_with(&found.major.to_string()));
}

#[test]
fn a_directory_asked_for_by_name_is_not_passed_over_in_silence() {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "binaries::find_here", "--ignored", "--nocapture"])
        .env("DAYBOOK_POSTGRES_BIN", "/nonexistent")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("DAYBOOK_POSTGRES_BIN is /nonexistent"), "{said}");
}

#[test]
#[ignore = "run by its neighbour in a process of its own"]
fn find_here() {
    if let Err(error) = Binaries::find(None) {
        panic!("{error}");
    }
}
