//! The database goes away and comes back: nobody is needed for either.

use std::time::{Duration, Instant};

use embedded_postgres::{Cluster, Settings, Stop};
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::client::{Client, Request};
use system_tests::database::Ledger;

use super::{ready, until};

/// As it is promised.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
const BACK_WITHIN: Duration = Duration::from_secs(30);

// covers B4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_every_answer_says_so_in_time_and_then_all_is_well_again() {
    let cluster = Cluster::ephemeral(Settings::new()).unwrap();
    let ledger = Ledger::on(&cluster.url("postgres")).await.unwrap();
    let branch = Branch::on(ledger, &[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let (mut client, mut probe) = (branch.client(), branch.client());
    let pay = async |client: &mut Client, name: &str| {
        let body = json!({ "order_no": name, "amount": 1_000, "currency": "USD", "channel": "stripe" });
        let asked = Request::post("/api/v1/payments", &body).keyed(name).by(&merchant.test);
        let begun = Instant::now();
        (client.send(&asked).await.unwrap(), begun.elapsed())
    };
    assert_eq!(pay(&mut client, "before").await.0.status, 200);
    assert_eq!(ready(&mut probe).await.status, 200);
    cluster.stop(Stop::Immediate).unwrap();
    let unready = until("unready", Duration::from_secs(10), async || {
        Some(ready(&mut probe).await).filter(|answer| answer.status == 503)
    });
    let unready = unready.await;
    assert!(unready.body.contains("FAIL  database"), "{unready:?}");
    assert!(unready.header("retry-after").is_some(), "{unready:?}");
    for n in 0..4 {
        let (answer, took) = pay(&mut client, &format!("away-{n}")).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(took < TOLD_WITHIN, "told only after {took:?}: {answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        let outcome = answer.json()["outcome"].as_str().unwrap().to_owned();
        assert!(["not_applied", "unknown"].contains(&outcome.as_str()), "{answer:?}");
        let begun = Instant::now();
        let read = client.send(&Request::get("/api/v1/payments").by(&merchant.test)).await.unwrap();
        assert_eq!(read.status, 503, "{read:?}");
        assert!(begun.elapsed() < TOLD_WITHIN, "a question is told only after {:?}: {read:?}", begun.elapsed());
    }
    assert_eq!(probe.send(&Request::get("/livez")).await.unwrap().status, 200, "it lives all the same");
    cluster.ensure_running().unwrap();
    until("the first success", BACK_WITHIN, async || (pay(&mut client, "back").await.0.status == 200).then_some(()))
        .await;
    until("ready", Duration::from_secs(10), async || (ready(&mut probe).await.status == 200).then_some(())).await;
    for n in 0..4 {
        let (again, _took) = pay(&mut client, &format!("away-{n}")).await;
        assert_eq!(again.status, 200, "{again:?}");
    }
}
