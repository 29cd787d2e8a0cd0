//! Many payments in one request: a key and an answer each, one append.

use std::sync::Arc;

use event_store::{Act, Failure, Key, Rehearsal, Verdict, crash};
use futures_util::future::{BoxFuture, join_all};
use gate::{Body as _, Call, Field, FieldProblem, Fields, IdempotencyKey, Problem, Reply, canonical, rules};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

use super::CreatePayment;
use crate::carry_out::{self, is_dry_run};
use crate::plan::{Words, in_language};
use crate::routes::Api;
use crate::tally::Counted;

const ITEMS_MAX: usize = 1_000;
pub(crate) const LIST: &str = "payments";
const KEY: &str = "idempotency_key";
const ANSWERED: Words = ("each item has its own answer", "每一项各有其结果");

/// A list of payments. Each is read by itself where it stands, so that one bad item costs only itself.
pub(crate) struct Bulk;

impl Field for Bulk {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        Self::read_object(gate::object(value, at, problems)?, at, problems)
    }

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["payments"], "additionalProperties": false,
            "properties": { "payments": Items::schema() },
        })
    }
}

impl gate::Body for Bulk {
    fn example() -> Value {
        let mut item = CreatePayment::example();
        if let Some(item) = item.as_object_mut() {
            item.insert(KEY.to_owned(), "import-1".into());
        }
        json!({ "payments": [item] })
    }

    fn read_object(object: &Map<String, Value>, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        let mut fields = Fields::of(object, at, &[LIST], problems);
        fields.required::<Items>(LIST).map(|Items| Self)
    }
}

struct Items;

impl Field for Items {
    fn read(value: &Value, at: &str, problems: &mut Vec<FieldProblem>) -> Option<Self> {
        match value.as_array().filter(|items| (1..=ITEMS_MAX).contains(&items.len())) {
            Some(_items) => Some(Self),
            None => {
                problems.push(FieldProblem { pointer: at.to_owned(), rule: rules::FIELD_MALFORMED });
                None
            }
        }
    }

    fn schema() -> Value {
        let mut item = CreatePayment::schema();
        if let Some(properties) = item.get_mut("properties").and_then(Value::as_object_mut) {
            let words = "Names this payment's request and no other.";
            let key = json!({ "type": "string", "minLength": 1, "maxLength": 255, "description": words });
            properties.insert(KEY.to_owned(), key);
        }
        if let Some(required) = item.get_mut("required").and_then(Value::as_array_mut) {
            required.push(KEY.into());
        }
        json!({ "type": "array", "items": item, "minItems": 1, "maxItems": ITEMS_MAX })
    }
}

/// What became of one item.
#[derive(Serialize)]
struct Item {
    status: u16,
    replayed: bool,
    answer: Box<RawValue>,
}

impl Item {
    fn of(status: i16, replayed: bool, body: String) -> Self {
        let answer = RawValue::from_string(body).unwrap_or_else(|_not_json| RawValue::NULL.to_owned());
        Self { status: u16::try_from(status).unwrap_or(500), replayed, answer }
    }

    fn problem(problem: &Problem, call: &Call) -> Self {
        let status = i16::try_from(problem.rule().http_status).unwrap_or(500);
        Self::of(status, false, problem.document(&call.visit))
    }
}

#[derive(Serialize)]
struct Told {
    code: u16,
    message: &'static str,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    dry_run: bool,
    items: Vec<Item>,
}

pub(crate) fn create<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Reply, Problem>> {
    Box::pin(async move {
        let Bulk = Bulk::parse(&call.body)?;
        let items = call.body.get(LIST).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let dry_run = is_dry_run(call)?;
        let read: Vec<Result<(Act, Counted), Problem>> = items.iter().map(|item| act(api, call, item)).collect();
        let items = if dry_run { rehearse(api, call, read).await } else { write(api, call, read).await };
        let told = Told { code: 0, message: in_language(ANSWERED, call.visit.language), data: Data { dry_run, items } };
        Ok(Reply::new(200, serde_json::to_string(&told).unwrap_or_default()))
    })
}

/// Reads one item; its key names it and is no part of what it asks for.
fn act(api: &Api, call: &Call, item: &Value) -> Result<(Act, Counted), Problem> {
    let mut object: Map<String, Value> =
        item.as_object().cloned().ok_or_else(|| Problem::turned_away(rules::FIELD_MALFORMED))?;
    let key = match object.remove(KEY) {
        None => return Err(Problem::turned_away(rules::IDEMPOTENCY_KEY_MISSING)),
        Some(key) => key.as_str().and_then(IdempotencyKey::parse),
    };
    let key = key.ok_or_else(|| Problem::turned_away(rules::IDEMPOTENCY_KEY_MALFORMED))?;
    let fingerprint = api.gate.vault.fingerprint(&[b"bulk payment", canonical(&object).as_bytes()]);
    let plan = CreatePayment::parse(&object)?.plan(api, call)?;
    let act = Act {
        tenant: plan.tenant,
        key: Some(Key { scope: call.caller.idempotency_scope(), key: Arc::clone(&key.0), fingerprint }),
        metadata: carry_out::metadata(&call.caller, &call.visit),
        decision: plan.decision,
    };
    Ok((act, plan.counted))
}

/// Hands all that could be read to the log at once.
async fn write(api: &Api, call: &Call, read: Vec<Result<(Act, Counted), Problem>>) -> Vec<Item> {
    let (mut acts, mut counted) = (Vec::new(), Vec::new());
    let mut place = |(act, as_what): (Act, Counted)| {
        acts.push(act);
        counted.push(as_what);
    };
    let places: Vec<Result<(), Problem>> = read.into_iter().map(|act| act.map(&mut place)).collect();
    crash::point("request.planned");
    let outcomes = api.gate.store.execute_all(acts).await;
    crash::point("request.decided");
    for (counted, outcome) in counted.iter().zip(&outcomes) {
        counted.count(api, outcome).await;
    }
    let mut outcomes = outcomes.into_iter();
    let told = |place: Result<(), Problem>| {
        place?;
        carry_out::told(outcomes.next().unwrap_or(Err(Failure::Unknown))?)
    };
    let told: Vec<Result<carry_out::Told, Problem>> = places.into_iter().map(told).collect();
    told.into_iter()
        .map(|told| match told {
            Ok(told) => Item::of(told.answer.status, told.replayed, told.answer.body),
            Err(problem) => Item::problem(&problem, call),
        })
        .collect()
}

async fn rehearse(api: &Api, call: &Call, read: Vec<Result<(Act, Counted), Problem>>) -> Vec<Item> {
    join_all(read.into_iter().map(|act| async {
        let rehearsed = match act {
            Ok((act, _counted)) => api.gate.store.rehearse(&act.decision).await.map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        match rehearsed {
            Ok(Rehearsal::Decided { verdict: Verdict::Accepted(answer) | Verdict::Refused(answer), .. }) => {
                Item::of(answer.status, false, answer.body)
            }
            Ok(Rehearsal::VersionMismatch { .. }) => Item::problem(&Problem::refused(rules::VERSION_STALE), call),
            Err(problem) => Item::problem(&problem, call),
        }
    }))
    .await
}
