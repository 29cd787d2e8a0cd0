//! Probes and the end: what is degraded and what is unready, and that an end has a bound.

use std::time::{Duration, Instant};

use serde_json::json;
use system_tests::branch::Branch;
use system_tests::client::{Request, read_answer};
use system_tests::proxy::{Proxy, Upstream};
use system_tests::server::Server;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{ready, until};

/// As it is promised, from the signal on; and a moment for the process to be gone.
const ENDED_WITHIN: Duration = Duration::from_secs(25 + 2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_kafka_a_server_is_degraded_and_not_unready() {
    let nowhere = [("DAYBOOK_KAFKA_BROKERS", "127.0.0.1:1")];
    let branch = Branch::own(&nowhere).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let seen = until("degraded", Duration::from_secs(30), async || {
        Some(ready(&mut client).await).filter(|answer| answer.body.contains("warn  kafka"))
    });
    let seen = seen.await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert!(seen.body.ends_with("ready, degraded\n"), "{seen:?}");
    for check in ["database", "schema", "role", "key", "followers"] {
        assert!(seen.body.contains(&format!("ok    {check}")), "{check}: {seen:?}");
    }
    let body = json!({ "order_no": "degraded", "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let asked = Request::post("/api/v1/payments", &body).keyed("degraded").by(&merchant.test);
    assert_eq!(client.send(&asked).await.unwrap().status, 200, "commands go on");
}

// covers C2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_told_to_end_is_unready_to_whoever_still_asks() {
    let branch = Branch::of_all().await.unwrap();
    let environment = [("DAYBOOK_UNREADY_FOR_MS", "1500")];
    let mut server = Server::start(branch.ledger.superuser_url(), &environment).await.unwrap();
    assert_eq!(ready(&mut server.client()).await.status, 200);
    // The head of this question has begun before the signal, and ends after the listener is gone.
    let mut late = TcpStream::connect(server.address).await.unwrap();
    late.write_all(b"GET /readyz?verbose HTTP/1.1\r\nhost: loc").await.unwrap();
    ready(&mut server.client()).await;
    server.signal("TERM").unwrap();
    let unready = until("unready on a new connection", Duration::from_secs(5), async || {
        Some(ready(&mut server.client()).await).filter(|answer| answer.status == 503)
    });
    assert!(unready.await.body.contains("FAIL  draining"));
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    while TcpStream::connect(server.address).await.is_ok() {
        looks.tick().await;
    }
    late.write_all(b"alhost\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut BufReader::new(late)).await.unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    let status = tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

// covers C2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_has_a_bound_also_where_the_database_says_nothing() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let direct = branch.ledger.superuser_url();
    let proxy = Proxy::start(Upstream::from_url(direct).unwrap(), 1).await.unwrap();
    let mut server = Server::start(&proxy.url_for(direct).unwrap(), &[]).await.unwrap();
    let body = json!({ "order_no": "bound", "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let asked = |key: &str| Request::post("/api/v1/payments", &body).keyed(key).by(&merchant.test);
    assert_eq!(server.client().send(&asked("warm")).await.unwrap().status, 200);
    proxy.faults().black_hole();
    let (mut client, silent) = (server.client(), asked("silent"));
    let under_way = tokio::spawn(async move { client.send(&silent).await });
    // Whoever comes after it is told at once that the log is silent: then it is under way.
    until("silent", Duration::from_secs(20), async || {
        let answer = server.client().send(&asked("next")).await.ok()?;
        (answer.status == 503).then_some(())
    })
    .await;
    let begun = Instant::now();
    server.signal("TERM").unwrap();
    let status = tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
    assert!(begun.elapsed() < ENDED_WITHIN, "it ended only after {:?}: {status:?}", begun.elapsed());
    assert!(status.code().is_some(), "it ended by itself: {status:?}");
    proxy.faults().release();
    if let Ok(Ok(answer)) = under_way.await {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    let again = branch.client().send(&asked("warm")).await.unwrap();
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")), "acknowledged, and there");
}
