//! `daybook doctor`: it sees what is wrong, says how to mend it, and says so with its exit code.

use embedded_postgres::{Cluster, DATABASE};

use crate::server::Home;

#[test]
fn a_lossy_server_is_wrong_and_the_mend_is_named() {
    let home = Home::new();
    assert_eq!(home.say(&["postgres", "start"]).1, Some(0));
    let (said, _) = home.say(&["doctor"]);
    assert!(said.contains("ok    synchronous_commit"), "{said}");
    assert!(said.contains("ok    time zone                UTC"), "{said}");
    let cluster = Cluster::running(&home.0.join("postgres")).unwrap().unwrap();
    let mut connection = cluster.connect(DATABASE).unwrap();
    connection.query("ALTER DATABASE daybook SET synchronous_commit = 'off'").unwrap();
    connection.query("ALTER DATABASE daybook SET timezone = 'Asia/Tokyo'").unwrap();
    let (said, code) = home.say(&["doctor"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAIL  synchronous_commit       off"), "{said}");
    assert!(said.contains("-> ALTER SYSTEM SET synchronous_commit"), "{said}");
    assert!(said.contains("FAIL  time zone                Asia/Tokyo"), "{said}");
}

#[test]
fn a_database_that_is_not_there_is_one_row() {
    let home = Home::new();
    let mut command = home.daybook(&["doctor"]);
    let output = command.env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/daybook").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be reached"), "{said}");
}
