//! Long answers: they take little memory however long they are, and others are served.

use std::time::Duration;

use sqlx::Executor as _;
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Caller, Request};
use system_tests::times::times;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{get, pay};

/// What two long answers may take beside what the server has anyway.
const MOST_KIB: u64 = 64 * 1_024;

/// The same payment so many times more, under other names, in the read model alone.
const MORE: &str = "insert into read.payments select r.* from read.payments p, generate_series(1, $1) n, \
     lateral jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'order_no', 'long-' || n, \
         'created_position', p.created_position + n)) r";

/// Reads a whole answer without keeping it; how many lines of it hold a word, and how many bytes it had.
async fn taken(branch: &Branch, caller: &Caller, accept: &str, word: &str) -> (usize, usize) {
    let address = branch.server.address;
    let request = Request::get("/api/v1/payments").with("accept", accept).with("connection", "close").by(caller);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.bytes(address)).await.unwrap();
    let mut stream = BufReader::new(stream);
    let (mut rows, mut bytes, mut line) = (0, 0, Vec::new());
    while stream.read_until(b'\n', &mut line).await.unwrap() > 0 {
        bytes += line.len();
        rows += usize::from(String::from_utf8_lossy(&line).contains(word));
        line.clear();
    }
    (rows, bytes)
}

// covers C4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_takes_little_memory_and_others_are_served() {
    let count = times("DAYBOOK_EXPORT_ROWS", 60_000);
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let (payment_no, position) = pay(&mut branch.client(), &merchant.test, &fresh("long"), serde_json::json!({})).await;
    let shown = format!("/api/v1/payments/{payment_no}?min_position={position}");
    assert_eq!(get(&mut branch.client(), &merchant.test, &shown).await.status, 200);
    let mut superuser = branch.ledger.superuser().await.unwrap();
    let more = sqlx::query(MORE).bind(i64::try_from(count).unwrap());
    superuser.execute(more).await.unwrap();

    let before = branch.server.resident_kib().unwrap();
    let long = async {
        tokio::join!(
            taken(&branch, &merchant.test, "application/x-ndjson", "\"payment_no\""),
            taken(&branch, &merchant.test, "application/vnd.apache.parquet", ""),
        )
    };
    let mut most = before;
    let mut client = branch.client();
    let beside = async {
        loop {
            assert_eq!(get(&mut client, &merchant.test, &shown).await.status, 200);
            most = most.max(branch.server.resident_kib().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ((rows, bytes), (_none, file_bytes)) = tokio::select! {
        taken = long => taken,
        () = beside => unreachable!(),
    };
    assert_eq!(rows, count + 1);
    assert!(file_bytes > count, "a file of {file_bytes} bytes");
    let grown = most.saturating_sub(before);
    system_tests::say::say(&format!("two long answers of {rows} rows: {grown} KiB more, from {before}"));
    assert!(grown < MOST_KIB, "{grown} KiB more for {rows} rows, {bytes} bytes");
}
