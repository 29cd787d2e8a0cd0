//! What `/metrics` shows: requests by route, and this process.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus::{IntCounterVec, Opts, Registry, TEXT_FORMAT, TextEncoder, process_collector::ProcessCollector};

use crate::failure::{Attempt as _, Result};

const SERVICE: &str = "daybook";

#[derive(Clone)]
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
}

impl Metrics {
    pub(super) fn new() -> Result<Self> {
        let build = || -> prometheus::Result<Self> {
            let registry = Registry::new();
            let opts = Opts::new("http_requests_total", "HTTP requests answered, by route and status");
            let requests = IntCounterVec::new(opts, &["service", "method", "path", "status"])?;
            registry.register(Box::new(requests.clone()))?;
            #[cfg(target_os = "linux")]
            registry.register(Box::new(ProcessCollector::for_self()))?;
            Ok(Self { registry, requests })
        };
        build().map_err(std::io::Error::other).attempt(|| "registering metrics".to_owned())
    }
}

/// Counts every answer. The path is the route's pattern: raw paths would make a series for each id.
pub(super) async fn count(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let method = known(request.method());
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    metrics.requests.with_label_values(&[SERVICE, method, &path, response.status().as_str()]).inc();
    response
}

pub(super) async fn show(State(metrics): State<Metrics>) -> Response {
    match TextEncoder::new().encode_to_string(&metrics.registry.gather()) {
        Ok(text) => ([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A client may invent methods without end; the label must not grow with them.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}
