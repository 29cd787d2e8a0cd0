//! The sheets of the ledger: page by page or whole, in every format, and for hledger.

use std::collections::BTreeMap;

use serde_json::Value;
use system_tests::branch::fresh;
use system_tests::client::{Answer, Caller, Client, Request};

use super::formats::of_parquet;
use super::{caught_up, get, guest, head, rows};
use crate::http::captured::captured;
use crate::projections::exported::checked;

const GENERAL: &str = "/api/v1/ledger/general";

async fn whole(client: &mut Client, caller: &Caller, path: &str, accept: &str) -> Answer {
    let answer = client.send(&Request::get(path).with("accept", accept).by(caller)).await.unwrap();
    assert_eq!(answer.status, 200, "{path} {accept}: {answer:?}");
    answer
}

fn ndjson(answer: &Answer) -> Vec<Value> {
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn account(line: &Value) -> (String, String) {
    (line["account"].as_str().unwrap().to_owned(), line["currency"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sheet_is_the_same_page_by_page_and_whole_in_every_format() {
    let (branch, merchant, mut client) = guest().await;
    for _payment in 0..3 {
        captured(branch, &merchant, &fresh("sheet")).await;
    }
    let position = head(branch).await;
    caught_up(branch, &mut client, &["/api/v1/ledger/balances"]).await;
    let now = &chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    for as_of in [format!("at_position={position}"), format!("at_position={position}&effective_at={now}")] {
        for sheet in ["general", "journal", &format!("accounts/merchant:{}:pending/lines", merchant.id)] {
            let path = format!("/api/v1/ledger/{sheet}?{as_of}");
            let (mut by_page, mut after) = (Vec::new(), String::new());
            loop {
                let page = get(&mut client, &merchant.test, &format!("{path}&limit=2{after}")).await;
                by_page.extend(rows(&page));
                let Some(next) = page.json()["meta"]["next"].as_str().map(str::to_owned) else { break };
                after = format!("&after={next}");
            }
            assert!(by_page.len() >= 3, "{path}: {by_page:?}");
            let lines = whole(&mut client, &merchant.test, &path, "application/x-ndjson").await;
            assert_eq!(ndjson(&lines), by_page, "{path}");
            let file = whole(&mut client, &merchant.test, &path, "application/vnd.apache.parquet").await;
            assert_eq!(of_parquet(file.bytes), by_page, "{path}");
            let csv = whole(&mut client, &merchant.test, &path, "text/csv").await;
            assert_eq!(csv.body.lines().count(), by_page.len() + 1, "{path}");
            let first = get(&mut client, &merchant.test, &format!("{path}&limit=2")).await;
            let some = format!("{path}&limit=2");
            let some = whole(&mut client, &merchant.test, &some, "application/x-ndjson").await;
            assert_eq!(ndjson(&some), rows(&first), "{path}");
        }
        // What an account ends at is what the trial balance says of it, and its lines are the account's own.
        let general = whole(&mut client, &merchant.test, &format!("{GENERAL}?{as_of}"), "application/x-ndjson").await;
        let general = ndjson(&general);
        let last: BTreeMap<_, _> = general.iter().map(|line| (account(line), line["balance_minor"].clone())).collect();
        let balances = format!("/api/v1/ledger/balances?{as_of}");
        let balances = whole(&mut client, &merchant.test, &balances, "application/x-ndjson").await;
        let told: BTreeMap<_, _> =
            ndjson(&balances).iter().map(|row| (account(row), row["balance_minor"].clone())).collect();
        assert_eq!(last, told);
        for ((name, currency), _balance) in told {
            let path = format!("/api/v1/ledger/accounts/{name}/lines?currency={currency}&{as_of}");
            let lines = ndjson(&whole(&mut client, &merchant.test, &path, "application/x-ndjson").await);
            let of_general = general.iter().filter(|line| account(line) == (name.clone(), currency.clone()));
            let of_general: Vec<Value> = of_general.cloned().collect();
            let without_account = |mut line: Value| {
                line.as_object_mut().unwrap().remove("account");
                line
            };
            assert_eq!(lines, of_general.into_iter().map(without_account).collect::<Vec<_>>(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_sheet_takes_what_it_knows_and_ignores_nothing() {
    let (_branch, merchant, mut client) = guest().await;
    for (sheet, more) in
        [("balances", "limit=1"), ("balances", "after=1-1"), ("general", "currency=USD"), ("journal", "currency=USD")]
    {
        let path = format!("/api/v1/ledger/{sheet}?{more}");
        assert_eq!(get(&mut client, &merchant.test, &path).await.verdict(), "400 parameter_unknown", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_has_the_whole_journal_for_hledger() {
    let (branch, merchant, mut client) = guest().await;
    let payment_no = captured(branch, &merchant, &fresh("hledger")).await;
    caught_up(branch, &mut client, &["/api/v1/ledger/balances"]).await;
    let position = head(branch).await;
    let auditor = branch.staff("auditor").unwrap();
    let path = format!("/api/v1/ledger/hledger?at_position={position}&min_position={position}");
    let journal = whole(&mut client, &auditor, &path, "text/plain").await;
    assert_eq!(journal.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(journal.body.contains(&format!("payment:{payment_no}")), "the payment is not in it");
    let (is_sound, words) = checked(&journal.body);
    assert!(is_sound, "{words}");
    for caller in [&merchant.test, &branch.staff("analyst").unwrap(), &branch.staff("support").unwrap()] {
        let refused = get(&mut client, caller, &path).await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
}
