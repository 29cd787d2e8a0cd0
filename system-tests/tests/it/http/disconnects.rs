//! Clients that hang up at any moment: each request is done whole or not at all.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use system_tests::client::Request;
use system_tests::times::times;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{PAYMENTS, ask, assert_sound, guest, payment};

/// Spreads numbers as chance would, the same in every run.
fn scattered(n: usize, below: usize) -> usize {
    n.wrapping_mul(2_654_435_761).wrapping_add(97) % below
}

// covers A12, I31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_hang_up_and_nothing_is_half_done() {
    let (branch, merchant, mut client) = guest().await;
    let count = times("DAYBOOK_DISCONNECTS", 1_000);
    let address = branch.server.address;
    let hang_up = |n: usize| {
        let (name, merchant) = (format!("gone-{n}"), merchant.clone());
        async move {
            let bytes = Request::post(PAYMENTS, &payment(&name)).keyed(&name).by(&merchant.test).bytes(address);
            let mut stream = TcpStream::connect(address).await.unwrap();
            // Some leave in the middle of their request, the others while it is being served.
            let upto = if n.is_multiple_of(4) { scattered(n, bytes.len()) } else { bytes.len() };
            stream.write_all(&bytes[..upto]).await.unwrap();
            // A few wait for their answer, however slow the machine is.
            let patience = match n % 100 {
                1 => Duration::from_secs(20),
                _ => Duration::from_micros(u64::try_from(scattered(n, 6_000)).unwrap()),
            };
            let answered = tokio::time::timeout(patience, stream.read(&mut [0; 64])).await;
            // A reset instead of an orderly end, for every third.
            if n.is_multiple_of(3) {
                stream.set_zero_linger().unwrap();
            }
            matches!(answered, Ok(Ok(length)) if length > 0)
        }
    };
    let answered: Vec<bool> = stream::iter((0..count).map(hang_up)).buffer_unordered(32).collect().await;
    let stayed = answered.iter().filter(|answered| **answered).count();
    assert!((1..count).contains(&stayed), "{stayed} of {count} saw an answer: nobody hung up in between");

    // What was begun comes to its end; then every request is whole: an answer with its event, or neither.
    let mut again = Vec::new();
    for n in 0..count {
        let name = format!("gone-{n}");
        let answer = ask(&mut client, &merchant.test, PAYMENTS, &name, &payment(&name)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        again.push(answer.header("idempotency-replayed").is_some());
    }
    let done = again.iter().filter(|replayed| **replayed).count();
    assert!((stayed..count).contains(&done), "{stayed} were answered, {done} were done");
    let mut log = branch.ledger.superuser().await.unwrap();
    let (answers, payments): (i64, i64) = sqlx::query_as(
        "select (select count(*) from log.answers where scope = $1 || ' test' and key like 'gone-%'), \
                (select count(*) from log.events where aggregate_type = 'payment' and sequence = 1 \
                 and payload::text like '%\"gone-%' and payload::text like '%' || $1 || '%')",
    )
    .bind(&merchant.id)
    .fetch_one(&mut log)
    .await
    .unwrap();
    let count = i64::try_from(count).unwrap();
    assert_eq!((answers, payments), (count, count));
    assert_sound(&mut log).await;
    let said = branch.server.log().unwrap();
    assert!(!said.contains("25P02") && !said.contains("panic"), "{said}");
}
