//! A disk that is full, or does not sync: nothing is acknowledged, and all is well again.

use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::invariants::broken;
use system_tests::say::say;

use super::by_hand::ByHand;
use super::{Paid, WITHIN, all_is_there, ask, pay};
use crate::operations::until;

/// What the library does, and what Postgres says of it when it gives up.
const TROUBLES: [(&str, &str); 2] = [("full", "No space left on device"), ("broken", "Input/output error")];

// covers B6, B7, I9, I33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_disk_that_is_full_or_does_not_sync_nothing_is_acknowledged_and_then_all_is_well() {
    let mut postgres = ByHand::start("disk", "DAYBOOK_DISK_SWITCH").await;
    let branch = Branch::on(postgres.ledger.clone(), &[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut paid = pay(&mut branch.client(), &merchant, 5).await;
    for (trouble, words) in TROUBLES {
        postgres.shim.say(trouble);
        let (asked, denied) = none_is_taken(&branch, &merchant).await;
        postgres.until_panicked(words).await;

        postgres.shim.be_silent();
        postgres.recover().await;
        for (order_no, key) in asked {
            let answer = until("it is taken", WITHIN, async || {
                let answer = ask(&mut branch.client(), &merchant, &order_no, &key).await.ok()?;
                assert!([200, 409, 503].contains(&answer.status), "{answer:?}");
                (answer.status == 200).then_some(answer)
            });
            paid.push(Paid { body: answer.await.body, key, order_no });
        }
        let mut log = branch.ledger.superuser().await.unwrap();
        let is_there: i64 = sqlx::query_scalar("select count(*) from log.answers where key = any($1)")
            .bind(&denied)
            .fetch_one(&mut log)
            .await
            .unwrap();
        assert_eq!(is_there, 0, "{trouble}: denied, and there: {denied:?}");
        all_is_there(&branch, &merchant, &paid).await;
        for Paid { order_no, .. } in &paid {
            let question = "select count(*) from log.events where event_type = 'initiated' \
                            and payload::text like '%\"' || $1 || '\"%'";
            let count: i64 = sqlx::query_scalar(question).bind(order_no).fetch_one(&mut log).await.unwrap();
            assert_eq!(count, 1, "{trouble}: {order_no}");
        }
        assert_eq!(broken(&mut log).await.unwrap(), Vec::<&str>::new(), "{trouble}");
        paid.extend(pay(&mut branch.client(), &merchant, 3).await);
        say(&format!(
            "{trouble}: {} denied for certain, the rest found out; {} payments there",
            denied.len(),
            paid.len()
        ));
    }
}

/// Each is told to come again, and what is true; those that are to come, and the keys of which it was certain.
async fn none_is_taken(branch: &Branch, merchant: &Merchant) -> (Vec<(String, String)>, Vec<String>) {
    let (mut asked, mut denied) = (Vec::new(), Vec::new());
    for _payment in 0..6 {
        let (order_no, key) = (fresh("no-room"), fresh("key"));
        let answer = ask(&mut branch.client(), merchant, &order_no, &key).await.unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        match answer.json()["outcome"].as_str() {
            // Every second one of these is not asked again.
            Some("not_applied") if denied.len() <= asked.len() => denied.push(key),
            Some("not_applied" | "unknown") => asked.push((order_no, key)),
            other => panic!("{other:?}: {answer:?}"),
        }
    }
    (asked, denied)
}
