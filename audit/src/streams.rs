//! A stream as it was: its aggregate folded up to a position or a moment.

use chrono::{DateTime, Utc};
use domain::fact::State;
use domain::id::MerchantId;
use event_store::Recorded;
use gate::{Call, Language, Parameter, Parameters, Problem, Reply, rules as door};
use serde_json::{Value, json};

use crate::events::written;
use crate::routes::{Witness, failed};
use crate::rules;

pub(crate) const ASKED: &[Parameter] = &[Parameter {
    name: "at",
    words: "As it was at this position of the log, or at this moment; as it is now where nothing is said.",
    schema: || json!({ "type": "string", "description": "A position, or a moment as RFC 3339 writes it." }),
}];

/// Events of one stream that are folded, at most, and how many are read at once.
const EVENTS_MAX: i64 = 50_000;
const STRETCH: i64 = 2_000;

pub(crate) fn schema() -> Value {
    json!({ "type": "object", "required": ["type", "id", "version", "state"], "properties": {
        "type": { "type": "string" }, "id": { "type": "string" },
        "version": { "type": "integer", "description": "How many events it had." },
        "first_position": { "type": "integer" }, "last_position": { "type": "integer" },
        "last_event": { "type": "string" }, "recorded_at": { "type": "string" },
        "merchant_id": { "type": ["string", "null"] }, "livemode": { "type": ["boolean", "null"] },
        "state": { "type": "object", "description": "What the rules decide on; personal values sealed." } } })
}

enum At {
    Position(i64),
    Moment(DateTime<Utc>),
}

fn at(text: &str) -> Option<At> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        return text.parse().ok().map(At::Position);
    }
    DateTime::parse_from_rfc3339(text).ok().map(|moment| At::Moment(moment.to_utc()))
}

/// # Errors
/// Anything amiss with the question, or the log cannot be read.
pub(crate) async fn serve(witness: &Witness, call: &Call) -> Result<Reply, Problem> {
    let given = Parameters::of(call, ASKED)?;
    let store = &witness.proofs.store;
    let end = store.head().position();
    let head = call.upto.map_or(end, |upto| upto.min(end));
    let (upto, is_final) = match given.read("at", at)? {
        None => (head, None),
        // What is before the end of the log never changes.
        Some(At::Position(position)) => (position.min(head), Some(position <= head)),
        Some(At::Moment(moment)) => {
            let found = store.position_at(moment).await.map_err(failed)?;
            (found.position.min(head), Some(found.is_final && found.position <= head))
        }
    };
    let absent = || Problem::turned_away(rules::STREAM_ABSENT);
    let (kind, id) = (call.path("type"), call.path("id"));
    let mut state = State::empty(kind).ok_or_else(absent)?;
    let (mut first, mut last, mut after) = (None::<Recorded>, None::<Recorded>, 0);
    'whole: loop {
        let events = store.stream_events(kind, id, after, STRETCH).await.map_err(failed)?;
        let is_end = i64::try_from(events.len()).is_ok_and(|count| count < STRETCH);
        for event in events {
            if !call.caller.may_see(&event) {
                return Err(absent());
            }
            if event.position > upto {
                break 'whole;
            }
            fold(witness, &mut state, &event)?;
            after = event.sequence;
            first.get_or_insert_with(|| event.clone());
            last = Some(event);
        }
        if is_end {
            break;
        }
        if after >= EVENTS_MAX {
            return Err(Problem::turned_away(rules::STREAM_TOO_LONG));
        }
    }
    let (Some(first), Some(last)) = (first, last) else { return Err(absent()) };
    let data = json!({
        "type": kind, "id": id, "version": last.sequence, "first_position": first.position, "last_position": last.position,
        "last_event": last.event_type, "recorded_at": written(last.recorded_at),
        "merchant_id": last.merchant_id.map(MerchantId::new), "livemode": last.livemode, "state": state,
    });
    let message = match call.visit.language {
        Language::English => "found",
        Language::Chinese => "查询成功",
    };
    let meta = json!({ "as_of_position": upto, "final": is_final });
    let body = json!({ "code": 0, "message": message, "data": data, "meta": meta });
    Ok(Reply::new(200, body.to_string()).counting(1).with("daybook-position", upto.to_string()))
}

fn fold(witness: &Witness, state: &mut State, event: &Recorded) -> Result<(), Problem> {
    let unreadable = |reason: String| {
        tracing::error!(%reason, "a stream could not be folded");
        Problem::turned_away(door::INTERNAL)
    };
    let fact = witness.proofs.store.upcasters().fact(event).map_err(unreadable)?;
    if state.apply(&fact) { Ok(()) } else { Err(unreadable(format!("position {} is of another kind", event.position))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_or_a_moment_and_nothing_else() {
        assert!(matches!(at("42"), Some(At::Position(42))));
        assert!(matches!(at("2026-01-01T00:00:00Z"), Some(At::Moment(_))));
        for text in ["", "-1", "+1", "1.0", "now", "2026-01-01", "99999999999999999999"] {
            assert!(at(text).is_none(), "{text}");
        }
    }
}
