//! What a channel pays for a day: the books close, and what no report told of is found.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use chrono::Utc;
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::client::{Client, Request};
use system_tests::times::times;

use super::holding::{all_holds, broken};
use super::{Outside, merchant, pay, said, until_all, until_sql};

const SOON: Duration = Duration::from_secs(120);
/// What somebody took at the channel that we never asked for.
const STRANGE_MINOR: i64 = 777;

async fn at_the_sandbox(outside: &Outside, request: Request) {
    let mut client = Client::new(outside.url.strip_prefix("http://").unwrap().parse().unwrap());
    let answer = client.send(&request).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn until_captured(outside: &Outside, minor: i64) {
    let begun = tokio::time::Instant::now();
    while outside.books.listing().totals.iter().map(|of| of.captured_minor).sum::<i64>() < minor {
        assert!(begun.elapsed() < SOON, "{:?}", outside.books.listing().totals);
        tokio::task::yield_now().await;
    }
}

async fn close(outside: &Outside, date: &str) {
    at_the_sandbox(outside, Request::post("/stripe/remittances", &json!({ "date": date }))).await;
}

/// Nothing is ever reported. One payment of many was declined, and succeeded afterwards: only the remittance tells.
// covers D20, I20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_report_told_of_is_listed_asked_after_and_the_books_are_the_channels() {
    let payments = times("DAYBOOK_REMITTED_PAYMENTS", 40);
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut wanted = Vec::new();
    for number in 0..payments {
        let (token, ends) = if number == 0 { ("late_success", "failed") } else { ("visa", "success") };
        wanted.push((pay(&mut client, &merchant.test, &format!("pm_sandbox_{token}"), json!({})).await, ends));
    }
    until_all(&mut client, &merchant.test, &wanted, SOON).await;
    // It has succeeded there by now, and nobody here knows.
    let truth = i64::try_from(payments).unwrap() * 10_000;
    until_captured(&outside, truth).await;
    let late = "select count(*) from log.events where event_type = 'suspense_returned'";
    until_sql(&branch, late, 0, SOON).await;

    let today = Utc::now().date_naive().to_string();
    let fetch = ["remittance", "fetch", "--channel", "stripe", "--date", &today];
    let told = said(&branch, &fetch);
    assert!(told.contains("the day has not ended there"), "{told}");
    close(&outside, &today).await;
    let told = said(&branch, &fetch);
    assert!(told.contains(&format!("{payments} lines, 1 of them none of ours")), "{told}");
    assert!(told.contains("it is not captured in our books"), "{told}");

    // The channel was asked after it, and what nobody expected goes back.
    until_sql(&branch, late, 1, SOON).await;
    let told = said(&branch, &fetch);
    assert!(told.contains("0 of them none of ours") && told.contains("; ours since "), "{told}");
    let listed = said(&branch, &["remittance", "list"]);
    assert!(told.lines().all(|line| listed.lines().any(|listed| listed == line)), "{listed}");

    // Recorded once, and the chart closes.
    until_sql(&branch, "select count(*) from log.events where aggregate_type = 'remittance'", 1, SOON).await;
    let listing = outside.books.listing();
    let refunded: i64 = listing.totals.iter().map(|totals| totals.refunded_minor).sum();
    let fees: i64 = listing.totals.iter().map(|totals| totals.fees_minor).sum();
    all_holds(&branch, Some(&outside)).await;
    assert_eq!(balance(&branch, "bank").await, truth - fees, "what came to the bank");
    assert_eq!(balance(&branch, "channel:stripe:fees").await, fees);
    assert_eq!(balance(&branch, "channel:stripe:receivable").await, -refunded, "what the channel still owes us");
    assert_eq!((refunded, balance(&branch, "suspense").await), (10_000, 0));
}

/// Somebody took money at the channel under no name of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_none_of_ours_is_shown_and_never_guessed() {
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::own(&outside.environment()).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let paid = pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await;
    until_all(&mut client, &merchant.test, &[(paid, "success")], SOON).await;
    all_holds(&branch, Some(&outside)).await;
    let strange = json!({ "payment_id": "PAY00000000000000000000000000000001", "attempt": 1, "amount_minor": STRANGE_MINOR,
                          "currency": "USD", "capture_id": "CAP00000000000000000000000000000001" });
    at_the_sandbox(&outside, Request::post("/stripe/payments", &strange).keyed("strange")).await;
    let today = Utc::now().date_naive().to_string();
    close(&outside, &today).await;
    for _ in 0..2 {
        let told = said(&branch, &["remittance", "fetch", "--channel", "stripe", "--date", &today]);
        assert!(told.contains("recorded: 2 lines, 1 of them none of ours"), "{told}");
        let line =
            format!("line 2: captured {STRANGE_MINOR} (fee 11) USD minor units, PAY00000000000000000000000000000001");
        assert!(told.contains(&line), "{told}");
        assert!(told.contains("there is no such payment through this channel"), "{told}");
    }
    // What came to the bank is there, and by what is nobody's the channel has paid more than it owed: that is seen, once.
    until_sql(&branch, "select count(*) from log.events where aggregate_type = 'remittance'", 1, SOON).await;
    let mut books = branch.ledger.superuser().await.unwrap();
    let begun = tokio::time::Instant::now();
    loop {
        let broken = broken(&mut books, &outside.books.listing()).await;
        if broken.len() == 2 && broken.iter().all(|what| what.starts_with("I20")) {
            break;
        }
        assert!(begun.elapsed() < SOON, "{broken:#?}");
        tokio::task::yield_now().await;
    }
    assert_eq!(balance(&branch, "channel:stripe:receivable").await, -STRANGE_MINOR);
    assert_eq!(balance(&branch, "suspense").await, 0, "nobody guessed whose it is");
}

/// The balance of an account, over all currencies.
async fn balance(branch: &Branch, account: &str) -> i64 {
    let mut books = branch.ledger.superuser().await.unwrap();
    let sum = "select coalesce(sum(balance_minor), 0)::bigint from read.accounts where account = $1";
    sqlx::query_scalar(sum).bind(account).fetch_one(&mut books).await.unwrap()
}
