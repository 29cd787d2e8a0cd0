//! An aggregate type with its type erased: what the store does with any state.

use std::any::Any;
use std::sync::Arc;

use cqrs_es::persist::SemanticVersion;
use domain::aggregate::{Aggregate, Event};

use crate::recorded::Recorded;
use crate::upcast::Upcasters;

/// A folded state. Shared with readers; copied only when it is changed while shared.
pub(crate) type State = Arc<dyn Any + Send + Sync>;

/// The functions of one aggregate type. There is one static value for each type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) state_version: i32,
    pub(crate) empty: fn() -> State,
    /// Folds one recorded event into a state; the text says why it cannot be.
    pub(crate) fold: fn(State, &Recorded, &Upcasters) -> Result<State, String>,
    pub(crate) to_snapshot: fn(&State) -> Option<String>,
    pub(crate) from_snapshot: fn(&str) -> Option<State>,
}

impl Kind {
    pub(crate) fn of<A: Aggregate>() -> Self {
        Self {
            state_version: A::STATE_VERSION,
            empty: || Arc::new(A::default()),
            fold: fold::<A>,
            to_snapshot: |state| state.downcast_ref::<A>().and_then(|state| serde_json::to_string(state).ok()),
            from_snapshot: |json| serde_json::from_str::<A>(json).ok().map(|state| -> State { Arc::new(state) }),
        }
    }
}

fn fold<A: Aggregate>(state: State, event: &Recorded, upcasters: &Upcasters) -> Result<State, String> {
    let mut state = state.downcast::<A>().map_err(|_state| format!("its cached state is not a {}", A::TYPE))?;
    let decoded: A::Event = upcasters.decode(event)?;
    Arc::make_mut(&mut state).apply(&decoded);
    Ok(state)
}

/// Decodes a payload and makes sure that it is of the version this program knows: a newer one must not be read as if
/// its unknown parts did not matter.
pub(crate) fn decode<E: Event>(payload: &str, event_version: &str, position: i64) -> Result<E, String> {
    let event: E =
        serde_json::from_str(payload).map_err(|reason| format!("position {position} is not understood: {reason}"))?;
    if is_same_version(event.event_version(), event_version) {
        Ok(event)
    } else {
        Err(format!(
            "position {position} is a {} of version {event_version}, and this program knows version {}",
            event.event_type(),
            event.event_version()
        ))
    }
}

/// Upcasters write `1.0` as `1.0.0`.
pub(crate) fn is_same_version(known: &str, found: &str) -> bool {
    let parsed = |version: &str| version.parse::<SemanticVersion>().ok();
    known == found || parsed(known).is_some_and(|known| parsed(found) == Some(known))
}
