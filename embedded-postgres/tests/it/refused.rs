//! A directory that cannot be served ends in one sentence, and nothing in it is touched.

use std::fs;

use embedded_postgres::Stop;

use crate::home::{Home, rewrite};

#[test]
fn a_directory_without_pg_version_is_named_and_left_alone() {
    let home = Home::new();
    home.start().stop(Stop::Fast).unwrap();
    fs::remove_file(home.data_dir().join("PG_VERSION")).unwrap();
    let sentence = home.try_start().unwrap_err().to_string();
    assert!(sentence.contains("holds files but no PG_VERSION"), "{sentence}");
    assert!(home.data_dir().join("global/pg_control").exists());
}

#[test]
fn a_directory_of_another_major_version_is_named() {
    let home = Home::new();
    home.start().stop(Stop::Fast).unwrap();
    rewrite(&home.data_dir().join("PG_VERSION"), |_| "14\n".to_owned());
    let sentence = home.try_start().unwrap_err().to_string();
    assert!(sentence.contains("was written by Postgres 14"), "{sentence}");
}

#[test]
fn a_directory_that_postgres_refuses_ends_in_its_own_words() {
    let home = Home::new();
    home.start().stop(Stop::Fast).unwrap();
    fs::remove_file(home.data_dir().join("global/pg_control")).unwrap();
    let sentence = home.try_start().unwrap_err().to_string();
    assert!(sentence.contains("did not start"), "{sentence}");
    assert!(sentence.contains("pg_control"), "{sentence}");
}

#[test]
fn a_link_to_data_that_is_gone_does_not_become_an_empty_database() {
    let home = Home::new();
    std::os::unix::fs::symlink("/nonexistent/daybook", home.path()).unwrap();
    let sentence = home.try_start().err().unwrap().to_string();
    fs::remove_file(home.path()).unwrap();
    assert!(sentence.contains("points to /nonexistent/daybook"), "{sentence}");
}

#[test]
fn an_empty_directory_is_simply_filled() {
    let home = Home::new();
    home.start().stop(Stop::Fast).unwrap();
    fs::remove_dir_all(home.data_dir()).unwrap();
    fs::create_dir(home.data_dir()).unwrap();
    home.start();
}
