//! `daybook doctor` sees what is wrong, and says how to mend it.

use embedded_postgres::{Cluster, DATABASE};

use crate::server::Home;

#[test]
fn what_dev_sets_up_is_sound_and_each_thing_spoilt_is_named() {
    let home = Home::new();
    let server = home.serve();
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
    let (said, code) = home.say(&["doctor"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 to look at, 0 wrong"), "{said}");
    let cluster = Cluster::running(&home.0.join("postgres")).unwrap().unwrap();
    let mut connection = cluster.connect(DATABASE).unwrap();
    for (spoil, row, repair) in [
        (
            "ALTER DATABASE daybook SET synchronous_commit = off",
            "FAIL  synchronous_commit       off",
            "ALTER DATABASE daybook RESET synchronous_commit",
        ),
        (
            "ALTER DATABASE daybook SET timezone = 'Asia/Tokyo'",
            "FAIL  time zone                Asia/Tokyo",
            "ALTER DATABASE daybook SET timezone = 'UTC'",
        ),
        (
            "ALTER DATABASE daybook SET statement_timeout = '1s'",
            "FAIL  statement_timeout        1s",
            "ALTER DATABASE daybook RESET statement_timeout",
        ),
        ("ALTER ROLE daybook_app SUPERUSER", "FAIL  application's role", "ALTER ROLE daybook_app NOSUPERUSER"),
        (
            "GRANT DELETE ON ALL TABLES IN SCHEMA log TO PUBLIC",
            "FAIL  changing events          daybook_app may DELETE",
            "REVOKE DELETE ON ALL TABLES IN SCHEMA log FROM PUBLIC",
        ),
        ("REVOKE USAGE ON SCHEMA log FROM daybook_app", "FAIL  appending", "GRANT USAGE ON SCHEMA log TO daybook_app"),
        (
            "REVOKE CREATE ON SCHEMA read FROM daybook_projector",
            "FAIL  projector's role         daybook_projector may make no tables in read",
            "GRANT CREATE ON SCHEMA read TO daybook_projector",
        ),
        ("UPDATE _sqlx_migrations SET checksum = 'x'", "FAIL  schema", ""),
    ] {
        connection.query(spoil).unwrap();
        let (said, code) = home.say(&["doctor"]);
        assert_eq!(code, Some(1), "{spoil}: {said}");
        assert!(said.contains(row), "{spoil}: {said}");
        connection.query(repair).unwrap();
    }
    server.until("/readyz", "FAIL  schema");
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
