//! What this process has written itself, for somebody who counts it.

use std::sync::{Arc, OnceLock};

use meters::Counter;
use tokio::sync::mpsc;

use crate::recorded::Recorded;

#[derive(Default)]
pub(crate) struct Written {
    listener: OnceLock<Listener>,
    missed: Counter,
}

struct Listener {
    wants: fn(&Recorded) -> bool,
    events: mpsc::Sender<Arc<Recorded>>,
}

impl Written {
    pub(crate) fn listen(&self, wants: fn(&Recorded) -> bool, room: usize) -> Option<mpsc::Receiver<Arc<Recorded>>> {
        let (events, heard) = mpsc::channel(room);
        self.listener.set(Listener { wants, events }).ok().map(|()| heard)
    }

    /// Tells of events that stand in the log. The writer waits for nobody: what there is no room for is missed, and
    /// counted as such.
    pub(crate) fn tell(&self, events: &[Arc<Recorded>]) {
        let Some(listener) = self.listener.get() else { return };
        for event in events.iter().filter(|event| (listener.wants)(event)) {
            if listener.events.try_send(Arc::clone(event)).is_err() {
                self.missed.add(1);
            }
        }
    }

    pub(crate) fn missed(&self) -> u64 {
        self.missed.value()
    }
}
