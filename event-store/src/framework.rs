//! Our aggregates as cqrs-es aggregates: one newtype over pure `decide` and `apply`.

use cqrs_es::{DomainEvent, event_sink::EventSink};
use domain::aggregate::{Aggregate, Event};
use serde::{Deserialize, Serialize};

/// An aggregate of ours, as cqrs-es, its test framework and postgres-es see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Framework<A: Aggregate>(pub A);

/// An event of ours, with the payload exactly as the log stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Framed<E: Event>(pub E);

impl<E: Event> DomainEvent for Framed<E> {
    fn event_type(&self) -> String {
        self.0.event_type().to_owned()
    }

    fn event_version(&self) -> String {
        self.0.event_version().to_owned()
    }
}

impl<A: Aggregate> cqrs_es::Aggregate for Framework<A> {
    const TYPE: &'static str = A::TYPE;
    type Command = A::Command;
    type Event = Framed<A::Event>;
    type Error = A::Refusal;
    type Services = ();

    async fn handle(&mut self, command: A::Command, _services: &(), sink: &EventSink<Self>) -> Result<(), A::Refusal> {
        for event in self.0.decide(&command)? {
            sink.write(Framed(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Framed<A::Event>) {
        self.0.apply(&event.0);
    }
}
