//! Spans on their way to a collector: OTLP over HTTP, in its JSON form.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Uri, body::Bytes, header::CONTENT_TYPE};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use meters::Counter;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use traces::{Kind, Sampling, Span};

use crate::failure::{Failure, Result};

/// Spans that may wait.
const ROOM: usize = 8_192;
const AT_ONCE: usize = 512;
/// However few there are.
const EVERY: Duration = Duration::from_secs(1);
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// The last of them, when the process ends.
const FAREWELL: Duration = Duration::from_millis(900);
const ANSWER_MAX: usize = 64 * 1024;
const PATH: &str = "/v1/traces";

pub(crate) static EXPORTED: std::sync::LazyLock<Counter> = std::sync::LazyLock::new(Counter::default);
pub(crate) static LOST: std::sync::LazyLock<Counter> = std::sync::LazyLock::new(Counter::default);

#[derive(Args, Clone, Debug)]
pub(crate) struct Traced {
    /// Where spans are collected: OTLP over HTTP (`http://127.0.0.1:4318`); without it none are made
    #[arg(long, env = "JAEGER_ENDPOINT", value_name = "URL")]
    trace_endpoint: Option<String>,

    /// The same by its usual name; `JAEGER_ENDPOINT` goes before it
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,

    /// Of a hundred traces, how many are kept; what went wrong is kept all the same
    #[arg(long, env = "JAEGER_SAMPLING_RATE", default_value_t = 100, value_name = "PERCENT",
          value_parser = clap::value_parser!(u8).range(0..=100))]
    trace_sampling_rate: u8,
}

impl Traced {
    /// Where spans go.
    ///
    /// # Errors
    /// What is named is no place a collector can be.
    pub(crate) fn address(&self) -> Result<Option<Uri>> {
        let named = self.trace_endpoint.as_deref().or(self.otlp_endpoint.as_deref()).filter(|named| !named.is_empty());
        named.map(address).transpose()
    }

    /// Collects spans from now on, where somebody takes them, until told to stop.
    pub(crate) fn begin(&self, stop: watch::Receiver<bool>) -> Result<Option<JoinHandle<()>>> {
        let Some(address) = self.address()? else { return Ok(None) };
        let Some(spans) = traces::begin(Sampling::percent(self.trace_sampling_rate), ROOM) else { return Ok(None) };
        tracing::info!(%address, percent = self.trace_sampling_rate, "spans are sent to a collector");
        Ok(Some(tokio::spawn(export(address, spans, stop))))
    }
}

/// The host is what counts: whatever older collectors listened on below it, OTLP has one path.
fn address(named: &str) -> Result<Uri> {
    let bad = || Failure::Settings(format!("{named} is no address of a collector: it is http://HOST:PORT"));
    let uri: Uri = named.parse().map_err(|_not_one| bad())?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
    Uri::builder().scheme("http").authority(authority.clone()).path_and_query(PATH).build().map_err(|_not_one| bad())
}

async fn export(address: Uri, mut spans: mpsc::Receiver<Span>, mut stop: watch::Receiver<bool>) {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let (mut batch, mut ticks) = (Vec::with_capacity(AT_ONCE), tokio::time::interval(EVERY));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_told = false;
    loop {
        let is_stopping = tokio::select! {
            _stopping = stop.wait_for(|stop| *stop) => true,
            _tick = ticks.tick() => false,
            count = spans.recv_many(&mut batch, AT_ONCE), if batch.len() < AT_ONCE => {
                if count > 0 && batch.len() < AT_ONCE {
                    continue;
                }
                false
            }
        };
        if is_stopping {
            while let Ok(span) = spans.try_recv() {
                batch.push(span);
            }
            drop(timeout(FAREWELL, send(&client, &address, &mut batch)).await);
            return;
        }
        let is_taken = send(&client, &address, &mut batch).await;
        if !is_taken && !is_told {
            tracing::warn!(%address, "no collector takes the spans; they are dropped, and counted");
        }
        is_told = !is_taken;
    }
}

/// Empties the batch: what is not taken is dropped, for there is more to come.
async fn send(client: &Client<HttpConnector, Full<Bytes>>, address: &Uri, batch: &mut Vec<Span>) -> bool {
    if batch.is_empty() {
        return true;
    }
    let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
    let body = document(batch).to_string();
    batch.clear();
    let sending = async {
        let request =
            Request::post(address.clone()).header(CONTENT_TYPE, "application/json").body(Full::from(body)).ok()?;
        let answer = client.request(request).await.ok()?;
        let is_taken = answer.status().is_success();
        // Read to its end, so that the connection can be used again.
        Limited::new(answer.into_body(), ANSWER_MAX).collect().await.ok()?;
        is_taken.then_some(())
    };
    let is_taken = timeout(TAKEN_WITHIN, sending).await.is_ok_and(|taken| taken.is_some());
    let ended = if is_taken { &EXPORTED } else { &LOST };
    ended.add(count);
    is_taken
}

fn document(batch: &[Span]) -> Value {
    let ours = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource = [ours("service.name", "daybook"), ours("service.version", env!("CARGO_PKG_VERSION"))];
    let spans: Vec<Value> = batch.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "daybook" }, "spans": spans }],
    }] })
}

fn span(span: &Span) -> Value {
    let attributes = span.attributes.iter().map(|(key, value)| {
        let value = match value {
            traces::Value::Text(text) => json!({ "stringValue": text }),
            traces::Value::Whole(number) => json!({ "intValue": number.to_string() }),
        };
        json!({ "key": key, "value": value })
    });
    let kind = match span.kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    };
    let links = span.link.iter().map(|link| json!({ "traceId": link.trace_id, "spanId": link.span_id }));
    json!({
        "traceId": span.context.trace_id,
        "spanId": span.context.span_id,
        "parentSpanId": span.parent_id.as_deref().unwrap_or_default(),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.begun_at),
        "endTimeUnixNano": nanos(span.ended_at),
        "attributes": attributes.collect::<Vec<Value>>(),
        "links": links.collect::<Vec<Value>>(),
        "status": { "code": if span.is_error { 2 } else { 0 } },
    })
}

fn nanos(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_its_host() {
        for named in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces", "http://c:4318/api/traces"] {
            assert_eq!(address(named).unwrap().to_string(), "http://c:4318/v1/traces");
        }
        for bad in ["", "c:4318", "https://c:4318", "/v1/traces"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
