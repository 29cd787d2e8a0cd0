//! What became of an act: every answer says what is true now.

use crate::act::Answer;

/// Decided. `position` is the head of the log that this outcome is true at, `sequence` the version of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written, or already true before (then `events` is zero).
    Accepted { position: i64, sequence: i64, events: usize, answer: Answer },
    /// The aggregate says no. The refusal is remembered under the key.
    Refused { position: i64, sequence: i64, answer: Answer },
    /// This key was answered before, to the same request: the stored answer.
    Replayed { position: i64, sequence: i64, answer: Answer },
    /// This key was used before, for another request. Nothing was written.
    KeyReused,
    /// The first request with this key has no known end yet. Nothing was written for this one.
    InFlight,
    /// The stream is not at the version the caller demanded. Nothing was written.
    VersionMismatch { demanded: i64, actual: i64 },
}

/// Not decided, and what is true of the act then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// Not applied: ask again shortly.
    #[error("too many commands are waiting; nothing was written; ask again shortly")]
    Busy,
    /// Not applied: the log could not be reached.
    #[error("the log cannot be reached ({reason}); nothing was written; ask again")]
    Unavailable { reason: String },
    /// Perhaps applied: only the same key will tell.
    #[error("the log did not answer in time; whether this was written is not known yet; ask again with the same key")]
    Unknown,
    /// Not applied: this act's own data was refused by the database.
    #[error("the database refuses this act's data ({code}: {reason}); nothing was written")]
    Data { code: String, reason: String },
    /// Not applied: an event is larger than the log takes.
    #[error("an event of {bytes} bytes is larger than the {limit} the log takes; nothing was written")]
    TooLarge { bytes: usize, limit: usize },
    /// Not applied: a stream holds what this program cannot read.
    #[error("{aggregate_type} {aggregate_id} cannot be read: {reason}; nothing was written")]
    Unreadable { aggregate_type: String, aggregate_id: String, reason: String },
    /// Not applied: the database is not the one seen before.
    #[error("{reason}; nothing was written; this process accepts no more commands")]
    Shorter { reason: String },
}

/// What an error answer must say about its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    NotApplied,
    Unknown,
}

impl Failure {
    /// What is true of the act that failed so.
    pub fn truth(&self) -> Truth {
        match self {
            Self::Unknown => Truth::Unknown,
            Self::Busy
            | Self::Unavailable { .. }
            | Self::Data { .. }
            | Self::TooLarge { .. }
            | Self::Unreadable { .. }
            | Self::Shorter { .. } => Truth::NotApplied,
        }
    }

    /// Whether the same act may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy | Self::Unavailable { .. } | Self::Unknown => true,
            Self::Data { .. } | Self::TooLarge { .. } | Self::Unreadable { .. } | Self::Shorter { .. } => false,
        }
    }
}
