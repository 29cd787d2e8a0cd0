//! What the server answers, and how long it waits for those who do not ask.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use crate::server::Home;

#[test]
fn requests_are_counted_by_route_and_never_by_raw_path() {
    let home = Home::new();
    let server = home.serve();
    server.get("/livez");
    for number in 0..3 {
        let answer = server.get(&format!("/nothing/{number}"));
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
    let metrics = server.get("/metrics");
    let alive = r#"http_requests_total{service="daybook",method="GET",path="/livez",status="200"} 1"#;
    let absent = r#"http_requests_total{service="daybook",method="GET",path="unmatched",status="404"} 3"#;
    assert!(metrics.contains(alive), "{metrics}");
    assert!(metrics.contains(absent), "{metrics}");
    assert!(metrics.contains("process_resident_memory_bytes"), "{metrics}");
}

#[test]
fn readiness_follows_the_database_and_liveness_does_not() {
    let home = Home::new();
    let server = home.serve();
    assert_eq!(home.say(&["postgres", "stop", "--now"]).1, Some(0));
    let answer = server.until("/readyz?verbose", "HTTP/1.1 503");
    assert!(answer.contains("retry-after: "), "{answer}");
    assert!(answer.contains("FAIL  database"), "{answer}");
    assert!(server.get("/livez").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_that_never_finishes_its_head_is_hung_up_on() {
    let home = Home::new();
    let server = home.serve();
    // Silence; half of what tells HTTP/1 from HTTP/2; a head without an end.
    let server = &server;
    let beginnings = ["", "PRI * HT", "GET /livez HTTP/1.1\r\nhost: loc"];
    std::thread::scope(|scope| {
        for beginning in beginnings {
            scope.spawn(move || {
                let mut stream = server.connect();
                stream.write_all(beginning.as_bytes()).unwrap();
                let begun = Instant::now();
                // An orderly end and a reset are both an end; our own read timeout, later, would be neither.
                let ended = stream.read_to_end(&mut Vec::new());
                let elapsed = begun.elapsed();
                assert!(elapsed < Duration::from_secs(20), "{beginning:?}: {ended:?} after {elapsed:?}");
            });
        }
    });
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let home = Home::new();
    let mut server = home.serve();
    let _idle = server.connect();
    let begun = Instant::now();
    assert!(server.end("TERM").success());
    assert!(begun.elapsed() < Duration::from_secs(10));
}
