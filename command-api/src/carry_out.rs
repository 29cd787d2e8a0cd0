//! A plan on its way into the log, and the outcome on its way back.

use std::sync::Arc;

use domain::{fact::Fact, posting::Posting};
use event_store::{Act, Answer, Key, Outcome, Proposed, Rehearsal, Verdict, crash};
use gate::{Call, Caller, Gate, Language, Problem, Reply, Visit, rules};
use serde_json::{Value, json};

use crate::before;
use crate::plan::{Plan, Words, in_language};
use crate::routes::Api;

/// Hands the plan to the log; or, in a dry run, only tells what would follow.
pub(crate) async fn carry_out(api: &Api, call: &Call, plan: Plan) -> Result<Reply, Problem> {
    if is_dry_run(call)? {
        return rehearse(&api.gate, &plan, call.visit.language).await;
    }
    let Plan { tenant, decision, once, notes, counted } = plan;
    let key = call.key.as_ref().map(|key| Key {
        scope: call.caller.idempotency_scope(),
        key: Arc::clone(&key.0),
        fingerprint: call.fingerprint,
    });
    let metadata = metadata(&call.caller, &call.visit).into_iter().chain(notes).collect();
    let act = Act { tenant, key, metadata, decision };
    crash::point("request.planned");
    let mut outcome = api.gate.store.execute(act).await;
    if let Ok(Outcome::KeyReused) = &outcome
        && let Some(replayed) = before::answered(api, call).await?
    {
        outcome = Ok(replayed);
    }
    crash::point("request.decided");
    counted.count(api, &outcome).await;
    let outcome = outcome?;
    Ok(told(outcome)?.reply(once))
}

/// An answer with its place in the log.
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) replayed: bool,
    position: i64,
    sequence: i64,
}

/// What an outcome is to whoever asked.
pub(crate) fn told(outcome: Outcome) -> Result<Told, Problem> {
    match outcome {
        Outcome::Accepted { position, sequence, answer, .. } | Outcome::Refused { position, sequence, answer } => {
            Ok(Told { answer, replayed: false, position, sequence })
        }
        Outcome::Replayed { position, sequence, answer } => Ok(Told { answer, replayed: true, position, sequence }),
        Outcome::KeyReused => Err(Problem::refused(rules::IDEMPOTENCY_KEY_REUSED)),
        Outcome::InFlight => Err(Problem::in_flight()),
        Outcome::VersionMismatch { demanded, actual } => {
            Err(stale(Problem::refused(rules::VERSION_STALE), demanded, actual))
        }
    }
}

fn stale(problem: Problem, demanded: i64, actual: i64) -> Problem {
    problem.saying(
        format!("(you name version {demanded}; it is at version {actual})"),
        format!("（您指定的版本为 {demanded}，当前版本为 {actual}）"),
    )
}

impl Told {
    pub(crate) fn reply(self, once: Option<Value>) -> Reply {
        let body = match once.filter(|_once| !self.replayed && self.answer.status < 300) {
            Some(once) => with_shown_once(&self.answer.body, &once),
            None => self.answer.body,
        };
        let reply = Reply::new(u16::try_from(self.answer.status).unwrap_or(500), body)
            .with("daybook-position", self.position.to_string());
        // A refusal tells nothing of what was looked at: it may be another's.
        let reply = if self.answer.status < 300 { reply.with("etag", format!("\"{}\"", self.sequence)) } else { reply };
        if self.replayed { reply.with("idempotency-replayed", "true") } else { reply }
    }
}

/// Puts secrets into an answer, beside what is kept of it.
fn with_shown_once(body: &str, once: &Value) -> String {
    body.strip_suffix('}').map_or_else(|| body.to_owned(), |open| format!("{open},\"shown_once\":{once}}}"))
}

/// Who asked, in which request, for whoever reads the log.
pub(crate) fn metadata(caller: &Caller, visit: &Visit) -> Vec<(&'static str, String)> {
    let actor = match caller {
        Caller::Merchant { merchant_id, .. } => merchant_id.to_string(),
        Caller::Operator { operator_id, .. } => operator_id.to_string(),
    };
    let mut metadata =
        vec![("actor", actor), ("request_id", visit.request_id.clone()), ("trace_id", visit.trace_id.clone())];
    metadata.extend(visit.traceparent().map(|parent| ("traceparent", parent)));
    metadata
}

/// The one thing a write may ask for in its query, and once.
pub(crate) fn is_dry_run(call: &Call) -> Result<bool, Problem> {
    let mut asked = None;
    for (name, value) in call.query() {
        asked = match (name, value, asked) {
            ("dry_run", "true", None) => Some(true),
            ("dry_run", "false", None) => Some(false),
            ("dry_run", ..) => return Err(Problem::turned_away(rules::PARAMETER_MALFORMED)),
            _ => return Err(Problem::turned_away(rules::PARAMETER_UNKNOWN)),
        };
    }
    Ok(asked.unwrap_or(false))
}

const REHEARSED: Words = ("nothing was written", "未写入任何内容");

async fn rehearse(gate: &Gate, plan: &Plan, language: Language) -> Result<Reply, Problem> {
    let (verdict, events) = match gate.store.rehearse(&plan.decision).await? {
        Rehearsal::Decided { verdict, events } => (verdict, events),
        Rehearsal::VersionMismatch { demanded, actual } => {
            return Err(stale(Problem::turned_away(rules::VERSION_STALE), demanded, actual));
        }
    };
    match verdict {
        Verdict::Refused(answer) => Ok(Reply::new(u16::try_from(answer.status).unwrap_or(500), answer.body)),
        Verdict::Accepted(answer) => {
            let events: Vec<Value> = events.iter().map(proposed).collect();
            let answer: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let data = json!({ "dry_run": true, "answer": answer, "events": events });
            let message = in_language(REHEARSED, language);
            Ok(Reply::new(200, json!({ "code": 0, "message": message, "data": data }).to_string()))
        }
    }
}

/// An event that would follow, with what it would do to the books.
fn proposed(event: &Proposed) -> Value {
    let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
    let posting = Fact::read(&event.aggregate_type, &payload).map(|fact| fact.posting());
    json!({
        "aggregate_type": event.aggregate_type,
        "aggregate_id": &*event.aggregate_id,
        "sequence": event.sequence,
        "event_type": event.event_type,
        "payload": payload,
        "postings": posting.map_or(Value::Null, |posting| lines(&posting)),
    })
}

fn lines(posting: &Posting) -> Value {
    posting
        .lines()
        .iter()
        .map(|line| {
            json!({
                "account": line.account.to_string(),
                "side": line.side.name(),
                "amount": line.money.amount_minor,
                "currency": line.money.currency.code(),
            })
        })
        .collect()
}
