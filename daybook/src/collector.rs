//! Spans on their way to a collector: OTLP over HTTP, in its JSON form.

use std::{pin::pin, time::Duration};

use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Uri, body::Bytes, header::CONTENT_TYPE};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use meters::Counter;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use traces::{Ended, Sampling, Span};

use crate::{
    failure::{Failure, Result},
    forgetting::stopped,
    otlp,
};

/// Spans that may wait.
const ROOM: usize = 16_384;
const AT_ONCE: usize = 1_024;
/// The first that ended waits so long for others.
const GATHERED: Duration = Duration::from_millis(200);
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
        let Some(ended) = traces::begin(Sampling::percent(self.trace_sampling_rate), ROOM) else { return Ok(None) };
        tracing::info!(%address, percent = self.trace_sampling_rate, "spans are sent to a collector");
        Ok(Some(tokio::spawn(export(address, ended, stop))))
    }
}

/// The host is what counts: whatever older collectors listened on below it, OTLP has one path.
fn address(named: &str) -> Result<Uri> {
    let bad = || Failure::Settings(format!("{named} is no address of a collector: it is http://HOST:PORT"));
    let uri: Uri = named.parse().map_err(|_not_one| bad())?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
    Uri::builder().scheme("http").authority(authority.clone()).path_and_query(PATH).build().map_err(|_not_one| bad())
}

async fn export(address: Uri, mut ended: Ended, mut stop: watch::Receiver<bool>) {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let (mut is_told, mut farewell) = (false, None);
    loop {
        let gathered = async {
            ended.wait().await;
            tokio::time::sleep(GATHERED).await;
        };
        let is_stopping = tokio::select! {
            () = stopped(&mut stop) => true,
            () = gathered => false,
        };
        let spans = ended.take();
        let mut sending = pin!(send(&client, &address, &spans));
        let is_taken = tokio::select! {
            is_taken = &mut sending => is_taken,
            () = stopped(&mut stop) => {
                let until = farewell.get_or_insert_with(|| Instant::now() + FAREWELL);
                timeout_at(*until, sending).await.unwrap_or(false)
            }
        };
        if !is_taken && !is_told {
            tracing::warn!(%address, "no collector takes the spans; they are dropped, and counted");
        }
        if is_stopping {
            return;
        }
        is_told = !is_taken;
    }
}

/// Whether all were taken. What is not is dropped, for there is more to come.
async fn send(client: &Client<HttpConnector, Full<Bytes>>, address: &Uri, spans: &[Span]) -> bool {
    let mut are_taken = true;
    let mut left = Left(spans.len());
    for batch in spans.chunks(AT_ONCE) {
        let sending = async {
            let request = Request::post(address.clone()).header(CONTENT_TYPE, "application/json");
            let body = Full::from(otlp::document(batch).ok()?);
            let answer = client.request(request.body(body).ok()?).await.ok()?;
            let is_taken = answer.status().is_success();
            // Read to its end, so that the connection can be used again.
            Limited::new(answer.into_body(), ANSWER_MAX).collect().await.ok()?;
            is_taken.then_some(())
        };
        let is_taken = timeout(TAKEN_WITHIN, sending).await.is_ok_and(|taken| taken.is_some());
        left.0 = left.0.saturating_sub(batch.len());
        count(batch.len(), if is_taken { &EXPORTED } else { &LOST });
        are_taken &= is_taken;
    }
    are_taken
}

fn count(spans: usize, counter: &Counter) {
    counter.add(u64::try_from(spans).unwrap_or(u64::MAX));
}

/// Spans of which nothing became yet: lost where nothing does.
struct Left(usize);

impl Drop for Left {
    fn drop(&mut self) {
        count(self.0, &LOST);
    }
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
