//! Traces: a collector is sent what a payment went through, if there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use channels::sandbox::FaultPlan;
use rdkafka::message::Headers as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::broker::Broker;
use system_tests::client::{Answer, Client, Request};
use system_tests::database::in_database;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::until;
use crate::reactions::Outside;

/// OTLP over HTTP in its JSON form: what was sent, span by span.
#[derive(Clone, Default)]
pub(super) struct Collector(Arc<Mutex<Vec<Value>>>);

impl Collector {
    pub(super) async fn open() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Arc::clone(&collector.0);
        let take = move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/json");
            let told: Value = serde_json::from_slice(&body).unwrap();
            let of = |value: &Value, name: &str| value[name].as_array().unwrap().clone();
            for resource in of(&told, "resourceSpans") {
                let service = json!({ "key": "service.name", "value": { "stringValue": "daybook" } });
                assert!(of(&resource["resource"], "attributes").contains(&service), "{resource}");
                for scope in of(&resource, "scopeSpans") {
                    kept.lock().unwrap().extend(of(&scope, "spans"));
                }
            }
            std::future::ready("{}")
        };
        let router = axum::Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (collector, url)
    }

    /// The spans of a trace, by name.
    pub(super) fn of(&self, trace_id: &str) -> BTreeMap<String, Value> {
        let spans = self.0.lock().unwrap();
        let of_trace = spans.iter().filter(|span| span["traceId"] == trace_id);
        of_trace.map(|span| (span["name"].as_str().unwrap().to_owned(), span.clone())).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Every trace of which there is a span.
    fn traces(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().iter().map(|span| span["traceId"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(&*self.0.lock().unwrap()).unwrap()
    }
}

fn attribute(span: &Value, name: &str) -> Option<String> {
    let found = span["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == name)?;
    let value = &found["value"];
    value["stringValue"].as_str().or(value["intValue"].as_str()).map(str::to_owned)
}

async fn pay(client: &mut Client, merchant: &Merchant, order_no: &str, traceparent: Option<String>) -> Answer {
    let body = json!({ "order_no": order_no, "amount": 12_345, "currency": "USD", "channel": "stripe",
                       "customer_email": "canary.traced@example.com" });
    let asked = Request::post("/api/v1/payments", &body).keyed(order_no).by(&merchant.test);
    let asked = traceparent.into_iter().fold(asked, |asked, parent| asked.with("traceparent", parent));
    let answer = client.send(&asked).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Whose payment, and how much; and when: nothing before it was asked for.
fn they_say_what_it_is_about(spans: &BTreeMap<String, Value>, merchant_id: &str, payment_no: &str, order_no: &str) {
    let span = |name: &str| &spans[name];
    assert_eq!(attribute(span("POST /api/v1/payments"), "merchant_id"), Some(merchant_id.to_owned()));
    for name in ["RiskCheck", "CreateOrder", "ChannelPayment"] {
        for (attribute_name, value) in
            [("merchant_id", merchant_id), ("payment_no", payment_no), ("amount", "12345"), ("currency", "USD")]
        {
            assert_eq!(attribute(span(name), attribute_name).as_deref(), Some(value), "{name}: {attribute_name}");
        }
    }
    assert_eq!(attribute(span("CreateOrder"), "order_no"), Some(order_no.to_owned()));
    assert_eq!(attribute(span("RiskCheck"), "risk.decision").as_deref(), Some("approve"));
    assert!(attribute(span("RiskCheck"), "risk.score").is_some());
    let nanos = |name: &str, end: &str| span(name)[end].as_str().unwrap().parse::<u128>().unwrap();
    for name in spans.keys() {
        assert!(nanos(name, "startTimeUnixNano") <= nanos(name, "endTimeUnixNano"), "{name}");
        assert!(nanos("POST /api/v1/payments", "startTimeUnixNano") <= nanos(name, "startTimeUnixNano"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_sent_the_tree_of_a_payment_from_its_request_to_the_call_of_its_channel() {
    let (collector, url) = Collector::open().await;
    let outside = Outside::new(FaultPlan::default()).await;
    let mut environment = outside.environment().to_vec();
    let broker = Broker::mock(&[("traced", 1)]).unwrap();
    environment.extend([("JAEGER_ENDPOINT", url.as_str()), ("DAYBOOK_KAFKA_BROKERS", &broker.address)]);
    environment.extend([("DAYBOOK_KAFKA_TOPIC", "traced"), ("DAYBOOK_KAFKA_PARTITIONS", "1")]);
    // The mock has no settings to tell.
    environment.push(("DAYBOOK_KAFKA_TOPIC_MADE_ELSEWHERE", "true"));
    let branch = Branch::own(&environment).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let (trace, caller) = (Uuid::now_v7().simple().to_string(), "00f067aa0ba902b7");
    let order_no = fresh("traced");
    let answer = pay(&mut client, &merchant, &order_no, Some(format!("00-{trace}-{caller}-01"))).await;
    assert_eq!(answer.header("x-trace-id"), Some(trace.as_str()));
    let names = [
        "POST /api/v1/payments",
        "RiskCheck",
        "CreateOrder",
        "ChannelPayment",
        "ChannelPayment call",
        "project payments",
        "publish traced",
    ]
    .map(str::to_owned);
    let spans = until("the whole tree", Duration::from_secs(20), async || {
        Some(collector.of(&trace)).filter(|spans| names.iter().all(|name| spans.contains_key(name)))
    });
    let spans = spans.await;
    let span = |name: &str| &spans[name];
    let (root, id) = (span("POST /api/v1/payments"), |name: &str| span(name)["spanId"].as_str().unwrap().to_owned());
    assert_eq!(root["parentSpanId"], caller);
    let of_kind =
        [("POST /api/v1/payments", 2), ("ChannelPayment call", 3), ("publish traced", 4), ("project payments", 5)];
    for (name, kind) in of_kind {
        assert_eq!(span(name)["kind"], kind, "{name}");
    }
    for (child, parent) in [
        ("RiskCheck", "POST /api/v1/payments"),
        ("CreateOrder", "POST /api/v1/payments"),
        ("ChannelPayment", "POST /api/v1/payments"),
        ("project payments", "POST /api/v1/payments"),
        ("publish traced", "POST /api/v1/payments"),
        ("ChannelPayment call", "ChannelPayment"),
    ] {
        assert_eq!(span(child)["parentSpanId"], id(parent), "{child}");
    }
    // Where the log lies between, what follows is linked to what asked for it.
    for child in ["RiskCheck", "CreateOrder", "ChannelPayment", "project payments", "publish traced"] {
        assert_eq!(span(child)["links"][0]["spanId"], id("POST /api/v1/payments"), "{child}");
    }
    they_say_what_it_is_about(&spans, &merchant.id, &answer.data("payment_no"), &order_no);
    assert!(!collector.text().contains("canary.traced"), "a person stands in a trace");
    let followed = format!("00-{}-{}-01", root["traceId"].as_str().unwrap(), id("POST /api/v1/payments"));
    let store = branch.ledger.store().unwrap();
    let events = store.stream_events("payment", &answer.data("payment_no"), 0, 100).await.unwrap();
    assert!(events.len() > 3, "{events:?}");
    for event in &events {
        let headers = bus::headers(event, 0, &bus::key(event));
        let named = headers.iter().find(|header| header.key == "ce_traceparent").and_then(|header| header.value);
        assert_eq!(named, Some(followed.as_bytes()), "on Kafka {} names the span it followed from", event.event_type);
    }
    let page = super::page(&branch.server).await;
    assert!(page.sum("daybook_spans_exported_total", &[]) >= 5.0);
    assert_eq!(page.sum("daybook_spans_lost_total", &[]) + page.sum("daybook_spans_dropped_total", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_not_sent_unless_it_went_wrong() {
    let (collector, url) = Collector::open().await;
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("JAEGER_SAMPLING_RATE", "0")];
    let branch = Branch::own(&environment).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut client = branch.client();
    let unsampled = pay(&mut client, &merchant, &fresh("unsampled"), None).await;
    let (trace, parent) = (Uuid::now_v7().simple().to_string(), "00f067aa0ba902b7");
    pay(&mut client, &merchant, &fresh("refused"), Some(format!("00-{trace}-{parent}-00"))).await;
    // A caller's own decision goes before the rate.
    let sampled = Uuid::now_v7().simple().to_string();
    pay(&mut client, &merchant, &fresh("sampled"), Some(format!("00-{sampled}-{parent}-01"))).await;
    until("what the caller sampled", Duration::from_secs(10), async || {
        (!collector.of(&sampled).is_empty()).then_some(())
    })
    .await;
    assert_eq!(collector.traces(), BTreeSet::from([sampled]), "and nothing else");
    let before = unsampled.header("x-trace-id").unwrap().to_owned();
    assert!(collector.of(&before).is_empty());
    // Nobody may sign in any more: the log is away, and what is asked of it fails.
    let ledger = branch.ledger.superuser_url();
    let mut books = PgConnection::connect(&in_database(ledger, "postgres").unwrap()).await.unwrap();
    let name = ledger.split(['/', '?']).find(|part| part.starts_with("ledger_")).unwrap();
    sqlx::query(&format!("alter database {name} allow_connections false")).execute(&mut books).await.unwrap();
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    sqlx::query(end).bind(name).execute(&mut books).await.unwrap();
    let failed = until("a failure", Duration::from_secs(10), async || {
        let body = json!({ "order_no": fresh("failing"), "amount": 1, "currency": "USD", "channel": "stripe" });
        let asked = Request::post("/api/v1/payments", &body).keyed(fresh("failing")).by(&merchant.test);
        let answer = client.send(&asked).await.ok()?;
        (answer.status == 503).then(|| answer.header("x-trace-id").unwrap().to_owned())
    });
    let failed = failed.await;
    let kept = until("what failed", Duration::from_secs(10), async || collector.of(&failed).into_values().next());
    let kept = kept.await;
    assert_eq!(
        (kept["name"].as_str(), kept["status"]["code"].as_i64()),
        (Some("POST /api/v1/payments"), Some(2)),
        "{kept}"
    );
}
