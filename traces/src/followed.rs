//! Spans of what follows the log, in the traces of the requests it came of.

use std::time::SystemTime;

use crate::span::{Context, Kind, Span, Value, new_span_id};
use crate::tracer;

/// What an event's metadata says of its trace. It is an object of strings that the store wrote: what stands between the
/// quotes needs no unescaping.
pub fn traceparent(metadata: &str) -> Option<&str> {
    let (_before, after) = metadata.split_once("\"traceparent\":\"")?;
    after.split_once('"').map(|(value, _rest)| value)
}

/// An event of a trace that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    pub position: i64,
    asked_by: Context,
}

impl Traced {
    /// Nothing where nobody collects.
    pub fn of(position: i64, metadata: &str) -> Option<Self> {
        let parent = tracer::is_on().then(|| traceparent(metadata)).flatten()?;
        Some(Self { position, asked_by: Context::parse(parent)? })
    }
}

/// Something was done with events, in the order of the log: one span for each run of them that came of one request.
pub fn followed(name: &str, kind: Kind, begun_at: SystemTime, events: impl IntoIterator<Item = Traced>) {
    let ended_at = SystemTime::now();
    let mut last: Option<Context> = None;
    for Traced { position, asked_by } in events {
        if last.as_ref() == Some(&asked_by) {
            continue;
        }
        last = Some(asked_by.clone());
        tracer::record(Span {
            context: Context { trace_id: asked_by.trace_id.clone(), span_id: new_span_id() },
            parent_id: Some(asked_by.span_id.clone()),
            name: name.to_owned().into(),
            kind,
            begun_at,
            ended_at,
            attributes: vec![("position", Value::Whole(position))],
            is_error: false,
            link: Some(asked_by),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_names_a_trace_or_none() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&format!("{{\"a\":\"b\",\"traceparent\":\"{parent}\"}}")), Some(parent));
        assert_eq!(traceparent("{\"a\":\"traceparent\"}"), None);
        assert_eq!(Traced::of(1, &format!("{{\"traceparent\":\"{parent}\"}}")), None, "nobody collects");
    }
}
