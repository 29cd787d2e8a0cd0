//! Months that are closed: no fact is refused, nobody adjusts them, the late are told.

use std::collections::BTreeMap;

use domain::id::{CaptureId, PaymentId};
use domain::money::Money;
use domain::payment::Report;
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Request};

use super::served::run;
use crate::http::captured::approve_and_report;

async fn ask(branch: &Branch, caller: &Caller, path: &str, body: &Value) -> Answer {
    branch.client().send(&Request::post(path, body).keyed(fresh("periods")).by(caller)).await.unwrap()
}

/// An answer that knows all that is in the log.
async fn get(branch: &Branch, caller: &Caller, path: &str) -> Answer {
    let head: i64 = sqlx::query_scalar("select max(position) from log.events")
        .fetch_one(&mut branch.ledger.superuser().await.unwrap())
        .await
        .unwrap();
    let mark = if path.contains('?') { '&' } else { '?' };
    branch.client().send(&Request::get(format!("{path}{mark}min_position={head}")).by(caller)).await.unwrap()
}

fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["data"].as_array().unwrap_or_else(|| panic!("no list: {answer:?}")).clone()
}

/// The bank got so much on a day, as a channel reports it; where it stands in the log.
async fn remitted(branch: &Branch, net: i64, effective_at: &str) -> i64 {
    let body = json!({ "channel": "stripe", "currency": "USD", "gross": net, "fee": 0, "net": net,
                       "effective_at": effective_at, "livemode": false });
    let recorded = branch.operate("/api/v1/remittances", &body).await.unwrap();
    recorded.header("daybook-position").unwrap().parse().unwrap()
}

async fn close(branch: &Branch, month: &str) -> i64 {
    let closed = branch.operate("/api/v1/periods", &json!({ "month": month, "livemode": false })).await.unwrap();
    assert_eq!(closed.data("closed_through"), month);
    closed.header("daybook-position").unwrap().parse().unwrap()
}

fn adjustment(effective_at: &str) -> Value {
    json!({ "debit": "bank", "credit": "suspense", "amount": 700, "currency": "USD", "livemode": false,
            "reason": "found in a drawer", "effective_at": effective_at })
}

/// A payment that was captured when its month was closed already.
async fn captured_late(branch: &Branch, merchant: &Merchant, effective_at: &str) -> String {
    let body = json!({ "order_no": fresh("late"), "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let payment_no = ask(branch, &merchant.test, "/api/v1/payments", &body).await.data("payment_no");
    let id: PaymentId = payment_no.parse().unwrap();
    let report = Report::Captured {
        capture_id: CaptureId::derive(id, 1),
        amount: Money::new(1_000, "USD".parse().unwrap()),
        channel_trade_no: "ch_late".to_owned(),
        effective_at: effective_at.parse().unwrap(),
    };
    approve_and_report(branch, &payment_no, report).await;
    payment_no
}

async fn bank(branch: &Branch, effective_at: &str) -> i64 {
    let path = format!("/api/v1/ledger/balances?livemode=false&effective_at={effective_at}");
    let told = get(branch, &branch.operator, &path).await.json();
    let accounts = told["data"]["accounts"].as_array().unwrap().clone();
    let bank = accounts.iter().find(|row| row["account"] == "bank").unwrap_or_else(|| panic!("{told}"));
    bank["balance_minor"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_month_refuses_no_fact_and_keeps_what_is_late_elsewhere() {
    let branch = Branch::own(&[]).await.unwrap();
    let (merchant, stranger) = (branch.merchant().await.unwrap(), branch.merchant().await.unwrap());
    remitted(&branch, 10_000, "2026-01-15T12:00:00Z").await;
    let closed_at = close(&branch, "2026-01").await;
    assert_eq!(close(&branch, "2026-01").await, closed_at, "it is closed once");
    let this_month = chrono::Utc::now().format("%Y-%m").to_string();
    let early = json!({ "month": this_month, "livemode": false });
    assert_eq!(ask(&branch, &branch.operator, "/api/v1/periods", &early).await.verdict(), "422 month_not_over");

    // Neither the bank nor a channel is told that it comes too late.
    let late = remitted(&branch, 300, "2026-01-20T12:00:00Z").await;
    remitted(&branch, 5, "2026-02-03T12:00:00Z").await;
    let payment_no = captured_late(&branch, &merchant, "2026-01-31T23:59:59Z").await;
    assert_eq!(bank(&branch, "2026-01-31T23:59:59Z").await, 10_000);
    assert_eq!(bank(&branch, "2026-02-01T00:00:00Z").await, 10_300);
    assert_eq!(bank(&branch, "2026-02-28T00:00:00Z").await, 10_305);

    let listed = rows(&get(&branch, &branch.operator, "/api/v1/ledger/late?month=2026-01").await);
    let positions: Vec<i64> = listed.iter().map(|row| row["position"].as_i64().unwrap()).collect();
    assert_eq!(positions.first(), Some(&late));
    assert_eq!(listed.len(), 2 + 3, "two lines of the bank's, three of the payment's: {listed:?}");
    for row in &listed {
        assert!(row["occurred_at"].as_str().unwrap().starts_with("2026-01-"), "{row}");
        assert!(row["effective_at"].as_str().unwrap().starts_with("2026-02-01T00:00:00"), "{row}");
    }
    assert_eq!(rows(&get(&branch, &branch.operator, "/api/v1/ledger/late?month=2026-02").await), Vec::<Value>::new());
    assert_eq!(rows(&get(&branch, &branch.operator, "/api/v1/ledger/late").await), listed);
    // The other mode has months of its own.
    assert_eq!(rows(&get(&branch, &branch.operator, "/api/v1/ledger/late?livemode=true").await), Vec::<Value>::new());
    // Whose is late, is told to them alone.
    let own = rows(&get(&branch, &merchant.test, "/api/v1/ledger/late").await);
    assert!(!own.is_empty() && own.iter().all(|row| row["of"] == *payment_no), "{own:?}");
    assert_eq!(rows(&get(&branch, &stranger.test, "/api/v1/ledger/late").await), Vec::<Value>::new());
    let (text, code) = run(&branch, &["export", "hledger"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("=2026-02-01 * ") && text.contains(", occurred:2026-01-20"), "{text}");
    // Made anew from the log it is the same, or it would not be shown.
    let (said, code) = run(&branch, &["projection", "rebuild", "ledger"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(rows(&get(&branch, &branch.operator, "/api/v1/ledger/late?month=2026-01").await), listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_adjusts_a_closed_month_until_two_people_open_it() {
    let branch = Branch::own(&[]).await.unwrap();
    let (one, other) = (branch.operator.clone(), branch.staff("operator").unwrap());
    let approve = |no: &str| format!("/api/v1/adjustments/{no}/approve");
    let between = adjustment("2026-02-12T00:00:00Z");
    let between = ask(&branch, &one, "/api/v1/adjustments", &between).await.data("adjustment_no");
    close(&branch, "2026-02").await;
    assert_eq!(propose(&branch, &one, "2026-01-10T00:00:00Z").await.verdict(), "409 period_closed");
    assert_eq!(propose(&branch, &one, "2026-02-28T23:59:59.999999Z").await.verdict(), "409 period_closed");
    let dry = Request::post("/api/v1/adjustments?dry_run=true", &adjustment("2026-02-10T00:00:00Z")).by(&one);
    assert_eq!(branch.client().send(&dry).await.unwrap().verdict(), "409 period_closed");
    assert_eq!(ask(&branch, &other, &approve(&between), &json!({})).await.verdict(), "409 period_closed");
    let open = propose(&branch, &one, "2026-03-01T00:00:00Z").await.data("adjustment_no");
    assert_eq!(ask(&branch, &other, &approve(&open), &json!({})).await.status, 200);
    let later = propose(&branch, &one, "9000-01-01T00:00:00Z").await.data("adjustment_no");
    assert_eq!(ask(&branch, &other, &approve(&later), &json!({})).await.verdict(), "409 effective_later");

    let why = json!({ "livemode": false, "reason": "a whole day was missing" });
    let mode = json!({ "livemode": false });
    let (reopen, second) = ("/api/v1/periods/2026-02/reopen", "/api/v1/periods/2026-02/reopen/approve");
    assert_eq!(ask(&branch, &other, second, &mode).await.verdict(), "409 reopening_not_proposed");
    let january = "/api/v1/periods/2026-01/reopen";
    assert_eq!(ask(&branch, &one, january, &why).await.verdict(), "409 later_month_closed");
    assert_eq!(ask(&branch, &one, "/api/v1/periods/2026-04/reopen", &why).await.verdict(), "409 month_not_closed");
    assert_eq!(ask(&branch, &one, "/api/v1/periods/x/reopen", &why).await.verdict(), "409 month_not_closed");
    assert_eq!(ask(&branch, &one, reopen, &why).await.data("reopening"), "2026-02");
    assert_eq!(ask(&branch, &one, second, &mode).await.verdict(), "403 second_person_needed");
    assert_eq!(ask(&branch, &other, &approve(&between), &json!({})).await.verdict(), "409 period_closed");
    assert_eq!(ask(&branch, &other, second, &mode).await.data("closed_through"), "2026-01");
    assert_eq!(ask(&branch, &other, &approve(&between), &json!({})).await.status, 200);
    assert_eq!(propose(&branch, &one, "2026-01-10T00:00:00Z").await.verdict(), "409 period_closed");
    // By hand as over HTTP.
    let (said, code) = run(&branch, &["period", "close", "--month", "2026-02", "--livemode", "false"]);
    assert_eq!((code, said.contains("\"closed_through\": \"2026-02\"")), (0, true), "{said}");

    let history = rows(&get(&branch, &one, "/api/v1/periods").await);
    let told: Vec<(&str, &str, &str)> = history
        .iter()
        .map(|row| ["what", "month", "closed_through"].map(|name| row[name].as_str().unwrap()).into())
        .collect();
    let expected =
        [("closed", "2026-02", "2026-02"), ("reopened", "2026-02", "2026-01"), ("closed", "2026-02", "2026-02")];
    assert_eq!(told, expected);
    let journal = rows(&get(&branch, &one, "/api/v1/ledger/journal?livemode=false").await);
    let adjusted = journal.iter().filter(|row| row["of"] == *between).map(|row| row["effective_at"].as_str().unwrap());
    assert!(adjusted.clone().count() == 2 && adjusted.clone().all(|at| at.starts_with("2026-02-12T")), "{journal:?}");
}

async fn propose(branch: &Branch, caller: &Caller, effective_at: &str) -> Answer {
    ask(branch, caller, "/api/v1/adjustments", &adjustment(effective_at)).await
}

/// By account: what the month comes to, of the lines that `is_in` says are in it.
fn sums(journal: &[Value], is_in: impl Fn(&Value) -> bool) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for row in journal.iter().filter(|row| is_in(row)) {
        *sums.entry(row["account"].as_str().unwrap().to_owned()).or_insert(0) += row["amount_minor"].as_i64().unwrap();
    }
    sums
}

fn by_account(rows: &[Value], name: &str) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        *sums.entry(row["account"].as_str().unwrap().to_owned()).or_insert(0) += row[name].as_i64().unwrap();
    }
    sums.retain(|_account, sum| *sum != 0);
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_restated_and_every_difference_has_its_cause() {
    let branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    close(&branch, "2025-12").await;
    let carried_in = remitted(&branch, 40, "2025-12-30T12:00:00Z").await;
    let first = remitted(&branch, 10_000, "2026-01-15T12:00:00Z").await;
    let second = remitted(&branch, 2_000, "2026-01-16T12:00:00Z").await;
    let closed_at = close(&branch, "2026-01").await;
    let late = remitted(&branch, 300, "2026-01-20T12:00:00Z").await;
    remitted(&branch, 5, "2026-02-03T12:00:00Z").await;
    captured_late(&branch, &merchant, "2026-01-31T23:59:59Z").await;

    let at = "/api/v1/periods/2026-01/restatement";
    let causes = |rows: &[Value]| -> Vec<(i64, String)> {
        let cause = |row: &Value| (row["position"].as_i64().unwrap(), row["cause"].as_str().unwrap().to_owned());
        let mut causes: Vec<(i64, String)> = rows.iter().map(cause).collect();
        causes.dedup();
        causes
    };
    let journal = rows(&get(&branch, &branch.operator, "/api/v1/ledger/journal?livemode=false").await);
    let within = |row: &Value, axis: &str| row[axis].as_str().unwrap().starts_with("2026-01-");
    // As it was reported when it was closed; and as it had been when half of it was there.
    for (asked, reported_at) in [("", closed_at), (&*format!("&reported_at_position={first}"), first)] {
        let restated = get(&branch, &branch.operator, &format!("{at}?livemode=false{asked}")).await;
        assert_eq!(restated.json()["meta"]["reported_at_position"], reported_at, "{restated:?}");
        let restated = rows(&restated);
        let reported =
            sums(&journal, |row| within(row, "effective_at") && row["position"].as_i64().unwrap() <= reported_at);
        assert_eq!(by_account(&restated, "reported_minor"), reported);
        assert_eq!(by_account(&restated, "known_minor"), sums(&journal, |row| within(row, "occurred_at")));
        let differences = get(&branch, &branch.operator, &format!("{at}/differences?livemode=false{asked}")).await;
        let differences = rows(&differences);
        assert_eq!(by_account(&differences, "difference_minor"), by_account(&restated, "difference_minor"));
        let mut expected = vec![(carried_in, "carried_in"), (late, "late")];
        if reported_at == first {
            expected.insert(1, (second, "recorded_later"));
        }
        let told = causes(&differences);
        let expected: Vec<(i64, String)> = expected.into_iter().map(|(at, cause)| (at, cause.to_owned())).collect();
        assert_eq!(told[..expected.len()], expected);
        assert_eq!(told.len(), expected.len() + 1, "and the payment, which is late: {told:?}");
    }
    // Known as of then, it is as it was reported.
    let then = rows(&get(&branch, &branch.operator, &format!("{at}?livemode=false&at_position={closed_at}")).await);
    assert_eq!(
        by_account(&then, "difference_minor"),
        BTreeMap::from([("bank".to_owned(), -40), ("channel:stripe:receivable".to_owned(), 40)])
    );
    // A merchant sees what it is to them, and of the house nothing.
    let own = rows(&get(&branch, &merchant.test, at).await);
    assert!(
        !own.is_empty() && own.iter().all(|row| row["account"].as_str().unwrap().contains(&merchant.id)),
        "{own:?}"
    );
    for (wrong, verdict) in [
        ("/api/v1/periods/2026-13/restatement", "400 month_malformed"),
        ("/api/v1/periods/2026-01/restatement?reported_at_position=99999999", "400 parameter_malformed"),
        ("/api/v1/periods/2026-01/restatement?reported_at_position=x", "400 parameter_malformed"),
    ] {
        assert_eq!(get(&branch, &branch.operator, wrong).await.verdict(), verdict, "{wrong}");
    }
    let (said, code) =
        run(&branch, &["period", "restatement", "2026-01", "--livemode", "false", "--differences", "--format", "csv"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(",carried_in,") && said.contains(",late,"), "{said}");
    assert!(said.lines().next().unwrap().contains("difference_minor,cause,occurred_at"), "{said}");
}
