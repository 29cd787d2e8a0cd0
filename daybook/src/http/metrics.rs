//! What `/metrics` shows: requests by route, lines to channels, books, this process.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header::CONTENT_TYPE},
    middleware::Next,
    response::{IntoResponse, Response},
};
use channels::Partners;
use prometheus::{
    IntCounterVec, Opts, Registry, TEXT_FORMAT, TextEncoder, process_collector::ProcessCollector, proto::MetricFamily,
};

use crate::{
    failure::{Attempt as _, Result},
    sentry::Sight,
};

mod books;
mod lines;

const SERVICE: &str = "daybook";

#[derive(Clone)]
pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    partners: Arc<Partners>,
    sight: Sight,
}

impl Metrics {
    pub(super) fn new(partners: Arc<Partners>, sight: Sight) -> Result<Self> {
        let build = || -> prometheus::Result<Self> {
            let registry = Registry::new();
            let opts = Opts::new("http_requests_total", "HTTP requests answered, by route and status");
            let requests = IntCounterVec::new(opts, &["service", "method", "path", "status"])?;
            registry.register(Box::new(requests.clone()))?;
            #[cfg(target_os = "linux")]
            registry.register(Box::new(ProcessCollector::for_self()))?;
            Ok(Self { registry, requests, partners, sight })
        };
        build().map_err(std::io::Error::other).attempt(|| "registering metrics".to_owned())
    }

    fn gather(&self) -> prometheus::Result<Vec<MetricFamily>> {
        let mut families = self.registry.gather();
        families.extend(lines::gather(&self.partners)?);
        families.extend(books::gather(&self.sight.borrow())?);
        Ok(families)
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
    match metrics.gather().and_then(|families| TextEncoder::new().encode_to_string(&families)) {
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
