//! What every aggregate is: a state that decides commands and is folded from events.

use serde::{Serialize, de::DeserializeOwned};

use crate::refusal::Refusal;

/// A fact in the past tense. Serialised with an outer tag equal to [`Event::event_type`], so that a stored payload
/// says by itself what it is.
pub trait Event: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The business word under which the event is stored, for ever.
    fn event_type(&self) -> &'static str;

    /// The version of the payload's shape, as `major.minor`; older ones are upcast when read.
    fn event_version(&self) -> &'static str;
}

/// A consistency boundary: one stream of events, one folded state, one place where its commands are decided.
pub trait Aggregate: Clone + Default + std::fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the kind of stream, for ever.
    const TYPE: &'static str;

    /// Raised whenever the folded state changes shape: snapshots of another version are ignored, never read.
    const STATE_VERSION: i32;

    type Command: Send + Sync + 'static;
    type Event: Event;
    type Refusal: Refusal;

    /// Decides a command on the current state. It can only refuse; a command that is already true yields no event.
    ///
    /// # Errors
    /// The business refusal, with its stable code.
    fn decide(&self, command: &Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Folds one event into the state. It cannot fail: what was decided is true.
    fn apply(&mut self, event: &Self::Event);
}

/// Names the events of an aggregate for ever, each with the version of its shape.
macro_rules! events_named {
    ($event:ident { $($variant:ident = $name:literal, $version:literal;)+ }) => {
        impl $event {
            /// Every name under which an event of this aggregate is stored.
            pub const TYPES: &'static [&'static str] = &[$($name,)+];

            /// The version of each, in the same order.
            pub const VERSIONS: &'static [&'static str] = &[$($version,)+];
        }

        impl $crate::aggregate::Event for $event {
            fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)+
                }
            }

            fn event_version(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $version,)+
                }
            }
        }
    };
}

pub(crate) use events_named;
