//! Clients that dawdle: their connection ends, and nobody waits for them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use system_tests::client::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PAYMENTS, ask, guest, payment};

/// Ten seconds are allowed; the rest is for a busy machine.
const ENDED_WITHIN: Duration = Duration::from_secs(16);

/// Sends a beginning, then a byte now and then; what was answered until the end of the connection.
async fn dawdle(address: std::net::SocketAddr, beginning: Vec<u8>) -> (String, Duration) {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    writer.write_all(&beginning).await.unwrap();
    let begin = Instant::now();
    let dripping = async {
        let mut drips = tokio::time::interval(Duration::from_millis(300));
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
