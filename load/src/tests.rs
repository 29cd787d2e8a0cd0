//! An open loop sees a server that stands still, and counts every request.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Caller, Payments, Plan, Progress, run};

/// Answers each request of each connection as `answer` says, by its number; an empty answer hangs up.
fn serve(answer: impl Fn(u64) -> &'static str + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (answer, next) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, next) = (Arc::clone(&answer), Arc::clone(&next));
            std::thread::spawn(move || one(stream.unwrap(), &*answer, &next));
        }
    });
    address
}

fn one(stream: TcpStream, answer: &dyn Fn(u64) -> &'static str, next: &AtomicU64) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(digits) = line.strip_prefix("content-length: ") {
                length = digits.trim().parse().unwrap();
            }
        }
        std::io::Read::read_exact(&mut reader, &mut vec![0; length]).unwrap();
        let told = answer(next.fetch_add(1, Ordering::SeqCst));
        if told.is_empty() || writer.write_all(told.as_bytes()).is_err() {
            return;
        }
    }
}

const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

fn plan(connections: usize, count: u64) -> Plan {
    Plan { connections, period: Duration::from_millis(5), count }
}

async fn asked(address: &str, plan: Plan, progress: &Arc<Progress>) -> crate::Seen {
    let payments = Payments::new(Caller::demo()).series("tests");
    run(address, plan, move |n, request| payments.one(n, request), |_n, _reply| (), progress).await.unwrap()
}

#[tokio::test]
async fn whoever_was_due_while_the_server_stood_still_has_waited_since_then() {
    let progress = Arc::<Progress>::default();
    let watched = Arc::clone(&progress);
    // The first answer comes when thirty requests are due: the others have waited in line.
    let address = serve(move |n| {
        while n == 0 && watched.due.load(Ordering::SeqCst) < 30 {
            std::thread::yield_now();
        }
        TAKEN
    });
    let seen = asked(&address, plan(1, 40), &progress).await;
    assert_eq!((seen.count, seen.taken(), seen.unanswered), (40, 40, 0));
    assert!(seen.millis_most() >= 140.0, "{}", seen.millis_most());
    // A quarter of all were due in its first fifty milliseconds: a closed loop would have seen one slow answer.
    assert!(seen.millis_at(75.0) >= 90.0, "{}", seen.millis_at(75.0));
}

#[tokio::test]
async fn every_request_ends_up_answered_by_status_or_unanswered() {
    let address = serve(|n| match n % 4 {
        0 | 1 => TAKEN,
        2 => BUSY,
        _ => "",
    });
    let progress = Arc::default();
    let seen = asked(&address, plan(1, 80), &progress).await;
    assert_eq!(seen.statuses.get(&200), Some(&40));
    assert_eq!(seen.statuses.get(&503), Some(&20));
    assert_eq!((seen.count, seen.unanswered, seen.taken()), (60, 20, 40));
    assert_eq!(progress.not_taken.load(Ordering::SeqCst), 40);
    assert_eq!(progress.due.load(Ordering::SeqCst), 80);
}

#[tokio::test]
async fn a_load_that_is_stopped_ends_with_what_was_seen() {
    let progress = Arc::<Progress>::default();
    let watched = Arc::clone(&progress);
    let address = serve(move |n| {
        if n == 9 {
            watched.stop();
        }
        TAKEN
    });
    let seen = asked(&address, plan(1, 100_000), &progress).await;
    assert!((10..100_000).contains(&seen.count), "{}", seen.count);
    assert_eq!(seen.unanswered, 0);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let none = run(&free, plan(1, 1), |_n, _request| (), |_n, _reply| (), &Arc::default()).await;
    assert!(none.unwrap_err().to_string().starts_with("no connection to "));
}

#[test]
fn a_request_is_signed_over_all_that_the_contract_names() {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let caller = Caller::key("dbk_test_x", "secret");
    let sign = |path: &str, key: &str, body: &[u8], into: &mut Vec<u8>| {
        caller.write("POST", path, key, body, into);
        let text = String::from_utf8(into.clone()).unwrap();
        text.split("v1=").nth(1).unwrap()[..64].to_owned()
    };
    let first = sign("/a", "k", b"{}", &mut one);
    for (path, key, body) in [("/b", "k", &b"{}"[..]), ("/a", "l", b"{}"), ("/a", "k", b"[]")] {
        assert_ne!(sign(path, key, body, &mut other), first);
    }
    assert!(
        String::from_utf8(one)
            .unwrap()
            .ends_with("idempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
    );
}
