//! The bus: the log on Kafka, and followers fed from Kafka.
//!
//! The log is the truth; Kafka carries it. The [`Relay`] is a follower that sends every event to one topic; whoever
//! reads it drops what has come before and halts where something is missing ([`Chain`]).

mod chain;
mod ends;
mod fed;
mod grouped;
mod kafka;
mod key;
mod memory;
mod merge;
mod message;
mod notices;
mod offsets;
mod places;
mod relay;
mod rewind;
mod sender;
mod spans;
mod status;
mod subscription;
mod topic;
mod verify;
mod window;

pub use chain::{Broken, Chain, Link, Verdict};
pub use fed::{Fed, FedFailure, Feed};
pub use grouped::{Grouped, Taken};
pub use kafka::{Kafka, Security};
pub use key::{OF_NOBODY, key, partition};
pub use memory::follower as relay_name;
pub use merge::{LastApplied, Merge};
pub use message::{Foreign, HEADERS, HEADERS_OF_A_WATERMARK, SOURCE, Said, WATERMARK, dataschema, headers, read};
pub use notices::Notices;
pub use offsets::{From, lags, set_offsets};
pub use relay::{Relay, RelayFailure, Turn};
pub use rewind::rewind;
pub use sender::settings as producer_settings;
pub use status::{PartitionStanding, RelayStanding, fed_followers, group_standing, relay_standing};
pub use subscription::{Reading, Received, Subscription};
pub use topic::{MESSAGE_LIMIT, Topic, TopicFailure, ensure, partitions};
pub use verify::{Verified, VerifyFailure, verify};
