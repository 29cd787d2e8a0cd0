//! The probes: alive, ready as it was seen last, and the route table.

use std::sync::LazyLock;

use audit::Witness;
use axum::{
    Router,
    extract::{FromRef, RawQuery, Request, State},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use command_api::{Api, Inbox};
use gate::openapi::Operation;
use projections::Reads;

use super::metrics::{self, Metrics, Shown};
use crate::health::{Health, Readiness};

/// What `/livez` says; a second start knows us by it.
pub(super) const ALIVE: &str = "daybook is alive";

const OWN: [&str; 6] = ["/livez", "/readyz", "/healthz", "/metrics", "/openapi.json", "/docs"];

impl FromRef<Metrics> for Health {
    fn from_ref(metrics: &Metrics) -> Self {
        metrics.health().clone()
    }
}

/// Every route of a server that answers requests.
pub(crate) fn router(api: Api, inbox: Inbox, reads: Reads, proofs: Witness, shown: Shown) -> Router {
    let answers = command_api::router(api.clone())
        .merge(command_api::inbox(api, inbox))
        .merge(projections::router(reads))
        .merge(audit::router(proofs))
        .route("/openapi.json", get(openapi))
        .route("/docs", get(docs));
    with(answers, shown)
}

/// Those of one that only works.
pub(crate) fn probes(shown: Shown) -> Router {
    with(Router::new(), shown)
}

fn with(answers: Router, shown: Shown) -> Router {
    let paths: Vec<&'static str> = operations().map(|operation| operation.path).chain(OWN).collect();
    let metrics = Metrics::new(paths, shown);
    let counting = from_fn_with_state(metrics.clone(), metrics::count);
    Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/healthz", get(ready))
        .route("/metrics", get(metrics::show))
        .with_state(metrics)
        .merge(answers)
        .fallback(absent)
        .method_not_allowed_fallback(not_allowed)
        .layer(counting)
}

async fn alive() -> &'static str {
    ALIVE
}

async fn ready(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose=")));
    let Readiness { is_ready, text } = health.readiness(is_verbose);
    let no_store = [(CACHE_CONTROL, "no-store")];
    if is_ready {
        (no_store, text).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, no_store, [(RETRY_AFTER, "1")], text).into_response()
    }
}

/// What every face tells of its routes.
fn operations() -> impl Iterator<Item = Operation> {
    command_api::operations().into_iter().chain(projections::operations()).chain(audit::operations())
}

/// The API, for programs.
async fn openapi() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| gate::openapi::document(operations()).to_string());
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// The API, for people. It may run its own script and nothing else.
async fn docs() -> Response {
    let policy = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
    (headers, gate::openapi::page()).into_response()
}

async fn absent(request: Request) -> Response {
    gate::turn_away(request, gate::rules::ROUTE_UNKNOWN)
}

async fn not_allowed(request: Request) -> Response {
    gate::turn_away(request, gate::rules::METHOD_NOT_ALLOWED)
}
