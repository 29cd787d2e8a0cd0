//! Events of older shapes are read as the newest, by cqrs-es's upcasters in order.

use cqrs_es::persist::{EventUpcaster, SerializedEvent};
use domain::aggregate::Event;

use crate::kind::decode;
use crate::recorded::Recorded;

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
        if self.0.iter().any(|upcaster| upcaster.can_upcast(&event.event_type, &event.event_version)) {
            let newest = self.lift(serialized(event)?);
            decode(&newest.payload.to_string(), &newest.event_version, event.position)
        } else {
            decode(&event.payload, &event.event_version, event.position)
        }
    }

    pub(crate) fn lift(&self, event: SerializedEvent) -> SerializedEvent {
        self.0.iter().fold(event, |event, upcaster| {
            if upcaster.can_upcast(&event.event_type, &event.event_version) { upcaster.upcast(event) } else { event }
        })
    }
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
