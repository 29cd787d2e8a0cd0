//! What a channel pays for a day: the books close, and what no report told of is found.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use chrono::Utc;
use serde_json::json;
use system_tests::branch::Branch;
use system_tests::client::{Client, Request};
use system_tests::times::times;

use super::{Outside, balance, merchant, pay, said, until_all, until_sql};

const SOON: Duration = Duration::from_secs(120);
/// What somebody took at the channel that we never asked for.
const STRANGE_MINOR: i64 = 777;

async fn at_the_sandbox(outside: &Outside, request: Request) {
    let mut client = Client::new(outside.url.strip_prefix("http://").unwrap().parse().unwrap());
    let answer = client.send(&request).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
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
    let strange = json!({ "payment_id": "PAY00000000000000000000000000000001", "attempt": 1, "amount_minor": STRANGE_MINOR,
                          "currency": "USD", "capture_id": "CAP00000000000000000000000000000001" });
    at_the_sandbox(&outside, Request::post("/stripe/payments", &strange).keyed("strange")).await;
    // It has succeeded there by now, and nobody here knows.
    let truth = i64::try_from(payments).unwrap() * 10_000 + STRANGE_MINOR;
    let begun = tokio::time::Instant::now();
    while outside.books.listing().totals.iter().map(|of| of.captured_minor).sum::<i64>() < truth {
        assert!(begun.elapsed() < SOON, "{:?}", outside.books.listing().totals);
        tokio::task::yield_now().await;
    }
    let late = "select count(*) from log.events where event_type = 'suspense_returned'";
    until_sql(&branch, late, 0, SOON).await;

    let today = Utc::now().date_naive().to_string();
    let fetch = ["remittance", "fetch", "--channel", "stripe", "--date", &today];
    let told = said(&branch, &fetch);
    assert!(told.contains("the day has not ended there"), "{told}");
    at_the_sandbox(&outside, Request::post("/stripe/remittances", &json!({ "date": today }))).await;
    let told = said(&branch, &fetch);
    assert!(told.contains(&format!("{} lines, 2 of them none of ours", payments + 1)), "{told}");
    assert!(told.contains("it is not captured in our books"), "{told}");

    // The channel was asked after it, and what nobody expected goes back.
    until_sql(&branch, late, 1, SOON).await;
    let open = "select count(*) from work.unmatched_lines where matched_at is null";
    until_sql(&branch, open, 1, SOON).await;
    let told = said(&branch, &fetch);
    assert!(told.contains("1 of them none of ours") && told.contains("; ours since "), "{told}");
    assert!(told.contains(&format!("captured {STRANGE_MINOR} ")), "{told}");
    assert!(told.contains("there is no such payment through this channel"), "{told}");
    let listed = said(&branch, &["remittance", "list"]);
    assert!(told.lines().all(|line| listed.lines().any(|listed| listed == line)), "{listed}");

    // Recorded once, and the chart closes but for what is none of ours: nobody guessed whose it is.
    let recorded = "select count(*) from log.events where aggregate_type = 'remittance'";
    until_sql(&branch, recorded, 1, SOON).await;
    let listing = outside.books.listing();
    let refunded: i64 = listing.totals.iter().map(|totals| totals.refunded_minor).sum();
    let fees: i64 = listing.totals.iter().map(|totals| totals.fees_minor).sum();
    until_books(&branch).await;
    assert_eq!(balance(&branch, "bank").await, truth - fees, "what came to the bank");
    assert_eq!(balance(&branch, "channel:stripe:fees").await, fees);
    let open = truth - STRANGE_MINOR - refunded - truth;
    assert_eq!(balance(&branch, "channel:stripe:receivable").await, open, "what the channel still owes us");
    assert_eq!(balance(&branch, "suspense").await, 0);
}

async fn until_books(branch: &Branch) {
    let behind = "select (select max(position) from log.events) - position from log.followers where name = 'ledger'";
    until_sql(branch, behind, 0, SOON).await;
}
