//! Events of older shapes are read as the newest, by cqrs-es's upcasters in order.

use std::error::Error;
use std::sync::Arc;

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use domain::aggregate::Event;
use domain::fact::Fact;

use crate::bulk::Glance;
use crate::kind::{decode, is_same_version};
use crate::recorded::Recorded;
use crate::store::Store;

impl Store {
    /// How this store reads events of older shapes.
    pub fn upcasters(&self) -> Arc<Upcasters> {
        Arc::clone(&self.shared.upcasters)
    }
}

/// The upcasters of all event types, oldest version first. Event types are named once in the whole ledger.
#[derive(Default)]
pub struct Upcasters(Vec<Box<dyn EventUpcaster>>);

impl Upcasters {
    pub fn new(in_order: Vec<Box<dyn EventUpcaster>>) -> Self {
        Self(in_order)
    }

    /// Reads a recorded event as the type of today.
    ///
    /// # Errors
    /// A sentence saying why this program cannot understand the event; it must then stop, never skip.
    pub fn decode<E: Event>(&self, event: &Recorded) -> Result<E, String> {
        if self.can_lift(event) {
            let newest = self.lift(serialized(event)?);
            decode(&newest.payload.to_string(), &newest.event_version, event.position)
        } else {
            decode(&event.payload, &event.event_version, event.position)
        }
    }

    /// Reads a recorded event of whichever stream as the fact of today.
    ///
    /// # Errors
    /// As [`Upcasters::decode`].
    pub fn fact(&self, event: &Recorded) -> Result<Fact, String> {
        if self.can_lift(event) {
            let newest = self.lift(serialized(event)?);
            fact(&newest.aggregate_type, &newest.payload.to_string(), &newest.event_version, event.position)
        } else {
            fact(&event.aggregate_type, &event.payload, &event.event_version, event.position)
        }
    }

    /// The same of an event as it came over the wire, which also must be what it is labelled as.
    ///
    /// # Errors
    /// As [`Upcasters::decode`].
    pub fn fact_of(&self, event: &Glance<'_>) -> Result<Fact, String> {
        let Glance { position, aggregate_type, event_type, event_version, payload, .. } = *event;
        let is_old = self.0.iter().any(|upcaster| upcaster.can_upcast(event_type, event_version));
        let read = if is_old {
            let recorded = event.recorded().ok_or_else(|| format!("position {position} has no time there is"))?;
            self.fact(&recorded)?
        } else {
            fact(aggregate_type, payload, event_version, position)?
        };
        if is_old || read.event_type() == event_type {
            return Ok(read);
        }
        Err(format!("position {position} is labelled {event_type}, and its payload is a {}", read.event_type()))
    }

    /// Makes sure that this program knows events of this type and version, without reading its payload.
    ///
    /// # Errors
    /// As [`Upcasters::decode`].
    pub fn must_know(&self, event: &Recorded) -> Result<(), String> {
        let known = Fact::known(&event.aggregate_type, &event.event_type);
        let is_known = known.is_some_and(|known| is_same_version(known.event_version, &event.event_version));
        if is_known || self.can_lift(event) {
            return Ok(());
        }
        let Recorded { position, aggregate_type, event_type, event_version, .. } = event;
        Err(format!(
            "position {position} is a {event_type} of {aggregate_type} of version {event_version}, which this program \
             does not know"
        ))
    }

    fn can_lift(&self, event: &Recorded) -> bool {
        self.0.iter().any(|upcaster| upcaster.can_upcast(&event.event_type, &event.event_version))
    }

    pub(crate) fn lift(&self, event: SerializedEvent) -> SerializedEvent {
        self.0.iter().fold(event, |event, upcaster| {
            if upcaster.can_upcast(&event.event_type, &event.event_version) { upcaster.upcast(event) } else { event }
        })
    }
}

fn fact(aggregate_type: &str, payload: &str, event_version: &str, position: i64) -> Result<Fact, String> {
    let fact = Fact::read(aggregate_type, &mut serde_json::Deserializer::from_str(payload))
        .map_err(|reason| format!("position {position} is not understood: {}", causes(&reason)))?;
    if is_same_version(fact.event_version(), event_version) {
        return Ok(fact);
    }
    Err(format!(
        "position {position} is a {} of version {event_version}, and this program knows version {}",
        fact.event_type(),
        fact.event_version()
    ))
}

fn causes(failure: &dyn Error) -> String {
    failure.source().map_or_else(|| failure.to_string(), |source| format!("{failure}: {source}"))
}

/// The event in the form cqrs-es works on.
pub(crate) fn serialized(event: &Recorded) -> Result<SerializedEvent, String> {
    let json =
        |text: &str| serde_json::from_str(text).map_err(|reason| format!("position {}: {reason}", event.position));
    Ok(SerializedEvent::new(
        event.aggregate_id.to_string(),
        usize::try_from(event.sequence).map_err(|reason| format!("position {}: {reason}", event.position))?,
        event.aggregate_type.to_string(),
        event.event_type.to_string(),
        event.event_version.to_string(),
        json(&event.payload)?,
        json(&event.metadata)?,
    ))
}
