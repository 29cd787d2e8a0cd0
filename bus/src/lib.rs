//! The bus: the log on Kafka, and followers fed from Kafka.
//!
//! The log is the truth; Kafka carries it. The [`Relay`] is a follower that sends every event to one topic; whoever
//! reads it drops what has come before and halts where something is missing ([`Chain`]).

mod chain;
mod ends;
mod kafka;
mod key;
mod memory;
mod message;
mod relay;
mod sender;
mod topic;
mod window;

pub use chain::{Broken, Chain, Link, Verdict};
pub use kafka::{Kafka, Security};
pub use key::{OF_NOBODY, key, partition};
pub use memory::follower as relay_name;
pub use message::{Foreign, HEADERS, HEADERS_OF_A_WATERMARK, SOURCE, Said, WATERMARK, dataschema, read};
pub use relay::{Relay, RelayFailure, Turn};
pub use topic::{Topic, TopicFailure, partitions};
