//! Requests of the wrong size, shape or framing are refused at once, at little cost.

use std::time::{Duration, Instant};

use serde_json::json;
use system_tests::client::{Answer, Request, read_answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{PAYMENTS, assert_not_applied, events_of, guest, payment};

/// What is answered to these bytes; nothing where the connection is closed without a word.
async fn say(address: std::net::SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    // A server that has seen enough may close before it has read everything.
    let written = stream.get_mut().write_all(bytes).await;
    let answered = tokio::time::timeout(Duration::from_secs(20), read_answer(&mut stream)).await;
    answered.unwrap_or_else(|_| panic!("no answer and no end: {written:?}")).ok()
}

// covers G10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_at_once_and_takes_no_memory() {
    let (branch, merchant, mut client) = guest().await;
    let address = branch.server.address;
    let before = branch.server.resident_kib().unwrap();
    let begin = Instant::now();
    let mut large = payment("O-1");
    large["body"] = "x".repeat(64 * 1024).into();
    let legs = json!({ "payments": vec![7; 1_000_000] });
    for (path, body, verdict) in [
        (PAYMENTS, large, "413 body_too_large"),
        (PAYMENTS, json!(vec![1; 30_000]), "400 json_malformed"),
        ("/api/v1/payments/bulk", legs, "413 body_too_large"),
    ] {
        let answer = client.send(&Request::post(path, &body).keyed("k").by(&merchant.test)).await.unwrap();
        assert_eq!(answer.verdict(), verdict);
        assert_not_applied(&answer, verdict);
    }
    // A body without a declared length, for as long as anybody takes it.
    let chunked = Request::post_bytes(PAYMENTS, "").keyed("k").by(&merchant.test).with("transfer-encoding", "chunked");
    let mut endless = chunked.bytes(address);
    for _chunk in 0..200 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend_from_slice(&[b'x'; 0x10000]);
        endless.extend_from_slice(b"\r\n");
    }
    let answer = say(address, &endless).await;
    assert!(answer.is_none_or(|answer| answer.status == 413));
    // Compressed bodies are not opened: their bytes are no JSON.
    let bomb = Request::post_bytes(PAYMENTS, [0x1f, 0x8b, 8, 0, 0, 0].repeat(1_000)).keyed("k");
    let bomb = bomb.with("content-encoding", "gzip").by(&merchant.test);
    assert_eq!(client.send(&bomb).await.unwrap().verdict(), "400 json_malformed");
    for head in [
        (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect::<String>(),
        format!("x-long: {}\r\n", "x".repeat(1024 * 1024)),
        format!("x-long: {}\r\n", "x".repeat(600 * 1024)),
        // Not much too large: nothing of it may be kept for thousands of connections.
        format!("x-long: {}\r\n", "x".repeat(33 * 1024)),
    ] {
        let answer = say(address, format!("GET /livez HTTP/1.1\r\nhost: x\r\n{head}\r\n").as_bytes()).await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 431), "{answer:?}");
    }
    let answer = say(address, format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert!(answer.as_ref().is_none_or(|answer| [414, 431, 404].contains(&answer.status)), "{answer:?}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let grown = branch.server.resident_kib().unwrap().saturating_sub(before);
    // Other tests use the same server meanwhile.
    assert!(grown < 100 * 1024, "{grown} KiB more");
}

#[tokio::test]
async fn a_body_is_json_in_utf_8_and_says_so() {
    let (_branch, merchant, mut client) = guest().await;
    let asked = |kind: Option<&str>| {
        let asked = Request::post(format!("{PAYMENTS}?dry_run=true"), &payment("O-1")).without("content-type");
        kind.map_or(asked.clone(), |kind| asked.with("content-type", kind)).by(&merchant.test)
    };
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=utf-16"),
        Some("application/jsonx"),
        Some("multipart/form-data; boundary=x"),
        Some(""),
    ] {
        let answer = client.send(&asked(kind)).await.unwrap();
        assert_eq!(answer.verdict(), "415 content_type_unsupported", "{kind:?}");
        assert_not_applied(&answer, "a content type");
    }
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert_eq!(client.send(&asked(Some(kind))).await.unwrap().status, 200, "{kind}");
    }
}

// covers G13
#[tokio::test]
async fn a_request_framed_in_two_ways_is_not_served() {
    let (branch, merchant, _client) = guest().await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let before = events_of(&mut log, &merchant).await;
    let signed = Request::post(PAYMENTS, &payment("O-1")).keyed("k").by(&merchant.test);
    let length = signed.body.len().to_string();
    let smuggled = "0\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    for (what, headers) in [
        ("both", vec![("content-length", "5".to_owned()), ("transfer-encoding", "chunked".to_owned())]),
        ("two lengths", vec![("content-length", length.clone()), ("content-length", "5".to_owned())]),
        ("a list of lengths", vec![("content-length", format!("{length}, 5"))]),
        ("a signed length", vec![("content-length", format!("+{length}"))]),
        ("a negative length", vec![("content-length", "-1".to_owned())]),
        ("no number", vec![("content-length", "0x10".to_owned())]),
        ("xchunked", vec![("transfer-encoding", "xchunked".to_owned())]),
        ("chunked first", vec![("transfer-encoding", "chunked, identity".to_owned())]),
        ("a space before the colon", vec![("transfer-encoding ", "chunked".to_owned())]),
        ("a folded header", vec![("x-folded", "a\r\n b".to_owned()), ("content-length", "-1".to_owned())]),
        ("a carriage return", vec![("x-odd", "a\rb".to_owned())]),
    ] {
        let mut request = signed.clone();
        request.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
        if what == "both" {
            request.body = smuggled.as_bytes().to_vec();
        }
        let mut stream = TcpStream::connect(branch.server.address).await.unwrap();
        stream.write_all(&request.bytes(branch.server.address)).await.unwrap();
        let mut told = Vec::new();
        let reading = stream.read_to_end(&mut told);
        // A reset is an end as well.
        let ended = tokio::time::timeout(Duration::from_secs(20), reading).await;
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(ended.is_ok(), "{what}: the connection stays open: {told}");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{what}: {told}");
        assert!(!told.contains("daybook is alive"), "{what}: the second request was served: {told}");
    }
    assert_eq!(events_of(&mut log, &merchant).await, before);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// GET /livez on a stream of HTTP/2, headers as the smallest client writes them.
fn get_alive(stream: u32) -> Vec<u8> {
    let block = [&[0x82, 0x86, 0x04, 6][..], b"/livez", &[0x01, 1], b"x"].concat();
    frame(1, 0x5, stream, &block)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Reads frames until one of this kind, and returns its payload.
async fn frame_of(stream: &mut TcpStream, wanted: u8) -> Option<Vec<u8>> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == wanted {
            return Some(payload);
        }
    }
}

// covers G12
#[tokio::test]
async fn http_2_is_spoken_and_a_rapid_reset_is_hung_up_on() {
    let (branch, _merchant, mut client) = guest().await;
    let mut stream = TcpStream::connect(branch.server.address).await.unwrap();
    stream.write_all(&[PREFACE, SETTINGS, &get_alive(1)].concat()).await.unwrap();
    let headers = frame_of(&mut stream, 1).await.unwrap();
    assert!(headers.contains(&0x88), "status 200 is one byte: {headers:?}");
    assert_eq!(frame_of(&mut stream, 0).await.unwrap(), b"daybook is alive");

    let mut attacker = TcpStream::connect(branch.server.address).await.unwrap();
    attacker.write_all(&[PREFACE, SETTINGS].concat()).await.unwrap();
    let begin = Instant::now();
    let mut stream = 1;
    // Opened and given up at once, again and again, until the server will have no more of it.
    while attacker.write_all(&[get_alive(stream), frame(3, 0, stream, &[0, 0, 0, 8])].concat()).await.is_ok() {
        stream += 2;
        assert!(stream < 200_000, "a hundred thousand resets were taken");
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(client.send(&Request::get("/livez")).await.unwrap().status, 200);
}

/// Sends again and again until the server will have no more of it; how often it was sent.
async fn flood(stream: &mut TcpStream, bytes: &[u8], most: usize) -> usize {
    for sent in 0..most {
        let sending = tokio::time::timeout(Duration::from_secs(16), stream.write_all(bytes)).await;
        if !matches!(sending, Ok(Ok(()))) {
            return sent;
        }
    }
    most
}

// covers G12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_end_and_floods_of_frames_end_the_connection_and_nobody_elses() {
    let (branch, merchant, mut client) = guest().await;
    let before = branch.server.resident_kib().unwrap();
    // HEADERS that never end, and ever more of them behind: a mebibyte of padding in each round.
    let begun = frame(1, 0, 1, &[0x82, 0x86, 0x84]);
    let more = frame(9, 0, 1, &[0; 16_000]).repeat(64);
    // SETTINGS and PINGs want an answer each; nobody reads them.
    let (settings, pings) = (SETTINGS.repeat(1_000), frame(6, 0, 0, &[7; 8]).repeat(1_000));
    for (what, first, then, most) in [
        ("headers without end", begun, more, 64),
        ("settings", Vec::new(), settings, 20_000),
        ("pings", Vec::new(), pings, 20_000),
    ] {
        let mut attacker = TcpStream::connect(branch.server.address).await.unwrap();
        attacker.write_all(&[PREFACE, SETTINGS, &first].concat()).await.unwrap();
        let (sent, served) = tokio::join!(flood(&mut attacker, &then, most), async {
            let begin = Instant::now();
            for n in 0..20 {
                let tried = Request::post(format!("{PAYMENTS}?dry_run=true"), &payment(&format!("O-{n}")));
                assert_eq!(client.send(&tried.by(&merchant.test)).await.unwrap().status, 200, "{what}");
            }
            begin.elapsed()
        });
        assert!(sent < most, "{what}: {sent} times was not enough");
        assert!(served < Duration::from_secs(5), "{what}: others waited {served:?}");
    }
    let grown = branch.server.resident_kib().unwrap().saturating_sub(before);
    assert!(grown < 100 * 1024, "{grown} KiB more");
}
