//! Spans as OTLP has them in its JSON form, written without a tree of values between.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use traces::{Context, Kind, Span, Value};

/// What is sent of these spans.
///
/// # Errors
/// None: what is written is text and numbers.
pub(crate) fn document(spans: &[Span]) -> serde_json::Result<Vec<u8>> {
    let (name, version) = (Value::text("daybook"), Value::text(env!("CARGO_PKG_VERSION")));
    let attributes = [Attribute::of("service.name", &name), Attribute::of("service.version", &version)];
    let spans = Each(spans.iter().map(Told::of));
    let scope = Scope { name: "daybook" };
    serde_json::to_vec(&Document {
        resource_spans: [ResourceSpans {
            resource: Resource { attributes },
            scope_spans: [ScopeSpans { scope, spans }],
        }],
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'s, S: Serialize> {
    resource_spans: [ResourceSpans<'s, S>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'s, S: Serialize> {
    resource: Resource<'s>,
    scope_spans: [ScopeSpans<S>; 1],
}

#[derive(Serialize)]
struct Resource<'s> {
    attributes: [Attribute<'s>; 2],
}

#[derive(Serialize)]
struct ScopeSpans<S: Serialize> {
    scope: Scope,
    spans: S,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'s> {
    trace_id: &'s str,
    span_id: &'s str,
    parent_span_id: &'s str,
    name: &'s str,
    kind: u8,
    #[serde(serialize_with = "nanos")]
    start_time_unix_nano: SystemTime,
    #[serde(serialize_with = "nanos")]
    end_time_unix_nano: SystemTime,
    attributes: Vec<Attribute<'s>>,
    links: Vec<Link<'s>>,
    status: Status,
}

impl<'s> Told<'s> {
    fn of(span: &'s Span) -> Self {
        Self {
            trace_id: &span.context.trace_id,
            span_id: &span.context.span_id,
            parent_span_id: span.parent_id.as_deref().unwrap_or_default(),
            name: &span.name,
            kind: match span.kind {
                Kind::Internal => 1,
                Kind::Server => 2,
                Kind::Client => 3,
                Kind::Producer => 4,
                Kind::Consumer => 5,
            },
            start_time_unix_nano: span.begun_at,
            end_time_unix_nano: span.ended_at,
            attributes: span.attributes.iter().map(|(key, value)| Attribute::of(key, value)).collect(),
            links: span.link.iter().map(Link::of).collect(),
            status: Status { code: if span.is_error { 2 } else { 0 } },
        }
    }
}

#[derive(Serialize)]
struct Attribute<'s> {
    key: &'s str,
    value: Held<'s>,
}

impl<'s> Attribute<'s> {
    fn of(key: &'s str, value: &'s Value) -> Self {
        let value = match value {
            Value::Text(text) => Held::Text(text),
            Value::Whole(number) => Held::Whole(*number),
        };
        Self { key, value }
    }
}

#[derive(Serialize)]
enum Held<'s> {
    #[serde(rename = "stringValue")]
    Text(&'s str),
    #[serde(rename = "intValue", serialize_with = "as_text")]
    Whole(i64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'s> {
    trace_id: &'s str,
    span_id: &'s str,
}

impl<'s> Link<'s> {
    fn of(context: &'s Context) -> Self {
        Self { trace_id: &context.trace_id, span_id: &context.span_id }
    }
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

/// A list that is made while it is written.
struct Each<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// Whole numbers of 64 bits are text in this form.
fn as_text<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn nanos<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_span_is_written_as_otlp_has_it() {
        let context = |span_id: &str| Context { trace_id: "t".to_owned(), span_id: span_id.to_owned() };
        let span = Span {
            context: context("s"),
            parent_id: None,
            name: "a \"name\"".into(),
            kind: Kind::Consumer,
            begun_at: UNIX_EPOCH + Duration::from_nanos(7),
            ended_at: UNIX_EPOCH + Duration::from_secs(1),
            attributes: vec![("text", Value::text("one")), ("whole", Value::Whole(-2))],
            is_error: true,
            link: Some(context("l")),
        };
        let told: serde_json::Value = serde_json::from_slice(&document(&[span]).unwrap()).unwrap();
        let of_resource = &told["resourceSpans"][0];
        let expected = json!({ "key": "service.name", "value": { "stringValue": "daybook" } });
        assert_eq!(of_resource["resource"]["attributes"][0], expected);
        assert_eq!(of_resource["scopeSpans"][0]["scope"]["name"], "daybook");
        let expected = json!([{
            "traceId": "t", "spanId": "s", "parentSpanId": "", "name": "a \"name\"", "kind": 5,
            "startTimeUnixNano": "7", "endTimeUnixNano": "1000000000",
            "attributes": [{ "key": "text", "value": { "stringValue": "one" } },
                           { "key": "whole", "value": { "intValue": "-2" } }],
            "links": [{ "traceId": "t", "spanId": "l" }], "status": { "code": 2 },
        }]);
        assert_eq!(of_resource["scopeSpans"][0]["spans"], expected);
    }
}
