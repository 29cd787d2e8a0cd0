//! The smallest aggregate that can prove a store: a tally that never goes below zero.

use std::sync::Arc;

use domain::aggregate::{Aggregate, Event};
use domain::refusal::Refusal;
use event_store::{Act, Answer, Key, Verdict};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub total: i64,
    pub count: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TallyCommand {
    /// Adds to the total, which may fall but not below zero.
    Add { amount: i64, note: String },
    /// Raises the total to this, if it is not there already.
    RaiseTo { total: i64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TallyEvent {
    TallyMoved { amount: i64, total: i64, note: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TallyRefusal {
    #[error("the tally would fall below zero")]
    BelowZero,
}

impl Refusal for TallyRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::BelowZero => "tally_below_zero",
        }
    }
}

impl Event for TallyEvent {
    fn event_type(&self) -> &'static str {
        match self {
            Self::TallyMoved { .. } => "tally_moved",
        }
    }

    fn event_version(&self) -> &'static str {
        "1.0"
    }
}

impl Aggregate for Tally {
    const TYPE: &'static str = "tally";
    const STATE_VERSION: i32 = 1;
    type Command = TallyCommand;
    type Event = TallyEvent;
    type Refusal = TallyRefusal;

    fn decide(&self, command: &TallyCommand) -> Result<Vec<TallyEvent>, TallyRefusal> {
        let (amount, note) = match command {
            TallyCommand::Add { amount, note } => (*amount, note.clone()),
            TallyCommand::RaiseTo { total } if *total <= self.total => return Ok(Vec::new()),
            TallyCommand::RaiseTo { total } => (total.saturating_sub(self.total), String::new()),
        };
        let total = self.total.saturating_add(amount);
        if total < 0 {
            return Err(TallyRefusal::BelowZero);
        }
        Ok(vec![TallyEvent::TallyMoved { amount, total, note }])
    }

    fn apply(&mut self, event: &TallyEvent) {
        match event {
            TallyEvent::TallyMoved { total, .. } => {
                self.total = *total;
                self.count = self.count.saturating_add(1);
            }
        }
    }
}

/// A note that makes a payload of about 300 bytes, as a payment's first event is.
pub fn note() -> String {
    "n".repeat(240)
}

/// A key in a scope, for a request that is told apart by its text.
pub fn key(scope: &str, key: &str, request: &str) -> Key {
    Key { scope: scope.into(), key: key.into(), fingerprint: Sha256::digest(request).into() }
}

/// Adds to a tally, under a key; the answer names the total, so that a wrong replay would show. `opens` tells the
/// store that the stream is most likely new.
pub fn add(id: &Arc<str>, amount: i64, key: Option<Key>, opens: bool) -> Act {
    let command = TallyCommand::Add { amount, note: note() };
    let stream = Arc::clone(id);
    let act = Act::deciding(move |books| {
        if opens {
            books.presume_new::<Tally>(&stream);
        }
        Ok(match books.tell::<Tally>(&stream, &command)? {
            Ok(()) => {
                let total = books.state::<Tally>(&stream)?.total;
                Verdict::Accepted(Answer { status: 200, body: format!("{{\"total\":{total}}}") })
            }
            Err(refusal) => {
                Verdict::Refused(Answer { status: 422, body: format!("{{\"code\":\"{}\"}}", refusal.code()) })
            }
        })
    });
    Act { key, ..act }
}
