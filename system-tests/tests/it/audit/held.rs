//! Lists in an auditor's session: what stood when it began; what changed since is named.

use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, fresh};
use system_tests::client::{Answer, Caller, Request};

use super::served::get;
use crate::http::captured::captured;
use crate::reactions::looking::{ask, pay, reacting, until_told};

async fn head(behind: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select max(position) from log.events").fetch_one(behind).await.unwrap()
}

fn listed(answer: &Answer, name: &str) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = answer.json()["data"].as_array().unwrap().clone();
    rows.iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

fn changed(answer: &Answer) -> Vec<String> {
    let names =
        answer.json()["meta"]["changed_since"]["names"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    assert_eq!(answer.header("daybook-changed-since"), Some(&*names.len().to_string()), "{answer:?}");
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

async fn started(branch: &Branch, caller: &Caller) -> String {
    let body = json!({ "order_no": fresh("held"), "amount": 1_000, "currency": "USD", "channel": "stripe" });
    ask(branch, caller, "/api/v1/payments", &body).await.data("payment_no")
}

// covers I30
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_in_a_session_shows_what_stood_when_it_began_and_names_what_has_changed_since() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let auditor = branch.staff("auditor").unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    let stays = captured(&branch, &merchant, &fresh("held")).await;
    let moves = started(&branch, &merchant.test).await;
    let before = head(&mut behind).await;
    let at = |path: &str, position: i64| {
        let more = if path.contains('?') { '&' } else { '?' };
        format!("{path}{more}min_position={position}")
    };
    // Nothing has changed yet: all is there, and sums are told.
    let payments = get(&branch, &auditor, &at("/api/v1/payments", before)).await;
    assert_eq!((listed(&payments, "payment_no"), changed(&payments)), (vec![moves.clone(), stays.clone()], vec![]));
    let sums = at("/api/v1/analytics", before);
    assert_eq!(get(&branch, &auditor, &sums).await.status, 200);

    ask(&branch, &merchant.test, &format!("/api/v1/payments/{moves}/cancel"), &json!({})).await;
    let comes = started(&branch, &merchant.test).await;
    let newcomer = branch.newcomer().await.unwrap();
    branch
        .operate(
            &format!("/api/v1/merchants/{}/currencies", merchant.id),
            &json!({ "currency": "EUR", "allowed": true }),
        )
        .await
        .unwrap();
    let after = head(&mut behind).await;
    for query in ["", "?status=pending", "?status=cancelled", "?order=oldest"] {
        let payments = get(&branch, &auditor, &at(&format!("/api/v1/payments{query}"), after)).await;
        let expected = if query.contains("status") { vec![] } else { vec![stays.clone()] };
        assert_eq!((listed(&payments, "payment_no"), changed(&payments)), (expected, vec![moves.clone()]), "{query}");
        assert_eq!(payments.json()["meta"]["as_of_position"], json!(before), "{payments:?}");
    }
    let csv = Request::get(at("/api/v1/payments", after)).with("accept", "text/csv").by(&auditor);
    let csv = branch.client().send(&csv).await.unwrap();
    assert_eq!((csv.body.lines().count(), csv.header("daybook-changed-since")), (2, Some("1")), "{csv:?}");
    for (payment, verdict) in [(&stays, 200), (&moves, 409), (&comes, 404)] {
        let one = get(&branch, &auditor, &at(&format!("/api/v1/payments/{payment}"), after)).await;
        assert_eq!(one.status, verdict, "{one:?}");
        assert_eq!(one.verdict() == "409 changed_since", verdict == 409, "{one:?}");
        let all = get(&branch, &branch.operator, &format!("/api/v1/payments/{payment}")).await;
        assert_eq!((all.status, all.header("daybook-changed-since")), (200, None), "{all:?}");
    }
    // As it was then it is in the log.
    let then = get(&branch, &auditor, &format!("/api/v1/streams/payment/{moves}")).await;
    assert_eq!((then.status, &then.json()["data"]["version"]), (200, &json!(1)), "{then:?}");
    let merchants = get(&branch, &auditor, &at("/api/v1/merchants", after)).await;
    assert_eq!((listed(&merchants, "merchant_id"), changed(&merchants)), (vec![], vec![merchant.id.clone()]));
    let keys = get(&branch, &auditor, &at(&format!("/api/v1/merchants/{}/keys", merchant.id), after)).await;
    assert_eq!((listed(&keys, "key_id"), changed(&keys).len()), (vec![], 2));
    let theirs = get(&branch, &auditor, &at(&format!("/api/v1/merchants/{}/keys", newcomer.id), after)).await;
    assert_eq!((listed(&theirs, "key_id"), changed(&theirs)), (vec![], vec![]));
    // Of sums only the present ones are kept.
    assert_eq!(get(&branch, &auditor, &at("/api/v1/analytics", after)).await.verdict(), "409 changed_since");
    assert_eq!(get(&branch, &branch.staff("auditor").unwrap(), &at("/api/v1/analytics", after)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sagas_orders_refunds_and_explanations_end_where_a_session_began() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let auditor = branch.staff("auditor").unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    let payment_no = pay(&branch, &merchant.test, &fresh("held"), "pm_sandbox_visa", "automatic").await;
    until_told(&mut behind, &payment_no, "captured", 1).await;
    let completed = format!("/api/v1/sagas?business_id={payment_no}&status=completed");
    while listed(&get(&branch, &branch.operator, &completed).await, "saga_id").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let taken = listed(&get(&branch, &branch.operator, &completed).await, "saga_id");
    let order = |answer: &Answer| answer.json()["data"]["paid"].clone();
    let paid = get(&branch, &branch.operator, &format!("/api/v1/payments/{payment_no}")).await;
    let order_no = paid.data("order_no");
    let of_order = format!("/api/v1/orders/{order_no}?merchant_id={}&livemode=false", merchant.id);
    let opened = get(&branch, &auditor, &of_order).await;
    assert_eq!((opened.status, order(&opened).is_null()), (200, false), "{opened:?}");

    let refund = json!({ "payment_no": payment_no, "amount": 1_000, "reason": "returned" });
    let refund_no = ask(&branch, &merchant.test, "/api/v1/refunds", &refund).await.data("refund_no");
    until_told(&mut behind, &payment_no, "refund_confirmed", 1).await;
    let completed = format!("/api/v1/sagas?business_id={refund_no}&status=completed");
    while listed(&get(&branch, &branch.operator, &completed).await, "saga_id").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let after = head(&mut behind).await;
    let sagas = get(&branch, &auditor, &format!("/api/v1/sagas?expand=steps&min_position={after}")).await;
    assert!(listed(&sagas, "saga_id").contains(&taken[0]), "{sagas:?}");
    assert!(!sagas.body.contains(&refund_no), "{sagas:?}");
    let refunds = get(&branch, &auditor, &format!("/api/v1/refunds?min_position={after}")).await;
    assert_eq!((listed(&refunds, "refund_no"), changed(&refunds)), (vec![], vec![]));
    let one =
        get(&branch, &auditor, &format!("/api/v1/payments/{payment_no}?expand=refunds&min_position={after}")).await;
    assert_eq!(one.verdict(), "409 changed_since");
    let why =
        get(&branch, &auditor, &format!("/api/v1/explain/payment/{payment_no}?min_position={after}")).await.json();
    let processes: Vec<&Value> = why["data"]["sagas"].as_array().unwrap().iter().map(|saga| &saga["process"]).collect();
    assert_eq!(processes, [&json!("take_payment")], "{why:#}");
    assert!(!why.to_string().contains("refund"), "{why:#}");
    let now = get(&branch, &branch.operator, &format!("/api/v1/explain/payment/{payment_no}")).await.json();
    assert!(now.to_string().contains("refund_payment"), "{now:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_explanation_has_no_step_that_was_begun_behind_the_end_of_a_session() {
    let branch = reacting().await;
    let merchant = branch.merchant().await.unwrap();
    let auditor = branch.staff("auditor").unwrap();
    let mut behind = branch.ledger.superuser().await.unwrap();
    let payment_no = pay(&branch, &merchant.test, &fresh("held"), "pm_sandbox_visa", "manual").await;
    until_told(&mut behind, &payment_no, "authorised", 1).await;
    let path = format!("/api/v1/explain/payment/{payment_no}");
    let opened = get(&branch, &auditor, &path).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    let opened =
        "select payload -> 'acted' ->> 'deed' from log.events where event_type = 'acted' order by position limit 1";
    let opened: String = sqlx::query_scalar(opened).fetch_one(&mut behind).await.unwrap();
    let end: i64 = opened.rsplit_once("the log up to ").unwrap().1.parse().unwrap();
    ask(&branch, &merchant.test, &format!("/api/v1/payments/{payment_no}/cancel"), &json!({})).await;
    until_told(&mut behind, &payment_no, "cancelled", 1).await;
    let after = head(&mut behind).await;
    let last = async |caller: &Caller| {
        let why = get(&branch, caller, &format!("{path}?min_position={after}")).await.json();
        let sagas = why["data"]["sagas"].as_array().unwrap().clone();
        let steps = sagas.iter().flat_map(|saga| saga["steps"].as_array().unwrap().clone());
        steps.map(|step| step["started_position"].as_i64().unwrap()).max().unwrap()
    };
    assert!(last(&branch.operator).await > end);
    assert!(last(&auditor).await <= end);
}
