//! `daybook log`: what it shows of a log, and what it says where nothing is.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use embedded_postgres::{Cluster, Connection, DATABASE};

use crate::server::{Home, signal};

const MERCHANT: &str = "0198c0de-0000-7000-8000-000000000001";
/// Not as a program would write it: the bytes must stay.
const PAYLOAD: &str = "{\"b\":1.10,  \"a\":[12345678901234567890123]}";

/// A home with a migrated ledger in it.
fn ledger() -> (Home, Connection) {
    let home = Home::new();
    assert_eq!(home.say(&["postgres", "start"]).1, Some(0));
    let cluster = Cluster::running(&home.0.join("postgres")).unwrap().unwrap();
    let migrated = home.daybook(&["migrate"]).env("DATABASE_OWNER_URL", cluster.url(DATABASE)).output().unwrap();
    assert!(migrated.status.success(), "{migrated:?}");
    let connection = cluster.connect(DATABASE).unwrap();
    (home, connection)
}

fn append(connection: &mut Connection, kind: &str, id: &str, sequence: usize) {
    let none = ["'{}'"; 11].join(", ");
    let call = format!(
        "select log.append(0, array[gen_random_uuid()], '{{{kind}}}', array['{id}'], '{{{sequence}}}', '{{{kind}_moved}}', \
         '{{1.0}}', array['{PAYLOAD}'], array['{{\"why\":\"a test\"}}'], '{{{MERCHANT}}}', '{{f}}', {none})"
    );
    connection.query(&call).unwrap();
}

#[test]
fn tail_prints_a_line_an_event_from_where_it_is_told() {
    let (home, mut connection) = ledger();
    assert_eq!(home.say(&["log", "tail", "--no-follow"]), (String::new(), Some(0)));
    for n in 1..=12 {
        append(&mut connection, if n == 2 { "rare" } else { "tally" }, &format!("t{n}"), 1);
    }
    let lines = |arguments: &[&str]| {
        let (said, code) = home.say(&[&["log", "tail", "--no-follow"], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        said.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let positions =
        |arguments: &[&str]| lines(arguments).into_iter().map(|line| line[0].parse().unwrap()).collect::<Vec<i64>>();
    assert_eq!(positions(&[]), Vec::from_iter(3..=12));
    assert_eq!(positions(&["-n", "2"]), [11, 12]);
    assert_eq!(positions(&["--after", "0"]), Vec::from_iter(1..=12));
    assert_eq!(positions(&["--type", "rare"]), [2]);
    assert_eq!(positions(&["--type", "tally_moved", "-n", "1"]), [12]);
    assert_eq!(positions(&["-n", "0"]), [0_i64; 0]);
    let line = lines(&["--type", "rare"]).remove(0);
    assert_eq!((line[2..].join(" ")), format!("rare t2#1 rare_moved {MERCHANT} test"));

    let (said, code) = home.say(&["log", "tail", "--no-follow", "--json", "-n", "3"]);
    assert_eq!((code, said.lines().count()), (Some(0), 3), "{said}");
    for (line, position) in said.lines().zip(10..) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&event["position"], &event["aggregate_type"]), (&position.into(), &"tally".into()));
        assert!(line.contains(PAYLOAD), "{line}");
    }
}

#[test]
fn tail_follows_the_log_until_it_is_told_to_end() {
    let (home, mut connection) = ledger();
    append(&mut connection, "tally", "a", 1);
    let mut child = home.daybook(&["log", "tail"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("tally a#1"));
    append(&mut connection, "tally", "a", 2);
    assert!(lines.next().unwrap().unwrap().contains("tally a#2"));
    signal(child.id(), "INT");
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn tail_ends_well_when_its_reader_has_seen_enough() {
    let (home, mut connection) = ledger();
    append(&mut connection, "tally", "a", 1);
    let mut child = home.daybook(&["log", "tail"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(reader);
    append(&mut connection, "tally", "a", 2);
    assert!(child.wait().unwrap().success());
}

#[test]
fn show_prints_an_event_or_a_stream_whole() {
    let (home, mut connection) = ledger();
    append(&mut connection, "tally", "a", 1);
    append(&mut connection, "tally", "b", 1);
    append(&mut connection, "tally", "a", 2);
    let (said, code) = home.say(&["log", "show", "2"]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["position   2\n", "tally b#1", "tally_moved 1.0", MERCHANT, "\"b\": 1.10,", "12345678901234567890123"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (said, code) = home.say(&["log", "show", "tally", "a"]);
    assert_eq!((code, said.matches("position   ").count()), (Some(0), 2), "{said}");
    assert!(said.contains("tally a#1") && said.contains("tally a#2"), "{said}");
    assert_eq!(home.say(&["log", "show", "3", "--raw"]), (format!("{PAYLOAD}\n{{\"why\":\"a test\"}}\n"), Some(0)));
}

#[test]
fn what_is_not_there_is_told_in_one_sentence_with_what_to_do() {
    let (home, mut connection) = ledger();
    append(&mut connection, "tally", "a", 1);
    for (arguments, sentence) in [
        (["show", "7"].as_slice(), "there is no event at position 7: the log ends at 1"),
        (&["show", "tally"], "tally is not a position"),
        (&["show", "tally", "z"], "there is no stream tally z"),
        (&["tail", "--database-url", "postgresql://nobody@127.0.0.1:1/daybook"], "127.0.0.1:1 cannot be reached"),
    ] {
        let (said, code) = home.say(&[&["log"], arguments].concat());
        assert_eq!((code, said.lines().count()), (Some(1), 1), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
    let empty = Home::new();
    let (said, code) = empty.say(&["log", "stats"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("set DATABASE_URL, or start one"), "{said}");
    assert_eq!(empty.say(&["postgres", "start"]).1, Some(0));
    let (said, code) = empty.say(&["log", "tail"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("run `daybook migrate`"), "{said}");
}

#[test]
fn stats_count_the_log_and_name_who_stands_still() {
    let (home, mut connection) = ledger();
    for sequence in 1..=3 {
        append(&mut connection, "tally", "a", sequence);
    }
    append(&mut connection, "rare", "a", 1);
    let followers = "insert into log.followers (name, position, failures, parked_reason, parked_at) values \
         ('balances', 4, 0, null, null), ('exports', 1, 5, 'position 2: it cannot be digested', now())";
    connection.query(followers).unwrap();
    let (said, code) = home.say(&["log", "stats"]);
    assert_eq!(code, Some(0), "{said}");
    let words = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    for line in [
        "head 4",
        "streams 2",
        "answers 0",
        "rare rare_moved 1",
        "tally tally_moved 3",
        "last 1 min 4 0.0/s",
        "balances at 4 lag 0 nobody runs it",
        "-> mend what the reason names, then, as the owner of the database:",
        "exports at 1 lag 3 PARKED: position 2: it cannot be digested",
    ] {
        assert!(words.iter().any(|said| said == line), "{line}: {said}");
    }
}
