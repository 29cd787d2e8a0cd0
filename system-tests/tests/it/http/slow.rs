//! Clients that dawdle: their connection ends, and nobody waits for them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use system_tests::branch::{Branch, fresh};
use system_tests::client::Request;
use system_tests::say::say;
use system_tests::times::times;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{PAYMENTS, ask, guest, payment};

/// Ten seconds are allowed; the rest is for a busy machine.
const ENDED_WITHIN: Duration = Duration::from_secs(16);

const DRIP: Duration = Duration::from_millis(500);

/// Sends a beginning, then a byte now and then; what was answered until the end of the connection.
async fn dawdle(address: std::net::SocketAddr, beginning: Vec<u8>) -> (String, Duration) {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    // Where there is a crowd, it may be hung up on already.
    drop(writer.write_all(&beginning).await);
    let begin = Instant::now();
    let dripping = async {
        let mut drips = tokio::time::interval(DRIP);
        loop {
            drips.tick().await;
            if writer.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut told = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(30), reader.read_to_end(&mut told));
    tokio::select! {
        ended = reading => assert!(ended.is_ok(), "it was never hung up on"),
        () = dripping => {}
    }
    (String::from_utf8_lossy(&told).into_owned(), begin.elapsed())
}

// covers G11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_drips_is_hung_up_on_and_others_are_served() {
    let (branch, merchant, mut client) = guest().await;
    let address = branch.server.address;
    let whole = Request::post(PAYMENTS, &payment("O-1")).keyed("k").by(&merchant.test).bytes(address);
    let head = whole.len() - payment("O-1").to_string().len();
    // An idle socket, a head, a body, and a chunked body that never end.
    let chunked = Request::post_bytes(PAYMENTS, "").keyed("k").by(&merchant.test).with("transfer-encoding", "chunked");
    let mut chunked = chunked.bytes(address);
    chunked.extend_from_slice(b"ffff\r\n{");
    let beginnings = [b"GET /livez HTTP/1.1\r\nx-slow: ".to_vec(), whole[..head + 9].to_vec(), chunked];
    let crowd = (0..60).map(|n| dawdle(address, beginnings[n % 3].clone()));
    let served = async {
        let mut longest = Duration::ZERO;
        for n in 0..200 {
            let begin = Instant::now();
            let name = format!("quick-{n}");
            assert_eq!(ask(&mut client, &merchant.test, PAYMENTS, &name, &payment(&name)).await.status, 200);
            longest = longest.max(begin.elapsed());
        }
        longest
    };
    let (ended, longest) = tokio::join!(join_all(crowd), served);
    assert!(longest < Duration::from_secs(2), "somebody waited {longest:?} for those that dawdle");
    for (n, (told, elapsed)) in ended.iter().enumerate() {
        assert!(*elapsed < ENDED_WITHIN, "{n}: {elapsed:?}");
        let fit =
            if n % 3 == 0 { told.is_empty() || told.starts_with("HTTP/1.1 4") } else { told.starts_with("HTTP/1.1 4") };
        assert!(fit, "{n}: {told}");
        if told.contains("application/problem+json") {
            assert!(told.contains("body_too_slow") || n % 3 != 1, "{n}: {told}");
        }
    }
}

// covers G11
#[tokio::test]
async fn whoever_breaks_off_in_the_middle_of_a_body_has_done_nothing() {
    let (branch, merchant, mut client) = guest().await;
    let whole = Request::post(PAYMENTS, &payment("O-1")).keyed("k").by(&merchant.test).bytes(branch.server.address);
    for upto in [whole.len() - 1, whole.len() - 20] {
        let mut stream = TcpStream::connect(branch.server.address).await.unwrap();
        stream.write_all(&whole[..upto]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).await.unwrap();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 400"), "{told}");
    }
    let first = ask(&mut client, &merchant.test, PAYMENTS, "k", &payment("O-1")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None));
}

/// How long payments take, one after the other, each on a connection of its own; the longest and the one of a hundred.
async fn newcomers(branch: &Branch, caller: &system_tests::client::Caller, count: usize) -> (Duration, Duration) {
    let mut waited = Vec::new();
    for _payment in 0..count {
        let (name, begin) = (fresh("newcomer"), Instant::now());
        let answer = ask(&mut branch.client(), caller, PAYMENTS, &name, &payment(&name)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        waited.push(begin.elapsed());
    }
    waited.sort();
    (waited[count - 1], waited[count - 1 - count / 100])
}

// covers G11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_slow_clients_are_hung_up_on_and_newcomers_are_served() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let address = branch.server.address;
    let (_longest, alone) = newcomers(&branch, &merchant.test, 200).await;
    let whole = Request::post(PAYMENTS, &payment("O-1")).keyed("k").by(&merchant.test).bytes(address);
    let head = whole.len() - payment("O-1").to_string().len();
    // Those that say nothing, those that drip a head, and those that drip a body.
    let beginnings = [Vec::new(), b"POST /api/v1/payments HTTP/1.1\r\nx-slow: ".to_vec(), whole[..head + 9].to_vec()];
    let count = times("DAYBOOK_SLOW_SOCKETS", 5_000);
    let crowd = (0..count).map(|n| {
        let beginning = beginnings[n % 3].clone();
        async move {
            if beginning.is_empty() { wait_for_the_end(address).await } else { dawdle(address, beginning).await.1 }
        }
    });
    let (ended, (longest, crowded)) = tokio::join!(join_all(crowd), newcomers(&branch, &merchant.test, 200));
    say(&format!(
        "99 of 100 payments within {alone:?} alone, {crowded:?} beside {count} slow clients, all in {longest:?}"
    ));
    assert!(longest < Duration::from_secs(3), "a newcomer waited {longest:?} for those that dawdle");
    let last = ended.into_iter().max().unwrap();
    say(&format!("the last of them was hung up on after {last:?}"));
    assert!(last < Duration::from_secs(25), "one was hung up on only after {last:?}");
}

/// Connects, says nothing, and is hung up on.
async fn wait_for_the_end(address: std::net::SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begin = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "it was never hung up on");
    begin.elapsed()
}

// covers G11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_does_not_read_is_hung_up_on() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let asked = Request::get("/openapi.json").bytes(branch.server.address).repeat(400);
    let mut unread = Vec::new();
    for _client in 0..4 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut stream = socket.connect(branch.server.address).await.unwrap();
        // All of it, or as much as is listened to.
        drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(&asked)).await);
        unread.push(stream);
    }
    let holds = |stream: &TcpStream| branch.server.holds(stream.local_addr().unwrap()).unwrap();
    let mut looks = tokio::time::interval(Duration::from_millis(50));
    let begin = Instant::now();
    // What they sent lies with the kernel until a busy server lets them in.
    while !unread.iter().all(holds) {
        looks.tick().await;
        assert!(begin.elapsed() < ENDED_WITHIN, "they were never let in");
    }
    let begin = Instant::now();
    while unread.iter().any(holds) {
        looks.tick().await;
        assert!(begin.elapsed() < ENDED_WITHIN, "they are still connected");
    }
    newcomers(&branch, &merchant.test, 1).await;
}

#[tokio::test]
async fn whoever_is_turned_away_before_a_request_is_told_why() {
    let (branch, _merchant, _client) = guest().await;
    let large = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(600 * 1024));
    for (said, status, code) in [
        ("NOT HTTP\r\n\r\n", 400, "request_malformed"),
        ("GET /livez HTTP/1.1\r\nhost x\r\n\r\n", 400, "request_malformed"),
        (large.as_str(), 431, "head_too_large"),
        ("GET /livez HTTP/1.1\r\nx-slow: ", 408, "head_too_slow"),
    ] {
        let mut stream = TcpStream::connect(branch.server.address).await.unwrap();
        // Whoever has heard enough may hang up while it is still being spoken to.
        drop(stream.write_all(said.as_bytes()).await);
        let mut told = Vec::new();
        drop(tokio::time::timeout(ENDED_WITHIN, stream.read_to_end(&mut told)).await.unwrap());
        let told = String::from_utf8(told).unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{code}: {told:?}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["code"], &body["outcome"]), (&code.into(), &"not_applied".into()), "{body}");
        assert!(head.contains(body["request_id"].as_str().unwrap()), "{head}");
    }
}
