//! Logs name requests and keep what was planted; so do traces, metrics and errors.

use std::time::Duration;

use serde_json::{Value, json};
use system_tests::branch::Branch;
use system_tests::client::{Caller, Request};

use super::traces::Collector;
use super::until;

/// People, cards and secrets, put wherever a caller can put something.
pub(crate) const PLANTED: [&str; 6] = [
    "canary.person@example.com",
    "4111111111111111",
    "5500 0000 0000 0004",
    "canary-secret-3f9c1b7d",
    "canary telephone +44 20 7946 0999",
    "canary-password-in-a-path",
];

/// Requests with all of it in every place there is; what they were answered.
pub(crate) async fn plant(branch: &Branch) -> String {
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let [person, card, spaced, secret, telephone, path] = PLANTED;
    let good = json!({ "order_no": "planted", "amount": 1_000, "currency": "USD", "channel": "stripe",
                       "customer_email": person, "description": telephone });
    let mut with_card = good.clone();
    with_card["subject"] = card.into();
    let mut spaced_card = good.clone();
    spaced_card["description"] = spaced.into();
    let mut wrong = good.clone();
    wrong["amount"] = person.into();
    let mut unknown = good.clone();
    unknown[secret] = telephone.into();
    let broken = format!("{{\"order_no\": \"{card}\", {secret}");
    let post = |body: &Value| Request::post("/api/v1/payments", body);
    let requests = [
        post(&good).keyed("planted").by(&merchant.test),
        post(&good).keyed("planted").by(&merchant.test).with("traceparent", secret),
        post(&with_card).keyed("card").by(&merchant.test),
        post(&spaced_card).keyed("spaced").by(&merchant.test),
        post(&wrong).keyed("wrong").by(&merchant.test),
        post(&unknown).keyed("unknown").by(&merchant.test),
        Request::post_bytes("/api/v1/payments", broken).keyed("broken").by(&merchant.test),
        post(&good).keyed("stranger").with("x-api-key", secret).with("x-signature", secret),
        post(&good).keyed("stranger").with("authorization", format!("Bearer {secret}")),
        Request::get(format!("/api/v1/{path}?{secret}={card}")),
        Request::get(format!("/api/v1/payments?customer_email={person}&{secret}=1")).by(&merchant.test),
        Request::post_bytes("/api/v1/webhooks/stripe", format!("{{\"card\":\"{card}\",\"of\":\"{person}\"}}")),
    ];
    let mut told = String::new();
    for request in requests {
        let answer = client.send(&request).await.unwrap();
        assert!(answer.status < 500, "{answer:?}");
        // Where the path was asked for, and what field is unknown, may be said to whoever sent it.
        let own = answer.json();
        let said = ["title", "detail", "error", "code", "errors"].map(|name| own[name].to_string());
        told.push_str(&said.concat().replace(secret, ""));
    }
    told
}

// covers G16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_lines_of_json_that_name_requests_and_keep_what_was_planted() {
    let (collector, url) = Collector::open().await;
    let environment = [("RUST_LOG", "debug,sqlx=warn,hyper=warn,h2=warn"), ("JAEGER_ENDPOINT", url.as_str())];
    let branch = Branch::own(&environment).await.unwrap();
    let told = plant(&branch).await;
    // The last span is behind all others.
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let last = Request::get("/api/v1/payments").with("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    branch.client().send(&last).await.unwrap();
    until("the last span", Duration::from_secs(10), async || (!collector.of(trace).is_empty()).then_some(())).await;
    let traced = collector.text();
    assert!(collector.count() > 10 && traced.contains("/api/v1/webhooks/{channel}"), "{traced}");
    let log = branch.server.log().unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}")))
        .collect();
    let answered = lines.iter().filter(|line| line["message"] == "a request was answered");
    let whole = answered.filter(|line| {
        let named = |name: &str| line[name].as_str().is_some_and(|text| !text.is_empty());
        ["request_id", "trace_id", "merchant_id", "method", "route"].iter().all(|name| named(name))
            && line["status"].is_number()
    });
    assert!(whole.count() >= 2, "requests of merchants are named: {log}");
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
    let mut client = branch.client();
    let mut open = String::new();
    for path in ["/metrics", "/readyz?verbose", "/openapi.json"] {
        open.push_str(&client.send(&Request::get(path)).await.unwrap().body);
    }
    let Caller::Token(token) = &branch.operator else { panic!("an operator has a token") };
    let of_server = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    for planted in PLANTED.into_iter().chain([token.as_str(), of_server, "postgresql://", "postgres://"]) {
        for (place, text) in [("the log", &log), ("an open page", &open), ("an error", &told), ("a trace", &traced)] {
            assert!(!text.contains(planted), "{planted} stands in {place}");
        }
    }
    assert!(log.contains("payments"), "the search is not blind");
}

// covers G16
#[tokio::test]
async fn no_core_of_a_server_is_kept() {
    let branch = Branch::of_all().await.unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", branch.server.pid())).unwrap();
    let cores = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
}
