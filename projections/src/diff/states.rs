//! Streams written to between two positions: what happened, and their states at both.

use std::collections::BTreeMap;

use domain::fact::State;
use event_store::Recorded;
use gate::{Problem, rules};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::query::Reads;
use crate::query::answer::failed;

/// Read at once, of the log and of one stream.
const STRETCH: usize = 1_000;
/// Events that are folded for one page, but for its first stream; then the next page goes on.
const FOLDED_MAX: usize = 20_000;
/// Of a longer stream the states are not told.
const STREAM_MAX: usize = 20_000;

/// Kind and id.
pub(super) type Name = (String, String);

/// Some streams by kind, and where the next page goes on.
pub(super) struct Page {
    pub(super) streams: Value,
    pub(super) next: Option<String>,
}

/// A stream as a page names its last one.
pub(super) fn name(text: &str) -> Option<Name> {
    text.split_once('/').map(|(kind, id)| (kind.to_owned(), id.to_owned()))
}

/// The streams of these merchants and this mode, in the order of their names.
///
/// # Errors
/// The log cannot be read, or an event not be understood.
pub(super) async fn page(
    reads: &Reads,
    whose: (Option<bool>, Option<Uuid>),
    between: (i64, i64),
    (after, limit): (Option<Name>, usize),
) -> Result<Page, Problem> {
    let touched = touched(reads, whose, between).await?;
    let mut rest = touched.into_iter().filter(|(name, _events)| after.as_ref().is_none_or(|after| name > after));
    let (mut kinds, mut last, mut folded_count) = (BTreeMap::<String, Vec<Value>>::new(), None, 0_usize);
    for (name, events) in rest.by_ref().take(limit) {
        let states = States::of(reads, &name, between).await?;
        folded_count = folded_count.saturating_add(states.folded_count);
        let told = json!({ "id": name.1, "events": events, "before": states.before, "after": states.after });
        kinds.entry(name.0.clone()).or_default().push(told);
        last = Some(name);
        if folded_count >= FOLDED_MAX {
            break;
        }
    }
    let next = rest.next().and(last).map(|(kind, id)| format!("{kind}/{id}"));
    let streams: Map<String, Value> = kinds.into_iter().map(|(kind, streams)| (kind, streams.into())).collect();
    Ok(Page { streams: streams.into(), next })
}

/// What happened to each between the two.
async fn touched(
    reads: &Reads,
    (livemode, merchant_id): (Option<bool>, Option<Uuid>),
    (from, to): (i64, i64),
) -> Result<BTreeMap<Name, Vec<Value>>, Problem> {
    let mut touched: BTreeMap<Name, Vec<Value>> = BTreeMap::new();
    let theirs = |event: &Recorded| {
        event.position <= to
            && merchant_id.is_none_or(|merchant_id| event.merchant_id == Some(merchant_id))
            && livemode.is_none_or(|livemode| event.livemode.is_none_or(|mode| mode == livemode))
    };
    let mut after = from;
    while after < to {
        let events = reads.gate.store.events(after, STRETCH).await.map_err(failed)?;
        let Some(last) = events.last().map(|last| last.position) else { break };
        for event in events.iter().filter(|event| theirs(event)) {
            let name = (event.aggregate_type.to_string(), event.aggregate_id.to_string());
            let told =
                json!({ "position": event.position, "sequence": event.sequence, "event_type": event.event_type });
            touched.entry(name).or_default().push(told);
        }
        after = last;
    }
    Ok(touched)
}

/// One stream at both positions; null where it had not begun, or has too many events to be folded here.
struct States {
    before: Value,
    after: Value,
    folded_count: usize,
}

impl States {
    async fn of(reads: &Reads, (kind, id): &Name, (from, to): (i64, i64)) -> Result<Self, Problem> {
        let Some(mut state) = State::empty(kind) else { return Err(unreadable(format!("no stream is called {kind}"))) };
        let (store, upcasters) = (&reads.gate.store, reads.gate.store.upcasters());
        let (mut before, mut is_behind, mut sequence, mut folded_count) = (Value::Null, false, 0, 0_usize);
        'whole: loop {
            let most = i64::try_from(STRETCH).unwrap_or(i64::MAX);
            let events = store.stream_events(kind, id, sequence, most).await.map_err(failed)?;
            let is_end = events.len() < STRETCH;
            for event in events {
                if event.position > from && !is_behind {
                    is_behind = true;
                    before = if sequence > 0 { json!({ "version": sequence, "state": state }) } else { Value::Null };
                }
                if event.position > to {
                    break 'whole;
                }
                let fact = upcasters.fact(&event).map_err(unreadable)?;
                if !state.apply(&fact) {
                    return Err(unreadable(format!("position {} is of another kind", event.position)));
                }
                sequence = event.sequence;
                folded_count = folded_count.saturating_add(1);
            }
            if is_end {
                break;
            }
            if folded_count >= STREAM_MAX {
                return Ok(Self { before: Value::Null, after: Value::Null, folded_count });
            }
        }
        Ok(Self { before, after: json!({ "version": sequence, "state": state }), folded_count })
    }
}

fn unreadable(reason: String) -> Problem {
    tracing::error!(%reason, "a stream could not be folded");
    Problem::turned_away(rules::INTERNAL)
}
