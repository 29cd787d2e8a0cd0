//! What can be wrong with a log, each with the exit status that says so.

use std::fmt;

/// In order of precedence where one position has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An event that was here is gone.
    Removed,
    /// An event was put in here.
    Inserted,
    /// The event that belongs here stands elsewhere, and its event here.
    Swapped,
    /// The event here is not as it was written.
    Changed,
    /// Events and tree were changed together, after a checkpoint had been signed.
    Rewritten,
    /// Two checkpoints were signed that cannot be of one log.
    Fork,
    /// The log ends before it did.
    CutOff,
    /// A stream has a gap or a repeat, or time runs back.
    Order,
    /// Two events have one id.
    EventId,
    /// The database cannot give the event, or this program cannot read it.
    Unreadable,
    /// The log is well; the stored tree or the leaves outside are not.
    Tree,
    /// A checkpoint is missing, malformed or not signed by a key that is trusted.
    Checkpoint,
}

impl Kind {
    pub const ALL: &'static [Self] = &[
        Self::Removed,
        Self::Inserted,
        Self::Swapped,
        Self::Changed,
        Self::Rewritten,
        Self::Fork,
        Self::CutOff,
        Self::Order,
        Self::EventId,
        Self::Unreadable,
        Self::Tree,
        Self::Checkpoint,
    ];

    /// Zero is well, one a failure to look, two a command line that is none.
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Changed => 10,
            Self::Removed => 11,
            Self::CutOff => 12,
            Self::Inserted => 13,
            Self::Swapped => 14,
            Self::Rewritten => 15,
            Self::Fork => 16,
            Self::Order => 17,
            Self::EventId => 18,
            Self::Unreadable => 19,
            Self::Tree => 20,
            Self::Checkpoint => 21,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::CutOff => "cut off",
            Self::Inserted => "inserted",
            Self::Swapped => "swapped",
            Self::Rewritten => "rewritten",
            Self::Fork => "fork",
            Self::Order => "order",
            Self::EventId => "event id",
            Self::Unreadable => "unreadable",
            Self::Tree => "tree",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// One thing that is wrong, and the first position where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub position: i64,
    pub kind: Kind,
    pub words: String,
}

impl Finding {
    pub(crate) fn new(position: i64, kind: Kind, words: impl Into<String>) -> Self {
        Self { position, kind, words: words.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "position {}: {}: {}", self.position, self.kind.name(), self.words)
    }
}
