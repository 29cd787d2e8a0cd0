//! The witness over HTTP: checkpoints, consistency, proofs, receipts; events and streams.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::Response,
    routing::get,
};
use domain::payment::PaymentRefusal;
use domain::refusal::{Listed as _, Rule};
use event_store::is_of_a_damaged_page;
use futures_util::future::BoxFuture;
use gate::{Call, Caller, Entrance, Gate, Language, Parameter, Parameters, Problem, Reply, Scope, rules as door};
use serde_json::{Value, json};

use crate::checkpoint::Note;
use crate::events::{self, Tails};
use crate::proofs::{Proofs, ProofsFailure};
use crate::receipt::{About, Receipt};
use crate::rows::TreeFailure;
use crate::rules;
use crate::streams;

/// What proofs are answered from.
#[derive(Clone)]
pub struct Witness {
    pub gate: Gate,
    pub proofs: Proofs,
    pub tails: Tails,
}

type Serve = for<'c> fn(&'c Witness, &'c Call) -> BoxFuture<'c, Result<Reply, Problem>>;

/// One question; each is a GET.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub path: &'static str,
    /// Noun and verb: names the operation in the OpenAPI document.
    pub words: (&'static str, &'static str),
    pub summary: &'static str,
    pub scope: Scope,
    pub(crate) parameters: &'static [Parameter],
    /// What stands as `data` in its answer.
    pub(crate) data: fn() -> Value,
    pub(crate) told: &'static [&'static Rule],
    serve: Serve,
}

const FROM: Parameter = Parameter { name: "from", words: "The size of the earlier checkpoint.", schema: size_schema };
const TO: Parameter =
    Parameter { name: "to", words: "The size of the later one; the newest where it is absent.", schema: size_schema };
const FROM_SIZE: Parameter = Parameter { name: "from", words: "Only of this size and larger.", schema: size_schema };
const LIMIT: Parameter = Parameter { name: "limit", words: "At most so many: 100 when absent.", schema: limit_schema };
const LIMIT_MAX: i64 = 1_000;

fn size_schema() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 1 })
}

fn limit_schema() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX })
}

pub(crate) const EVENTS: &str = "/api/v1/events";

/// The list.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/api/v1/audit/checkpoint",
        words: ("audit", "checkpoint"),
        summary: "The newest signed checkpoint",
        scope: Scope::ReadProofs,
        parameters: &[],
        data: checkpoint_schema,
        told: &[rules::CHECKPOINT_ABSENT],
        serve: |witness, call| Box::pin(newest(&witness.proofs, call)),
    },
    Route {
        path: "/api/v1/audit/checkpoints",
        words: ("audit", "checkpoints"),
        summary: "Signed checkpoints, smallest first",
        scope: Scope::ReadProofs,
        parameters: &[FROM_SIZE, LIMIT],
        data: || json!({ "type": "array", "items": checkpoint_schema() }),
        told: &[],
        serve: |witness, call| Box::pin(checkpoints(&witness.proofs, call)),
    },
    Route {
        path: "/api/v1/audit/keys",
        words: ("audit", "keys"),
        summary: "The public keys that have signed checkpoints; whether to trust them is learned elsewhere",
        scope: Scope::ReadProofs,
        parameters: &[],
        data: || json!({ "type": "array", "items": { "type": "string" } }),
        told: &[],
        serve: |witness, call| Box::pin(keys(&witness.proofs, call)),
    },
    Route {
        path: "/api/v1/audit/consistency",
        words: ("audit", "consistency"),
        summary: "The proof that the log only grew between two checkpoints",
        scope: Scope::ReadProofs,
        parameters: &[FROM, TO],
        data: growth_schema,
        told: &[rules::CHECKPOINT_ABSENT, door::PARAMETER_MISSING],
        serve: |witness, call| Box::pin(consistency(&witness.proofs, call)),
    },
    Route {
        path: "/api/v1/audit/events/{position}/proof",
        words: ("audit", "event"),
        summary: "An event with the proof that it stands in the log",
        scope: Scope::ReadProofs,
        parameters: &[],
        data: receipt_schema,
        told: &[rules::EVENT_ABSENT, rules::NOT_SIGNED],
        serve: |witness, call| Box::pin(event(&witness.proofs, call)),
    },
    Route {
        path: "/api/v1/audit/entries/{position}/proof",
        words: ("audit", "entry"),
        summary: "A journal entry with the proof that it stands in the log",
        scope: Scope::ReadProofs,
        parameters: &[],
        data: receipt_schema,
        told: &[rules::ENTRY_ABSENT, rules::NOT_SIGNED],
        serve: |witness, call| Box::pin(entry(&witness.proofs, call)),
    },
    Route {
        path: "/api/v1/payments/{payment_no}/receipt",
        words: ("payment", "receipt"),
        summary: "All events of a payment with their proofs, for anybody to verify offline",
        scope: Scope::ReadProofs,
        parameters: &[],
        data: receipt_schema,
        told: &[rules::NOT_SIGNED, rules::TOO_MANY],
        serve: |witness, call| Box::pin(payment(&witness.proofs, call)),
    },
    Route {
        path: EVENTS,
        words: ("event", "list"),
        summary: "Events as they stand in the log, oldest first; as text/event-stream each as it comes",
        scope: Scope::ReadProofs,
        parameters: events::ASKED,
        data: events::schema,
        told: &[door::MERCHANT_DIFFERS],
        serve: |witness, call| Box::pin(events::serve(witness, call)),
    },
    Route {
        path: "/api/v1/streams/{type}/{id}",
        words: ("stream", "show"),
        summary: "A payment, an order, a saga … as it was at a position or a moment",
        scope: Scope::ReadProofs,
        parameters: streams::ASKED,
        data: streams::schema,
        told: &[rules::STREAM_ABSENT, rules::STREAM_TOO_LONG],
        serve: |witness, call| Box::pin(streams::serve(witness, call)),
    },
];

fn checkpoint_schema() -> Value {
    json!({ "type": "object", "required": ["origin", "size", "root", "note"], "properties": {
        "origin": { "type": "string" }, "size": { "type": "integer" },
        "root": { "type": "string", "description": "Base64." },
        "note": { "type": "string", "description": "As it was signed: C2SP tlog-checkpoint." },
    } })
}

fn growth_schema() -> Value {
    json!({ "type": "object", "required": ["first", "second", "path"], "properties": {
        "first": { "type": "string" }, "second": { "type": "string" },
        "path": { "type": "array", "items": { "type": "string" } },
    } })
}

fn receipt_schema() -> Value {
    json!({ "type": "object", "required": ["format", "about", "checkpoint", "events"], "properties": {
        "format": { "const": crate::receipt::FORMAT },
        "about": { "type": "object" },
        "checkpoint": { "type": "string" },
        "events": { "type": "array", "items": { "type": "object", "required": ["event", "path"], "properties": {
            "event": { "type": "object" }, "path": { "type": "array", "items": { "type": "string" } },
        } } },
    } })
}

/// All of them, behind the gate.
pub fn router(witness: Witness) -> Router {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| {
            let serve = move |State(witness): State<Witness>, request: Request| enter(*route, witness, request);
            router.route(route.path, get(serve))
        })
        .with_state(witness)
}

async fn enter(route: Route, witness: Witness, request: Request) -> Response<Body> {
    let entrance = Entrance { scope: route.scope, body_max: 0, counted: None };
    let gate = witness.gate.clone();
    gate.pass(entrance, request, move |call| async move { (route.serve)(&witness, &call).await }).await
}

async fn newest(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    Parameters::of(call, &[])?;
    let note = proofs.newest().await.map_err(|failure| told(failure, rules::CHECKPOINT_ABSENT))?;
    let note = note.ok_or_else(|| Problem::turned_away(rules::CHECKPOINT_ABSENT))?;
    Ok(reply(call, checkpoint(&note)))
}

async fn checkpoints(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &[FROM_SIZE, LIMIT])?;
    let from = given.read("from", size)?.unwrap_or(1);
    let read = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let limit = given.read("limit", read)?.unwrap_or(100);
    let found = proofs.checkpoints(from, limit).await.map_err(|failure| told(failure, rules::CHECKPOINT_ABSENT))?;
    Ok(reply(call, found.iter().map(checkpoint).collect()))
}

async fn keys(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    Parameters::of(call, &[])?;
    let keys = proofs.keys().await.map_err(|failure| told(failure, rules::CHECKPOINT_ABSENT))?;
    Ok(reply(call, keys.into()))
}

async fn consistency(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, &[FROM, TO])?;
    let from = given.read("from", size)?.ok_or_else(|| Problem::parameter("from", door::PARAMETER_MISSING))?;
    let failed = |failure| told(failure, rules::CHECKPOINT_ABSENT);
    let to = match given.read("to", size)? {
        Some(to) => to,
        None => proofs.newest().await.map_err(failed)?.map_or(0, |note| note.claimed().size),
    };
    let growth = proofs.growth(from, to).await.map_err(failed)?;
    Ok(reply(call, json!(growth)))
}

async fn event(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    Parameters::of(call, &[])?;
    let failed = |failure| told(failure, rules::EVENT_ABSENT);
    let position = position(call).ok_or_else(|| Problem::turned_away(rules::EVENT_ABSENT))?;
    let event = proofs.event(position).await.map_err(failed)?;
    if !call.shows(&event) {
        return Err(Problem::turned_away(rules::EVENT_ABSENT));
    }
    Ok(receipt(call, &proofs.receipt(About::Event(position), &[event]).await.map_err(failed)?))
}

async fn entry(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    Parameters::of(call, &[])?;
    let failed = |failure| told(failure, rules::ENTRY_ABSENT);
    let position = position(call).ok_or_else(|| Problem::turned_away(rules::ENTRY_ABSENT))?;
    let event = proofs.event(position).await.map_err(failed)?;
    if !call.shows(&event) {
        return Err(Problem::turned_away(rules::ENTRY_ABSENT));
    }
    proofs.is_entry(&event).map_err(failed)?;
    Ok(receipt(call, &proofs.receipt(About::Entry(position), &[event]).await.map_err(failed)?))
}

async fn payment(proofs: &Proofs, call: &Call) -> Result<Reply, Problem> {
    Parameters::of(call, &[])?;
    let absent = PaymentRefusal::PaymentAbsent.rule();
    let failed = |failure| told(failure, absent);
    // An old number is a merchant's own.
    let whose = match call.caller {
        Caller::Merchant { merchant_id, livemode, .. } => Some((merchant_id, livemode)),
        Caller::Operator { .. } => None,
    };
    let named = gate::payment_named(&proofs.store, whose, call.path("payment_no")).await?;
    let payment = named.ok_or_else(|| Problem::turned_away(absent))?;
    let mut events = proofs.payment(payment).await.map_err(failed)?;
    events.retain(|event| call.upto.is_none_or(|upto| event.position <= upto));
    if events.is_empty() || !events.iter().all(|event| call.caller.may_see(event)) {
        return Err(Problem::turned_away(absent));
    }
    Ok(receipt(call, &proofs.receipt(About::Payment(payment.to_string()), &events).await.map_err(failed)?))
}

fn position(call: &Call) -> Option<i64> {
    let text = call.path("position");
    text.parse().ok().filter(|position: &i64| *position > 0 && position.to_string() == text)
}

fn size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size| *size > 0 && i64::try_from(*size).is_ok())
}

fn checkpoint(note: &Note) -> Value {
    let claimed = note.claimed();
    json!({ "origin": claimed.origin, "size": claimed.size, "root": claimed.root, "note": note.to_string() })
}

fn receipt(call: &Call, receipt: &Receipt) -> Reply {
    reply(call, json!(receipt))
}

fn reply(call: &Call, data: Value) -> Reply {
    let message = match call.visit.language {
        Language::English => "found",
        Language::Chinese => "查询成功",
    };
    let rows = data.as_array().map_or(1, Vec::len);
    Reply::new(200, json!({ "code": 0, "message": message, "data": data }).to_string()).counting(rows)
}

fn told(failure: ProofsFailure, absent: &'static Rule) -> Problem {
    match failure {
        ProofsFailure::Absent | ProofsFailure::NoEntry(_) => Problem::turned_away(absent),
        ProofsFailure::NoCheckpoint => Problem::turned_away(rules::CHECKPOINT_ABSENT),
        ProofsFailure::NotSigned { position, signed } => Problem::later(rules::NOT_SIGNED, 1).saying(
            format!("(It is at position {position}; the newest checkpoint is of {signed}.)"),
            format!("（位于 {position}；最新检查点的大小为 {signed}。）"),
        ),
        ProofsFailure::TooMany => Problem::turned_away(rules::TOO_MANY),
        ProofsFailure::Tree(TreeFailure::Damaged(damaged)) => {
            tracing::error!(%damaged, "a proof was not made");
            Problem::turned_away(door::INTERNAL)
        }
        ProofsFailure::Tree(TreeFailure::Database(failure)) => failed(failure),
    }
}

/// What the database could not do, as the caller is told.
pub(crate) fn failed(failure: sqlx::Error) -> Problem {
    if is_of_a_damaged_page(&failure) {
        return Problem::later(door::LEDGER_UNAVAILABLE, 60);
    }
    tracing::warn!(%failure, "a question to the log was not answered");
    Problem::later(door::LEDGER_UNAVAILABLE, 2)
}
