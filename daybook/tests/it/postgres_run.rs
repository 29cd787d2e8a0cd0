//! `daybook postgres run`: the code passes through, and nothing is left, however it ends.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::server::{Home, signal};

/// The directory that holds an ephemeral cluster, out of its URL.
fn directory(url: &str) -> PathBuf {
    let socket = url.split("host=").nth(1).unwrap().split('&').next().unwrap().replace("%2F", "/");
    Path::new(&socket).parent().unwrap().to_path_buf()
}

#[test]
fn the_command_gets_a_url_and_its_code_is_ours() {
    let home = Home::new();
    let (said, code) = home.say(&["postgres", "run", "--", "sh", "-c", "echo $DAYBOOK_TEST_DATABASE_URL; exit 7"]);
    assert_eq!(code, Some(7), "{said}");
    assert!(!directory(&said).exists(), "{said}");
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let home = Home::new();
    let (said, code) = home.say(&["postgres", "run", "--", "no-such-command"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("no-such-command"), "{said}");
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let home = Home::new();
    let script = "echo $DAYBOOK_TEST_DATABASE_URL; exec sleep 600";
    let mut command = home.daybook(&["postgres", "run", "--", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let directory = directory(&url);
    assert!(directory.exists());
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert!(!directory.exists());
}
