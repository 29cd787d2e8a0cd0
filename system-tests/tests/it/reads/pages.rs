//! Page after page: nothing twice, nothing left out; and no page without bounds.

use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::Executor as _;
use system_tests::branch::{Branch, fresh};
use system_tests::client::Answer;

use super::{get, guest, pay, texts};

const PAYMENTS: &str = "/api/v1/payments";

fn next(answer: &Answer) -> Option<String> {
    answer.json()["meta"]["next_cursor"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn what_comes_between_two_pages_changes_neither() {
    let (_branch, merchant, mut client) = guest().await;
    let mut paid = Vec::new();
    let mut position = String::new();
    for _n in 0..7 {
        let order_no = fresh("page");
        position = pay(&mut client, &merchant.test, &order_no, json!({})).await.1;
        paid.push(order_no);
    }
    for order in ["newest", "oldest"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{PAYMENTS}?order={order}&limit=2&min_position={position}{cursor}");
            let page = get(&mut client, &merchant.test, &path).await;
            seen.extend(texts(&page, "order_no"));
            // Somebody pays while we read.
            let late = fresh("late");
            position = pay(&mut client, &merchant.test, &late, json!({})).await.1;
            match next(&page) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            assert!(seen.len() < 40, "the pages do not end: {seen:?}");
            if order == "oldest" && seen.len() >= paid.len() {
                break;
            }
        }
        let expected: Vec<String> = if order == "newest" { paid.iter().rev().cloned().collect() } else { paid.clone() };
        let own: Vec<String> = seen.iter().filter(|no| paid.contains(no)).cloned().collect();
        assert_eq!(own, expected, "{order}");
        if order == "newest" {
            let late_after_first = seen.iter().skip(1).filter(|no| no.starts_with("late")).count();
            assert_eq!(late_after_first, 0, "{seen:?}");
        }
    }
}

// covers G14
#[tokio::test]
async fn a_cursor_is_for_its_own_question_and_its_own_tenant() {
    let (branch, merchant, mut client) = guest().await;
    let mut position = String::new();
    for _n in 0..3 {
        position = pay(&mut client, &merchant.test, &fresh("cursor"), json!({})).await.1;
    }
    let first = get(&mut client, &merchant.test, &format!("{PAYMENTS}?limit=1&min_position={position}")).await;
    let cursor = next(&first).unwrap();
    let ok = get(&mut client, &merchant.test, &format!("{PAYMENTS}?limit=2&cursor={cursor}")).await;
    assert_eq!(texts(&ok, "order_no").len(), 2);
    let other = branch.merchant().await.unwrap();
    let altered = format!("{}{}", &cursor[..cursor.len() - 1], if cursor.ends_with('A') { 'E' } else { 'A' });
    for (caller, path) in [
        (&other.test, format!("{PAYMENTS}?cursor={cursor}")),
        (&merchant.live, format!("{PAYMENTS}?cursor={cursor}")),
        (&branch.operator, format!("{PAYMENTS}?cursor={cursor}")),
        (&merchant.test, format!("{PAYMENTS}?cursor={cursor}&status=failed")),
        (&merchant.test, format!("{PAYMENTS}?cursor={cursor}&order=oldest")),
        (&merchant.test, format!("/api/v1/refunds?cursor={cursor}")),
        (&merchant.test, format!("{PAYMENTS}?cursor={altered}")),
        (&merchant.test, format!("{PAYMENTS}?cursor=x")),
    ] {
        assert_eq!(get(&mut client, caller, &path).await.verdict(), "400 cursor_invalid", "{path}");
    }
}

// covers G14
#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    let (_branch, merchant, mut client) = guest().await;
    for (query, code, name) in [
        ("limit=0", "parameter_malformed", "limit"),
        ("limit=501", "parameter_malformed", "limit"),
        ("limit=1000000000", "parameter_malformed", "limit"),
        ("limit=-1", "parameter_malformed", "limit"),
        ("limit=1e3", "parameter_malformed", "limit"),
        ("offset=1000000", "parameter_unknown", "offset"),
        ("Limit=1", "parameter_unknown", "Limit"),
        ("order_no[regex]=.*", "parameter_unknown", "order_no[regex]"),
        ("limit=1&limit=2", "parameter_repeated", "limit"),
        ("status=success&status=failed", "parameter_repeated", "status"),
        ("status=gone", "parameter_malformed", "status"),
        ("status=", "parameter_malformed", "status"),
        ("currency=ZZZ", "parameter_malformed", "currency"),
        ("channel=nope", "parameter_malformed", "channel"),
        ("order_no=", "parameter_malformed", "order_no"),
        ("order_no=%00", "parameter_malformed", "order_no"),
        ("amount[gt]=1.5", "parameter_malformed", "amount[gt]"),
        ("amount[gt]=99999999999999999999", "parameter_malformed", "amount[gt]"),
        ("created[gte]=yesterday", "parameter_malformed", "created[gte]"),
        ("created[gte]=99999-01-01T00:00:00Z", "parameter_malformed", "created[gte]"),
        ("created=2026-01-01T00:00:00Z", "parameter_unknown", "created"),
        ("metadata=x", "parameter_unknown", "metadata"),
        ("metadata[a]=", "parameter_malformed", "metadata"),
        ("customer_email=ann", "parameter_malformed", "customer_email"),
        ("settlement_no=PAY1", "parameter_malformed", "settlement_no"),
        ("expand=secrets", "parameter_malformed", "expand"),
        ("order=random", "parameter_malformed", "order"),
        ("min_position=-1", "parameter_malformed", "min_position"),
        ("merchant_id=x", "parameter_malformed", "merchant_id"),
        ("livemode=maybe", "parameter_malformed", "livemode"),
        ("'%3Bdrop%20table%20x--=1", "parameter_unknown", "';drop table x--"),
    ] {
        let answer = get(&mut client, &merchant.test, &format!("{PAYMENTS}?{query}")).await;
        assert_eq!(answer.verdict(), format!("400 {code}"), "{query}: {answer:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], Value::from(format!("?{name}")), "{query}");
    }
    let nothing = get(&mut client, &merchant.test, "/api/v1/analytics?created[gte]=1970-01-01T00:00:00Z").await;
    assert_eq!(nothing.verdict(), "400 parameter_malformed");
}

// covers G14
#[tokio::test]
async fn a_question_that_costs_too_much_is_given_up_and_payments_go_on_meanwhile() {
    let branch = Branch::own(&[]).await.unwrap();
    let (merchant, mut client) = (branch.merchant().await.unwrap(), branch.client());
    let (_number, position) = pay(&mut client, &merchant.test, &fresh("before"), json!({})).await;
    let question = format!("{PAYMENTS}?min_position={position}");
    assert_eq!(get(&mut client, &merchant.test, &question).await.status, 200);
    let mut behind = branch.ledger.superuser().await.unwrap();
    let mut holding = behind.begin().await.unwrap();
    holding.execute("lock table read.payments_v1 in access exclusive mode").await.unwrap();
    let answer = get(&mut client, &merchant.test, &question).await;
    assert_eq!(answer.verdict(), "422 query_too_costly", "{answer:?}");
    pay(&mut client, &merchant.test, &fresh("meanwhile"), json!({})).await;
    holding.rollback().await.unwrap();
    assert_eq!(get(&mut client, &merchant.test, &question).await.status, 200);
}
