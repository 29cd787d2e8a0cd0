//! An event as a message: CloudEvents 1.0, binary mode, and back again to the byte.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use event_store::Recorded;
use rdkafka::message::{Header, Headers as _, Message, OwnedHeaders};
use uuid::Uuid;

use crate::chain::Link;

/// What produces the events; with the id it makes an event unique.
pub const SOURCE: &str = "/daybook";
/// The type of watermarks: they carry no event, and consumers that want none pass over them.
pub const WATERMARK: &str = "daybook_watermark";
/// About how many bytes the headers of a message take, and those of Kafka around it.
pub(crate) const OVERHEAD: usize = 1_024;

/// The headers of an event, in order. `docs/asyncapi.yaml` is made from this list, and a test holds it against what is
/// sent.
pub const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/json"),
    ("ce_specversion", "1.0"),
    ("ce_id", "The id of the event, unique for ever"),
    ("ce_source", "/daybook"),
    ("ce_type", "The type of the event: that of its aggregate and its own, with a . between"),
    ("ce_subject", "The stream it is of: its aggregate's type and id, with a / between"),
    ("ce_time", "When the log took it, RFC 3339 with microseconds"),
    ("ce_dataschema", "The schema of the payload, by type and version"),
    ("ce_sequence", "Its number in the stream, nineteen digits"),
    ("ce_position", "Its place in the log: dense, in the order of commits"),
    ("ce_previous", "The position of the event before it in this partition; 0 where it is the first"),
    ("ce_partitionkey", "The merchant it is of, or `ledger`: also the key of the message"),
    ("ce_livemode", "Whether it is about real money; absent where it is about neither"),
    ("ce_traceparent", "The trace of the request it came of (W3C), where that is known"),
    ("daybook_metadata", "Who asked and how: a JSON object of strings, as the log holds it"),
];

/// The headers of a watermark, in order.
pub const HEADERS_OF_A_WATERMARK: &[(&str, &str)] = &[
    ("ce_specversion", "1.0"),
    ("ce_id", "Position and partition"),
    ("ce_source", "/daybook"),
    ("ce_type", "daybook_watermark"),
    ("ce_time", "When it was sent"),
    ("ce_position", "Every event of this partition up to here was sent before"),
    ("ce_previous", "The position of the last event in this partition; 0 where there is none"),
    ("ce_eventid", "The id of the event at that position of the log"),
];

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Event {
        event: Arc<Recorded>,
        previous: i64,
    },
    /// Every event of the partition up to this position was sent before it.
    Watermark {
        position: i64,
        previous: i64,
        event_id: Option<Uuid>,
    },
}

impl Said {
    pub fn link(&self) -> Link {
        match self {
            Self::Event { event, previous } => {
                Link { position: event.position, previous: *previous, event_id: Some(event.event_id) }
            }
            Self::Watermark { position, previous, event_id: _ } => {
                Link { position: *position, previous: *previous, event_id: None }
            }
        }
    }
}

/// This message is none of ours, or was damaged.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a message that is no event of a ledger: its {0} is missing or not understood")]
pub struct Foreign(&'static str);

/// The headers an event is sent with.
pub fn headers(event: &Recorded, previous: i64, key: &str) -> OwnedHeaders {
    let Recorded { aggregate_type, aggregate_id, event_type, event_version, .. } = event;
    let id = event.event_id.hyphenated();
    let mut headers = OwnedHeaders::new_with_capacity(HEADERS.len());
    for (name, value) in [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", id.encode_lower(&mut Uuid::encode_buffer())),
        ("ce_source", SOURCE),
        ("ce_type", &format!("{aggregate_type}.{event_type}")),
        ("ce_subject", &format!("{aggregate_type}/{aggregate_id}")),
        ("ce_time", &time(event.recorded_at)),
        ("ce_dataschema", &dataschema(aggregate_type, event_type, event_version)),
        ("ce_sequence", &format!("{:019}", event.sequence)),
        ("ce_position", &event.position.to_string()),
        ("ce_previous", &previous.to_string()),
        ("ce_partitionkey", key),
    ] {
        headers = headers.insert(Header { key: name, value: Some(value) });
    }
    if let Some(livemode) = event.livemode {
        headers = headers.insert(Header { key: "ce_livemode", value: Some(if livemode { "true" } else { "false" }) });
    }
    if let Some(trace) = traces::traceparent(&event.metadata) {
        headers = headers.insert(Header { key: "ce_traceparent", value: Some(trace) });
    }
    headers.insert(Header { key: "daybook_metadata", value: Some(&*event.metadata) })
}

/// The headers of a watermark.
pub(crate) fn watermark(partition: usize, position: i64, previous: i64, at: Uuid, now: DateTime<Utc>) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(HEADERS_OF_A_WATERMARK.len());
    for (name, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", format!("{position}-{partition}").as_str()),
        ("ce_source", SOURCE),
        ("ce_type", WATERMARK),
        ("ce_time", &time(now)),
        ("ce_position", &position.to_string()),
        ("ce_previous", &previous.to_string()),
        ("ce_eventid", &at.hyphenated().to_string()),
    ] {
        headers = headers.insert(Header { key: name, value: Some(value) });
    }
    headers
}

/// The name of the schema of an event's payload.
pub fn dataschema(aggregate_type: &str, event_type: &str, event_version: &str) -> String {
    format!("urn:daybook:event:{aggregate_type}.{event_type}:{event_version}")
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads a message back.
///
/// # Errors
/// It is none of ours.
pub fn read<M: Message>(message: &M) -> Result<Said, Foreign> {
    let found = Found::of(message)?;
    let named = found.text("ce_type")?;
    let (position, previous) = (found.number("ce_position")?, found.number("ce_previous")?);
    if named == WATERMARK {
        return Ok(Said::Watermark { position, previous, event_id: found.uuid("ce_eventid").ok() });
    }
    let (aggregate_type, aggregate_id) = found.text("ce_subject")?.split_once('/').ok_or(Foreign("ce_subject"))?;
    let (_of_the_aggregate, event_type) = named.split_once('.').ok_or(Foreign("ce_type"))?;
    let version = found.text("ce_dataschema")?.rsplit_once(':').ok_or(Foreign("ce_dataschema"))?.1;
    let recorded_at =
        DateTime::parse_from_rfc3339(found.text("ce_time")?).map_err(|_not_a_time| Foreign("ce_time"))?.to_utc();
    let event = Recorded {
        position,
        event_id: found.uuid("ce_id")?,
        aggregate_type: aggregate_type.to_owned().into(),
        aggregate_id: aggregate_id.into(),
        sequence: found.number("ce_sequence")?,
        event_type: event_type.to_owned().into(),
        event_version: version.to_owned().into(),
        payload: text(message.payload()).ok_or(Foreign("payload"))?.into(),
        metadata: found.text("daybook_metadata")?.into(),
        merchant_id: found.uuid("ce_partitionkey").ok(),
        livemode: found.text("ce_livemode").ok().map(|livemode| livemode == "true"),
        recorded_at,
    };
    Ok(Said::Event { event: Arc::new(event), previous })
}

/// What its headers say; each was asked of Kafka's library once, which is the dear part of reading.
struct Found<'m>(Vec<(&'m str, &'m [u8])>);

impl<'m> Found<'m> {
    fn of<M: Message>(message: &'m M) -> Result<Self, Foreign> {
        let headers = message.headers().ok_or(Foreign("headers"))?;
        let mut found = Vec::with_capacity(HEADERS.len());
        found.extend(headers.iter().filter_map(|header| header.value.map(|value| (header.key, value))));
        Ok(Self(found))
    }

    fn text(&self, name: &'static str) -> Result<&'m str, Foreign> {
        let value = self.0.iter().find(|(key, _value)| *key == name);
        text(value.map(|(_key, value)| *value)).ok_or(Foreign(name))
    }

    fn number(&self, name: &'static str) -> Result<i64, Foreign> {
        self.text(name)?.parse().map_err(|_not_a_number| Foreign(name))
    }

    fn uuid(&self, name: &'static str) -> Result<Uuid, Foreign> {
        self.text(name)?.parse().map_err(|_not_an_id| Foreign(name))
    }
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;
    use crate::key::key;

    fn event(merchant_id: Option<Uuid>, livemode: Option<bool>, metadata: &str) -> Recorded {
        Recorded {
            position: 42,
            event_id: Uuid::from_u128(7),
            aggregate_type: "payment".into(),
            aggregate_id: "PAY/1".into(),
            sequence: 3,
            event_type: "payment_captured".into(),
            event_version: "1.0".into(),
            payload: r#"{ "payment_captured" : {"amount":1} }"#.into(),
            metadata: metadata.into(),
            merchant_id,
            livemode,
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_000_123).unwrap(),
        }
    }

    fn message(headers: OwnedHeaders, payload: Option<&str>) -> OwnedMessage {
        let payload = payload.map(|payload| payload.as_bytes().to_vec());
        OwnedMessage::new(payload, None, "t".to_owned(), Timestamp::NotAvailable, 0, 0, Some(headers))
    }

    fn names(headers: &OwnedHeaders) -> Vec<String> {
        headers.iter().map(|header| header.key.to_owned()).collect()
    }

    #[test]
    fn an_event_comes_back_to_the_byte() {
        let trace = r#"{"command_id":"c","traceparent":"00-ab-cd-01"}"#;
        for event in [
            event(Some(Uuid::from_u128(9)), Some(true), trace),
            event(Some(Uuid::from_u128(9)), Some(false), "{}"),
            event(None, None, r#"{"a":"ä\n"}"#),
        ] {
            let sent = message(headers(&event, 40, &key(&event)), Some(&event.payload));
            assert_eq!(read(&sent).unwrap(), Said::Event { event: Arc::new(event), previous: 40 });
        }
    }

    #[test]
    fn every_header_is_documented_and_in_order() {
        let event = event(Some(Uuid::from_u128(9)), Some(true), r#"{"traceparent":"00-ab-cd-01"}"#);
        let documented = |list: &[(&str, &str)]| list.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        let sent = headers(&event, 40, "k");
        assert_eq!(names(&sent), documented(HEADERS));
        let mark = watermark(2, 42, 40, Uuid::from_u128(7), event.recorded_at);
        assert_eq!(names(&mark), documented(HEADERS_OF_A_WATERMARK));
        let said = read(&message(mark, None)).unwrap();
        assert_eq!(said, Said::Watermark { position: 42, previous: 40, event_id: Some(Uuid::from_u128(7)) });
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        assert!(read(&message(OwnedHeaders::new(), Some("{}"))).is_err());
        let without = event(None, None, "{}");
        assert!(read(&message(headers(&without, 1, "k"), None)).is_err());
    }
}
