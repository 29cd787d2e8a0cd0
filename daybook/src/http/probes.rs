//! The probes: alive (asks nobody), ready (asks the database), and the route table.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
    time::Duration,
};

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
use channels::Partners;
use command_api::{Api, Inbox};
use gate::openapi::Operation;
use projections::Reads;
use sqlx::{Connection as _, PgPool};
use tokio::time::timeout;
use vault::Vault;

use super::metrics::{self, Metrics};
use crate::{
    database,
    failure::Result,
    forgetting::{Forgetting, hold},
    sentry::Sight,
};

/// What `/livez` says; a second start knows us by it.
pub(super) const ALIVE: &str = "daybook is alive";

const PATIENCE: Duration = Duration::from_secs(2);

/// What the routes share.
#[derive(Clone)]
struct Faces {
    pool: PgPool,
    vault: Vault,
    metrics: Metrics,
    sight: Sight,
}

impl FromRef<Faces> for Metrics {
    fn from_ref(faces: &Faces) -> Self {
        faces.metrics.clone()
    }
}

/// Every route of a server that answers requests.
pub(crate) fn router(
    api: Api,
    inbox: Inbox,
    reads: Reads,
    proofs: Witness,
    (forgetting, sight): (&Forgetting, Sight),
) -> Result<Router> {
    let partners = Arc::clone(&inbox.partners);
    let answers = command_api::router(api.clone())
        .merge(command_api::inbox(api.clone(), inbox))
        .merge(projections::router(reads))
        .merge(audit::router(proofs))
        .layer(from_fn_with_state(forgetting.clone(), hold))
        .route("/openapi.json", get(openapi))
        .route("/docs", get(docs));
    with(answers, api, partners, sight)
}

/// What is asked of one that does not.
pub(crate) fn probes(api: Api, inbox: &Inbox, sight: Sight) -> Result<Router> {
    with(Router::new(), api, Arc::clone(&inbox.partners), sight)
}

fn with(answers: Router, api: Api, partners: Arc<Partners>, sight: Sight) -> Result<Router> {
    let metrics = Metrics::new(partners, sight.clone())?;
    let counting = from_fn_with_state(metrics.clone(), metrics::count);
    Ok(Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/healthz", get(ready))
        .route("/metrics", get(metrics::show))
        .with_state(Faces { pool: api.pool, vault: api.gate.vault, metrics, sight })
        .merge(answers)
        .fallback(absent)
        .method_not_allowed_fallback(not_allowed)
        .layer(counting))
}

async fn alive() -> &'static str {
    ALIVE
}

/// One thing that must hold before requests are welcome.
struct Check {
    name: &'static str,
    outcome: Result<String, String>,
}

async fn ready(State(faces): State<Faces>, RawQuery(query): RawQuery) -> Response {
    let mut checks = match timeout(PATIENCE, look(&faces.pool, &faces.vault)).await {
        Ok(checks) => checks,
        Err(_) => vec![Check { name: "database", outcome: Err("no answer in time".to_owned()) }],
    };
    checks.push(books(&faces.sight));
    let is_ready = checks.iter().all(|check| check.outcome.is_ok());
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose=")));
    let mut text = String::new();
    for check in &checks {
        let (mark, words) = match &check.outcome {
            Ok(words) => ("ok  ", words),
            Err(words) => ("FAIL", words),
        };
        if (verbose || check.outcome.is_err()) && writeln!(text, "{mark}  {:<9} {words}", check.name).is_err() {
            tracing::error!("the answer cannot be written");
        }
    }
    text.push_str(if is_ready { "ready\n" } else { "not ready\n" });
    let no_store = [(CACHE_CONTROL, "no-store")];
    if is_ready {
        (no_store, text).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, no_store, [(RETRY_AFTER, "1")], text).into_response()
    }
}

/// What is wrong with the books turns no request away: it is told, and a person looks.
fn books(sight: &Sight) -> Check {
    let seen = sight.borrow();
    let ago = seen.at.map(|at| at.elapsed().as_secs());
    let words = match (ago, seen.alarms.as_slice()) {
        (None, _) => "not looked at yet".to_owned(),
        (Some(seconds), []) => format!("well, as far as they were looked at {seconds} s ago"),
        (Some(seconds), alarms) => format!("DEGRADED, as seen {seconds} s ago: {}", alarms.join("; ")),
    };
    Check { name: "books", outcome: Ok(words) }
}

async fn look(pool: &PgPool, vault: &Vault) -> Vec<Check> {
    // One that lay in the pool may be dead: it is the answer that shows the database is there.
    let reached = async {
        let mut connection = pool.acquire().await?;
        connection.ping().await.map(|()| connection)
    };
    let mut connection = match reached.await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(%error, "not ready: the database cannot be reached");
            // The cause may name hosts and users: it belongs in the log.
            return vec![Check { name: "database", outcome: Err("it cannot be reached".to_owned()) }];
        }
    };
    let schema = match database::status(&mut connection).await {
        Ok(status) => {
            let (applied, known) = (database::version(&status.applied), database::version(&status.known));
            let behind = || format!("version {applied}, this binary needs {known} as it holds it: daybook doctor");
            if status.is_current() { Ok(format!("version {applied}")) } else { Err(behind()) }
        }
        Err(failure) => {
            tracing::warn!(%failure, "not ready: the schema cannot be read");
            Err("it cannot be read".to_owned())
        }
    };
    drop(connection);
    let master_key = match vault::is_its_key(pool, vault).await {
        Ok(true) => Ok("the one this ledger was begun with".to_owned()),
        Ok(false) => Err("another than the one this ledger was begun with: name that one".to_owned()),
        Err(error) => {
            tracing::warn!(%error, "not ready: the mark of the master key cannot be read");
            Err("its mark cannot be read".to_owned())
        }
    };
    vec![
        Check { name: "database", outcome: Ok("reachable".to_owned()) },
        Check { name: "schema", outcome: schema },
        Check { name: "key", outcome: master_key },
    ]
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
