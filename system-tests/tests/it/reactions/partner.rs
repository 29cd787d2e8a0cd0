//! A partner that is away, or wants us to wait for a year; and whose trace it is told.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use serde_json::json;
use system_tests::branch::{Branch, fresh};
use system_tests::client::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::holding::all_holds;
use super::{Outside, PAYMENTS, asking, merchant, metric, pay, post, said, until_all, until_sql};

const SOON: Duration = Duration::from_secs(40);

/// A partner that says this to everybody; and what it hears.
async fn saying(answer: &'static str) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heard, hearing) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 8 * 1_024];
            if let Ok(length) = stream.read(&mut request).await {
                heard.send(String::from_utf8_lossy(&request[..length]).into_owned()).ok();
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    (url, hearing)
}

// covers D5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_wants_a_year_is_left_alone_for_six_hours() {
    let (url, mut heard) =
        saying("HTTP/1.1 429 Too Many Requests\r\nretry-after: 31536000\r\ncontent-length: 0\r\n\r\n").await;
    let branch = Branch::own(&asking(&url)).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    for _ in 0..3 {
        pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await;
    }
    let waiting = "select count(*) from work.due where process = 'take_payment' and taken_by is null \
                   and due_at between now() + interval '5 hours' and now() + interval '6 hours 1 minute'";
    until_sql(&branch, waiting, 3, SOON).await;
    let mut asked = 0;
    while heard.try_recv().is_ok() {
        asked += 1;
    }
    assert!((1..=3).contains(&asked), "asked {asked} times");
    assert!(metric(&branch, "payment_gateway_channel_paused_seconds").await > 5 * 3_600);
    let shown = "select count(*) from work.lines where paused_until > now() + interval '5 hours'";
    until_sql(&branch, shown, 1, SOON).await;
    let said = said(&branch, &["channel", "list"]);
    assert!(said.contains("asked us to wait until"), "{said}");
    // Whoever comes now waits as well, and the partner is not asked.
    pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await;
    until_sql(&branch, waiting, 4, SOON).await;
    assert!(heard.try_recv().is_err(), "asked all the same");
    all_holds(&branch, Some(&Outside::new(FaultPlan::default()).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_works_under_the_trace_of_whoever_asked() {
    let (url, mut heard) = saying("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n").await;
    let branch = Branch::own(&asking(&url)).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let order_no = fresh("traced");
    let body = json!({ "order_no": order_no, "amount": 500, "currency": "USD", "channel": "stripe" });
    let request = Request::post(PAYMENTS, &body).keyed(&order_no).by(&merchant.test);
    let request = request.with("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(client.send(&request).await.unwrap().status, 200);
    let asked = tokio::time::timeout(SOON, heard.recv()).await.unwrap().unwrap();
    let told = asked.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap_or_else(|| panic!("{asked}"));
    let parts: Vec<&str> = told.trim().split('-').collect();
    assert_eq!((parts.len(), parts[0], parts[1], parts[2].len(), parts[3]), (4, "00", trace, 16, "01"), "{told}");
    assert_ne!(parts[2], "00f067aa0ba902b7", "a span of its own");
    // What the process remembers stands under it too.
    let remembered = format!(
        "select count(*) from log.events where aggregate_type = 'saga' and event_type = 'started' \
         and metadata ->> 'trace_id' = '{trace}'"
    );
    until_sql(&branch, &remembered, 1, SOON).await;
    all_holds(&branch, Some(&Outside::new(FaultPlan::default()).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_is_away_is_left_alone_seen_to_be_and_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let branch = Branch::own(&asking(&url)).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let mut wanted = Vec::new();
    for _ in 0..25 {
        wanted.push((pay(&mut client, &merchant.test, "pm_sandbox_visa", json!({})).await, "success"));
    }
    until_sql(&branch, "select count(*) from work.lines where breaker = 'open' and failures >= 20", 1, SOON).await;
    let shown = said(&branch, &["channel", "list"]);
    let of_stripe = shown.lines().find(|line| line.starts_with("stripe   test")).unwrap_or_else(|| panic!("{shown}"));
    assert!(of_stripe.contains("sandbox") && of_stripe.contains("open"), "{shown}");
    let of_nobody = shown.lines().find(|line| line.starts_with("stripe   live")).unwrap_or_else(|| panic!("{shown}"));
    assert!(of_nobody.contains("no partner is configured"), "{shown}");
    assert!(metric(&branch, "payment_gateway_channel_failures_total").await >= 20);

    // One looks whether it is back, and then all go on.
    let outside = Outside::at(TcpListener::bind(address).await.unwrap(), FaultPlan::default(), None);
    until_all(&mut client, &merchant.test, &wanted, SOON).await;
    assert_eq!(metric(&branch, "payment_gateway_channel_breaker_state").await, 0);
    let held_back = "select coalesce(sum(breaker_open), 0)::bigint from work.lines";
    let mut books = branch.ledger.superuser().await.unwrap();
    let held_back: i64 = sqlx::query_scalar(held_back).fetch_one(&mut books).await.unwrap();
    assert!(held_back > 0, "nobody was held back");
    all_holds(&branch, Some(&outside)).await;
}

/// What a merchant and an operator see of a channel that nobody plays: at once, and in words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_money_without_a_partner_is_answered_in_words() {
    let branch = Branch::own(&super::REACTING).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    let body = json!({ "order_no": fresh("live"), "amount": 1_000, "currency": "USD", "channel": "stripe" });
    let payment = post(&mut client, &merchant.live, PAYMENTS, &fresh("live"), &body).await.data("payment_no");
    until_all(&mut client, &merchant.live, &[(payment.clone(), "failed")], SOON).await;
    let shown = client.send(&Request::get(format!("{PAYMENTS}/{payment}")).by(&merchant.live)).await.unwrap();
    assert_eq!(shown.data("decline"), "no_partner", "{}", shown.body);
    let said = said(&branch, &["channel", "list"]);
    assert!(said.contains("no partner is configured: payments fail at once, and say so"), "{said}");
    until_sql(&branch, super::DUE, 0, SOON).await;
    all_holds(&branch, None).await;
}
