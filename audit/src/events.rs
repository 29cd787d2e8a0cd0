//! Events as they stand in the log: a page of those looked for, or each as it comes.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::id::MerchantId;
use event_store::{Recorded, Search, Store};
use futures_util::stream;
use gate::{Call, Caller, Language, OF_MERCHANTS, Parameter, Parameters, Problem, Reply, rules as door};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::routes::{Witness, failed};

const fn parameter(name: &'static str, words: &'static str, schema: fn() -> Value) -> Parameter {
    Parameter { name, words, schema }
}

pub(crate) const ASKED: &[Parameter] = &[
    parameter("merchant_id", "Of this merchant. A merchant's key sees its own alone.", text),
    parameter("livemode", "Of this mode, or of both. A merchant's key sees its own alone.", flag),
    parameter("type", "Of this type: captured, placed …", text),
    parameter("stream", "Of this kind of stream, or of one stream: payment, or payment/PAY….", text),
    parameter("correlation", "Of this trace: the trace_id of the request that began it all.", text),
    parameter("causation", "Of this command or request: its command_id or request_id.", text),
    parameter("since", "Recorded at this moment or later.", time),
    parameter("until", "Recorded at this moment or before.", time),
    parameter("after", "After this position: `next` of the page before.", position),
    parameter("upto", "Up to this position.", position),
    parameter("limit", "How many at most: 100 where nothing is said.", limit),
];
const LIMIT_ABSENT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;
/// Positions that one page looks at, where it is not of one stream: `next` says where to go on, also when nothing was found.
const STRETCH: i64 = 50_000;

/// Events followed as they come, at once.
const TAILS: usize = 32;
/// So long one is followed: then who asks is asked again who they are. `after` takes up where it ended.
const TAIL_FOR: Duration = Duration::from_secs(60);
/// Between two looks, and between words to say that nothing came.
const TAIL_PAUSE: Duration = Duration::from_millis(100);
const TAIL_SILENCE: Duration = Duration::from_secs(10);
/// Events in one piece.
const TAIL_PIECE: i64 = 200;

/// Who may follow, and until when.
#[derive(Clone)]
pub struct Tails {
    places: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

impl Tails {
    /// All of them end when this turns.
    pub fn until(stopping: watch::Receiver<bool>) -> Self {
        Self { places: Arc::new(Semaphore::new(TAILS)), stopping }
    }
}

fn text() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 200 })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn position() -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0 })
}

fn limit() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX })
}

pub(crate) fn schema() -> Value {
    json!({ "type": "array", "items": { "type": "object",
        "required": ["position", "event_id", "aggregate_type", "aggregate_id", "sequence", "event_type", "event_version",
                     "payload", "metadata", "merchant_id", "livemode", "recorded_at"],
        "properties": {
            "position": { "type": "integer" }, "event_id": { "type": "string" }, "aggregate_type": { "type": "string" },
            "aggregate_id": { "type": "string" }, "sequence": { "type": "integer" }, "event_type": { "type": "string" },
            "event_version": { "type": "string" },
            "payload": { "type": "object", "description": "As it was written; personal values sealed." },
            "metadata": { "type": "object" }, "merchant_id": { "type": ["string", "null"] },
            "livemode": { "type": ["boolean", "null"] }, "recorded_at": { "type": "string" } } } })
}

/// An event as it is told of: payload and metadata byte for byte.
#[derive(Serialize)]
struct Told<'e> {
    position: i64,
    event_id: Uuid,
    aggregate_type: &'e str,
    aggregate_id: &'e str,
    sequence: i64,
    event_type: &'e str,
    event_version: &'e str,
    payload: Box<RawValue>,
    metadata: Box<RawValue>,
    merchant_id: Option<MerchantId>,
    livemode: Option<bool>,
    recorded_at: String,
}

impl<'e> Told<'e> {
    fn of(event: &'e Recorded) -> Result<Self, serde_json::Error> {
        Ok(Self {
            position: event.position,
            event_id: event.event_id,
            aggregate_type: &event.aggregate_type,
            aggregate_id: &event.aggregate_id,
            sequence: event.sequence,
            event_type: &event.event_type,
            event_version: &event.event_version,
            payload: RawValue::from_string(event.payload.to_string())?,
            metadata: RawValue::from_string(event.metadata.to_string())?,
            merchant_id: event.merchant_id.map(MerchantId::new),
            livemode: event.livemode,
            recorded_at: written(event.recorded_at),
        })
    }
}

pub(crate) fn written(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A page as it is told of.
#[derive(Serialize)]
struct Page<'e> {
    code: u8,
    message: &'static str,
    data: Vec<Told<'e>>,
    meta: Value,
}

/// What was asked: which events, and of which stretch of the log.
struct Asked {
    search: Search,
    after: i64,
    upto: Option<i64>,
    limit: i64,
}

/// # Errors
/// Anything amiss with the question, or the log cannot be read.
pub(crate) async fn serve(witness: &Witness, call: &Call) -> Result<Reply, Problem> {
    let mut asked = read(&witness.proofs.store, call).await?;
    if let Some(bound) = call.upto {
        asked.upto = Some(asked.upto.map_or(bound, |upto| upto.min(bound)));
    }
    if call.accept.as_deref().is_some_and(|accept| accept.contains(MEDIA)) {
        return tail(witness, asked);
    }
    let store = &witness.proofs.store;
    let head = store.head().position();
    let upto = asked.upto.unwrap_or(head).min(head);
    let is_of_one = asked.search.aggregate_id.is_some();
    let end = if is_of_one { upto } else { asked.after.saturating_add(STRETCH).min(upto) };
    let events = store.search(&asked.search, asked.after, end, asked.limit).await.map_err(failed)?;
    let is_full = i64::try_from(events.len()).is_ok_and(|count| count >= asked.limit);
    let next = if is_full { events.last().map(|last| last.position) } else { Some(end).filter(|end| *end < upto) };
    let data: Result<Vec<Told<'_>>, serde_json::Error> = events.iter().map(Told::of).collect();
    let data = data.map_err(unreadable)?;
    let message = match call.visit.language {
        Language::English => "found",
        Language::Chinese => "查询成功",
    };
    let looked_upto = if is_full { next } else { Some(end) };
    let meta = json!({ "as_of_position": upto, "looked_upto": looked_upto, "next": next, "has_more": next.is_some() });
    let page = serde_json::to_string(&Page { code: 0, message, data, meta }).map_err(unreadable)?;
    Ok(Reply::new(200, page).counting(events.len()).with("daybook-position", upto.to_string()))
}

fn unreadable(failure: serde_json::Error) -> Problem {
    tracing::error!(%failure, "an event is no JSON");
    Problem::turned_away(door::INTERNAL)
}

async fn read(store: &Store, call: &Call) -> Result<Asked, Problem> {
    let given = Parameters::of(call, ASKED)?;
    let named = |name: &'static str| given.read(name, |text| (1..=200).contains(&text.len()).then(|| text.to_owned()));
    let number = |name| given.read(name, |text| text.parse::<i64>().ok().filter(|number| *number >= 0));
    let when = |name| given.read(name, |text| DateTime::parse_from_rfc3339(text).ok().map(|it| it.to_utc()));
    let (kind, id) = match named("stream")? {
        Some(stream) => match stream.split_once('/') {
            Some((kind, id)) => (Some(kind.to_owned()), Some(id.to_owned())),
            None => (Some(stream), None),
        },
        None => (None, None),
    };
    let mut search = Search {
        merchant_id: given.read("merchant_id", |text| text.parse::<MerchantId>().ok())?.map(MerchantId::uuid),
        livemode: given.read("livemode", |text| text.parse::<bool>().ok())?,
        aggregate_types: kind.map(|kind| vec![kind]),
        aggregate_id: id,
        event_type: named("type")?,
        correlation: named("correlation")?,
        causation: named("causation")?,
    };
    restrict(&call.caller, &mut search)?;
    let mut after = number("after")?.unwrap_or(0);
    let mut upto = number("upto")?;
    if let Some(since) = when("since")? {
        // What was recorded at that very moment is looked for as well.
        let before = since.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(since);
        after = after.max(store.position_at(before).await.map_err(failed)?.position);
    }
    if let Some(until) = when("until")? {
        let by = store.position_at(until).await.map_err(failed)?.position;
        upto = Some(upto.map_or(by, |upto| upto.min(by)));
    }
    let limit = given.read("limit", |text| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)))?;
    Ok(Asked { search, after, upto, limit: limit.unwrap_or(LIMIT_ABSENT) })
}

/// A merchant looks among its own events alone, whatever it asks for.
fn restrict(caller: &Caller, search: &mut Search) -> Result<(), Problem> {
    let Caller::Merchant { merchant_id, livemode, .. } = caller else { return Ok(()) };
    let differs = search.merchant_id.is_some_and(|named| named != merchant_id.uuid())
        || search.livemode.is_some_and(|named| named != *livemode);
    if differs {
        return Err(Problem::turned_away(door::MERCHANT_DIFFERS));
    }
    search.merchant_id = Some(merchant_id.uuid());
    search.livemode = Some(*livemode);
    let theirs = |kind: &String| OF_MERCHANTS.contains(&kind.as_str());
    search.aggregate_types = Some(match search.aggregate_types.take() {
        Some(named) => named.into_iter().filter(theirs).collect(),
        None => OF_MERCHANTS.iter().map(|kind| (*kind).to_owned()).collect(),
    });
    Ok(())
}

pub(crate) const MEDIA: &str = "text/event-stream";

/// One that follows.
struct Tail {
    store: Store,
    asked: Asked,
    stopping: watch::Receiver<bool>,
    ends_at: Instant,
    rows: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
}

/// What is there already, then each as it comes.
fn tail(witness: &Witness, asked: Asked) -> Result<Reply, Problem> {
    let Tails { places, stopping } = witness.tails.clone();
    let place = places.try_acquire_owned().map_err(|_full| Problem::later(door::OVERLOADED, 5))?;
    let (store, ends_at) = (witness.proofs.store.clone(), Instant::now() + TAIL_FOR);
    let rows: Arc<AtomicU64> = Arc::default();
    let begin = Tail { store, asked, stopping, ends_at, rows: Arc::clone(&rows), _place: place };
    let pieces = stream::unfold(begin, |mut tail| async move {
        let piece = tail.next().await?;
        Some((Ok::<_, Infallible>(piece), tail))
    });
    Ok(Reply::streamed(MEDIA, Body::from_stream(pieces)).counted_by(rows).with("x-accel-buffering", "no"))
}

impl Tail {
    /// The next events, or a word that there are none yet; nothing when it is over.
    async fn next(&mut self) -> Option<String> {
        let silent_until = Instant::now() + TAIL_SILENCE;
        let mut head = self.store.head();
        while !*self.stopping.borrow() && Instant::now() < self.ends_at {
            head.mark_seen();
            let at = head.position();
            let end = self.asked.upto.map_or(at, |upto| upto.min(at)).min(self.asked.after.saturating_add(STRETCH));
            if end > self.asked.after {
                let found = self.store.search(&self.asked.search, self.asked.after, end, TAIL_PIECE).await;
                let found = found.inspect_err(|reason| tracing::warn!(%reason, "a tail was broken off")).ok()?;
                let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= TAIL_PIECE);
                self.asked.after = found.last().filter(|_last| is_full).map_or(end, |last| last.position);
                if !found.is_empty() {
                    self.rows.fetch_add(u64::try_from(found.len()).unwrap_or_default(), Ordering::Relaxed);
                    return piece(&found);
                }
            }
            if self.asked.upto.is_some_and(|upto| self.asked.after >= upto) {
                return None;
            }
            if Instant::now() >= silent_until {
                return Some(format!(": nothing new up to {}\n\n", self.asked.after));
            }
            tokio::select! {
                // Where more is there already, at once; else once in so long, however fast events come.
                () = std::future::ready(()), if self.asked.after < at => {}
                _stopping = self.stopping.changed() => {}
                () = async { head.changed().await; tokio::time::sleep(TAIL_PAUSE).await } => {}
                () = tokio::time::sleep_until(silent_until.min(self.ends_at)) => {}
            }
        }
        None
    }
}

/// Some events in the form of server-sent ones.
fn piece(events: &[Recorded]) -> Option<String> {
    let mut piece = String::new();
    for event in events {
        let told = Told::of(event).and_then(|told| serde_json::to_string(&told));
        let told = told.inspect_err(|reason| tracing::error!(%reason, "an event is no JSON")).ok()?;
        // Between the tokens of JSON a line may end, within them it cannot.
        let told = told.replace(['\n', '\r'], " ");
        write!(piece, "id: {}\nevent: {}\ndata: {told}\n\n", event.position, event.event_type).ok()?;
    }
    Some(piece)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::id::{ApiKeyId, OperatorId};

    use super::*;

    fn merchant(number: u128, livemode: bool) -> Caller {
        let (merchant_id, key_id) = (MerchantId::new(Uuid::from_u128(number)), ApiKeyId::new(Uuid::nil()));
        Caller::Merchant { merchant_id, livemode, key_id }
    }

    #[test]
    fn a_merchant_looks_among_its_own_whatever_it_asks_for() {
        let mut all = Search::default();
        restrict(&merchant(1, false), &mut all).unwrap();
        assert_eq!((all.merchant_id, all.livemode), (Some(Uuid::from_u128(1)), Some(false)));
        assert_eq!(all.aggregate_types.unwrap(), OF_MERCHANTS);
        let mut sagas = Search { aggregate_types: Some(vec!["saga".to_owned()]), ..Search::default() };
        restrict(&merchant(1, false), &mut sagas).unwrap();
        assert_eq!(sagas.aggregate_types, Some(Vec::new()), "none of these: nothing is found");
        let another = Search { merchant_id: Some(Uuid::from_u128(2)), ..Search::default() };
        assert!(restrict(&merchant(1, false), &mut another.clone()).is_err());
        let other_mode = Search { livemode: Some(true), ..Search::default() };
        assert!(restrict(&merchant(1, false), &mut other_mode.clone()).is_err());
        let operator = Caller::Operator { operator_id: OperatorId::new(Uuid::nil()), roles: BTreeSet::new() };
        let mut of_the_house = another.clone();
        restrict(&operator, &mut of_the_house).unwrap();
        assert_eq!(of_the_house, another);
    }
}
