//! A page that the disk has changed: what stands on it is not answered, and all else is.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use embedded_postgres::{Cluster, Settings, Stop};
use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Request};
use system_tests::database::Ledger;
use system_tests::server::Server;

use super::served::get;

const PAGE: u64 = 8_192;

/// The file of a table, and the page that this row of it is on.
async fn place(behind: &mut PgConnection, table: &str, row: &str) -> (String, u64) {
    let select = format!(
        "select pg_relation_filepath('{table}'), (ctid::text::point)[0]::bigint from {table} where {row} limit 1"
    );
    let (file, page): (String, i64) = sqlx::query_as(&select).fetch_one(behind).await.unwrap();
    (file, u64::try_from(page).unwrap())
}

fn flip(path: &Path, page: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let (mut byte, at) = ([0], page * PAGE + 8_000);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

async fn pay(branch: &Branch, request: Request) -> Answer {
    branch.client().send(&request).await.unwrap()
}

// covers B12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_damaged_page_held_is_a_503_with_an_alarm_and_the_rest_is_answered() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::ephemeral(Settings::new())).await.unwrap().unwrap();
    let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
    let branch = Branch::on(ledger, &[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let start = || {
        let body = json!({ "order_no": fresh("damaged"), "amount": 1_000, "currency": "USD", "channel": "stripe",
                           "description": "x".repeat(400) });
        Request::post("/api/v1/payments", &body).keyed(fresh("damaged")).by(&merchant.test)
    };
    let mut payments = Vec::new();
    let mut last = String::new();
    for _payment in 0..90 {
        let paid = pay(&branch, start()).await;
        last = paid.header("daybook-position").unwrap().to_owned();
        payments.push(paid.data("payment_no"));
    }
    let listed = format!("/api/v1/payments?min_position={last}");
    assert_eq!(get(&branch, &merchant.test, &listed).await.status, 200);
    let mut behind = branch.ledger.superuser().await.unwrap();
    let (first, in_log, in_rows) = (payments[0].clone(), payments[40].clone(), payments[60].clone());
    let id = |payment_no: &str| payment_no.parse::<domain::id::PaymentId>().unwrap().uuid();
    let log = place(&mut behind, "log.events", &format!("aggregate_id = '{in_log}'")).await;
    let live: i32 = sqlx::query_scalar("select build from read.builds where model = 'payments' and is_live")
        .fetch_one(&mut behind)
        .await
        .unwrap();
    let table = format!("read.payments_v{live}");
    let rows = place(&mut behind, &table, &format!("id = '{}'", id(&in_rows))).await;
    // Others stand elsewhere.
    assert_ne!(log, place(&mut behind, "log.events", &format!("aggregate_id = '{first}'")).await);
    assert_ne!(log, place(&mut behind, "log.events", &format!("aggregate_id = '{in_rows}'")).await);
    assert_ne!(rows, place(&mut behind, &table, &format!("id = '{}'", id(&first))).await);
    assert_ne!(rows, place(&mut behind, &table, &format!("id = '{}'", id(&in_log))).await);
    drop(behind);
    let (branch, cluster) = after_the_damage(branch, cluster, [log, rows]).await;
    is_told_of(&branch, &in_log, &in_rows).await;
    for path in [
        format!("/api/v1/events?stream=payment/{first}"),
        format!("/api/v1/streams/payment/{in_rows}"),
        format!("/api/v1/payments/{first}"),
        format!("/api/v1/payments/{in_log}"),
    ] {
        assert_eq!(get(&branch, &branch.operator, &path).await.status, 200, "{path}");
    }
    let cancelled = pay(&branch, cancel(&in_log, &merchant)).await;
    assert_eq!(cancelled.status, 503, "{cancelled:?}");
    assert_eq!(cancelled.json()["outcome"], "not_applied", "{cancelled:?}");
    assert_eq!(pay(&branch, cancel(&first, &merchant)).await.status, 200);
    assert_eq!(pay(&branch, start()).await.status, 200);
    drop(branch);
    drop(cluster);
}

fn cancel(payment_no: &str, merchant: &Merchant) -> Request {
    let path = format!("/api/v1/payments/{payment_no}/cancel");
    Request::post(path, &json!({})).keyed(fresh("cancel")).by(&merchant.test)
}

/// Whatever needs what stands there.
async fn is_told_of(branch: &Branch, in_log: &str, in_rows: &str) {
    for path in [
        format!("/api/v1/events?stream=payment/{in_log}"),
        "/api/v1/events?stream=payment&limit=1000".to_owned(),
        format!("/api/v1/streams/payment/{in_log}"),
        format!("/api/v1/explain/payment/{in_log}"),
        format!("/api/v1/payments/{in_rows}"),
        "/api/v1/payments?limit=500".to_owned(),
    ] {
        let answer = get(branch, &branch.operator, &path).await;
        assert_eq!(answer.verdict(), "503 ledger_unavailable", "{path}: {answer:?}");
        assert!(answer.header("retry-after").is_some(), "{path}: {answer:?}");
    }
    let told = branch.server.log().unwrap();
    assert!(told.contains("a page of the database is damaged"), "{told}");
}

/// Another server on the same cluster, with a bit of each of these pages changed meanwhile.
async fn after_the_damage(mut branch: Branch, cluster: Cluster, pages: [(String, u64); 2]) -> (Branch, Cluster) {
    branch.server.signal("TERM").unwrap();
    let Branch { ledger, mut server, operator } = branch;
    assert!(tokio::task::spawn_blocking(move || server.wait().unwrap().success()).await.unwrap());
    let data = cluster.data_dir();
    let damaging = tokio::task::spawn_blocking(move || {
        cluster.stop(Stop::Fast).unwrap();
        for (file, page) in pages {
            flip(&data.join(file), page);
        }
        cluster.ensure_running().unwrap();
        cluster
    });
    let cluster = damaging.await.unwrap();
    let server = Server::start(ledger.superuser_url(), &[]).await.unwrap();
    (Branch { ledger, server, operator }, cluster)
}
