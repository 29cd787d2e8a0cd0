//! Looks at personal values: a deed before the first is shown, and one of them all.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Caller, Request};

use super::served::get;

const WITHIN: Duration = Duration::from_secs(60);
const EMAIL: &str = "ann@example.com";

type Deeds = Vec<(String, Option<String>, String)>;

async fn deeds(behind: &mut PgConnection) -> Deeds {
    let select = "select payload -> 'acted' ->> 'deed', payload -> 'acted' ->> 'reason', aggregate_id from log.events \
         where event_type = 'acted' and payload -> 'acted' ->> 'deed' like '%personal values%' order by position";
    sqlx::query_as(select).fetch_all(behind).await.unwrap()
}

async fn until_over(behind: &mut PgConnection, count: usize) -> Deeds {
    let begun = Instant::now();
    loop {
        let deeds = deeds(behind).await;
        if deeds.iter().filter(|(deed, ..)| deed.starts_with("looked")).count() >= count {
            return deeds;
        }
        assert!(begun.elapsed() < WITHIN, "{deeds:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn pay(branch: &Branch, merchant: &Merchant, email: Option<&str>) -> String {
    let body = json!({ "order_no": fresh("looked"), "amount": 1_000, "currency": "USD", "channel": "stripe",
                       "customer_email": email });
    let body = match email {
        Some(_) => body,
        None => json!({ "order_no": fresh("looked"), "amount": 1_000, "currency": "USD", "channel": "stripe" }),
    };
    let request = Request::post("/api/v1/payments", &body).keyed(fresh("looked")).by(&merchant.test);
    let paid = branch.client().send(&request).await.unwrap();
    assert_eq!(paid.status, 200, "{paid:?}");
    let path = format!(
        "/api/v1/payments/{}?min_position={}",
        paid.data("payment_no"),
        paid.header("daybook-position").unwrap()
    );
    assert_eq!(get(branch, &merchant.test, &path).await.status, 200);
    paid.data("payment_no")
}

// covers I30
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_shown_personal_values_leaves_a_deed_before_and_one_after() {
    let mut branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    let (known, unknown) = (pay(&branch, &merchant, Some(EMAIL)).await, pay(&branch, &merchant, None).await);
    let one = format!("/api/v1/payments/{known}");
    // The merchant sees its own customers; who is shown masked values, or none, leaves nothing.
    assert!(get(&branch, &merchant.test, &one).await.body.contains(EMAIL));
    for role in ["support", "analyst", "auditor"] {
        let caller = branch.staff(role).unwrap();
        for path in [&*one, "/api/v1/payments", "/api/v1/merchants"] {
            let answer = get(&branch, &caller, path).await;
            assert!(answer.status == 200 && answer.body.contains("***@"), "{role}: {answer:?}");
            assert!(!answer.body.contains(EMAIL) && !answer.body.contains("\"owner-"), "{role}: {answer:?}");
        }
    }
    for path in [
        &*format!("/api/v1/payments/{unknown}"),
        "/api/v1/orders",
        "/api/v1/payments?status=refunded",
        "/api/v1/events",
    ] {
        assert_eq!(get(&branch, &branch.operator, path).await.status, 200, "{path}");
    }
    assert_eq!(deeds(&mut behind).await, []);

    let by_email = format!("/api/v1/payments?merchant_id={}&customer_email=ann%40example.com", merchant.id);
    for path in [&*one, &*one, "/api/v1/payments", &*by_email, "/api/v1/merchants"] {
        let shown = get(&branch, &branch.operator, path).await;
        assert!(shown.body.contains("@example.com") && !shown.body.contains("***"), "{shown:?}");
    }
    let csv = Request::get("/api/v1/payments").with("accept", "text/csv").by(&branch.operator);
    assert!(branch.client().send(&csv).await.unwrap().body.contains(EMAIL));
    // One deed for each kind of question and minute, which names the first.
    let begun = deeds(&mut behind).await;
    let kinds: Vec<&str> = begun.iter().map(|(deed, ..)| deed.rsplit_once(": ").unwrap().1).collect();
    assert_eq!(kinds, ["/api/v1/payments/{payment_no}", "/api/v1/payments", "/api/v1/merchants"], "{begun:?}");
    assert!(begun.iter().all(|(deed, ..)| deed.starts_with("looks at personal values ")), "{begun:?}");
    assert_eq!(begun[0].1.as_deref(), Some(&*format!("first: /api/v1/payments/{{payment_no}} {known}")));
    let Caller::Token(_token) = &branch.operator else { panic!("the operator has a token") };

    branch.server.signal("TERM").unwrap();
    let ending = tokio::task::spawn_blocking(move || branch.server.wait().unwrap().success());
    assert!(ending.await.unwrap());
    let all = deeds(&mut behind).await;
    assert_eq!(all.len(), 6, "{all:?}");
    for ((first, _said, who), (last, said, by)) in all[..3].iter().zip(&all[3..]) {
        assert_eq!((last.replace("looked at", "looks at"), by), (first.clone(), who), "{all:?}");
        let said = said.as_deref().unwrap();
        assert!(!said.contains("ann") && !said.contains("owner"), "{said}");
        let expected = match first.rsplit_once(": ").unwrap().1 {
            "/api/v1/payments/{payment_no}" => {
                format!("2 questions, 2 rows; /api/v1/payments/{{payment_no}} {known}: 2 times, 2 rows")
            }
            "/api/v1/payments" => format!(
                "3 questions, 5 rows; /api/v1/payments: 2 times, 4 rows; \
                 /api/v1/payments customer_email=… merchant_id={}: 1 times, 1 rows",
                merchant.id
            ),
            _merchants => "1 questions, 1 rows; /api/v1/merchants: 1 times, 1 rows".to_owned(),
        };
        assert_eq!(said, expected);
    }
}

// covers I30
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_personal_is_shown_before_its_deed_is_written_and_a_server_that_dies_has_told_of_it() {
    let mut branch = Branch::own(&[("DAYBOOK_AUDIT_IDLE_MS", "200")]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    let one = format!("/api/v1/payments/{}", pay(&branch, &merchant, Some(EMAIL)).await);
    // Nobody writes to the log: nothing is shown.
    sqlx::raw_sql("begin; select * from log.head for update").execute(&mut behind).await.unwrap();
    {
        let asking = get(&branch, &branch.operator, &one);
        tokio::pin!(asking);
        let early = tokio::time::timeout(Duration::from_secs(1), &mut asking).await;
        assert!(early.as_ref().map_or(true, |answer| answer.status == 503), "{early:?}");
        sqlx::raw_sql("rollback").execute(&mut behind).await.unwrap();
        if early.is_err() {
            let shown = asking.await;
            assert_eq!(shown.status == 200, shown.body.contains(EMAIL), "{shown:?}");
        }
    }
    // Looks of another spell are told of anew.
    until_over(&mut behind, 1).await;
    assert!(get(&branch, &branch.operator, &one).await.body.contains(EMAIL));
    let told = until_over(&mut behind, 2).await;
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(get(&branch, &branch.operator, &one).await.body.contains(EMAIL));
    branch.server.signal("KILL").unwrap();
    let ending = tokio::task::spawn_blocking(move || branch.server.wait().unwrap().success());
    assert!(!ending.await.unwrap());
    let told = deeds(&mut behind).await;
    assert!(told[4].0.starts_with("looks at personal values "), "{told:?}");
    assert!(told[4].1.as_deref().unwrap().starts_with("first: /api/v1/payments/{payment_no} PAY"), "{told:?}");
}
