//! The log: `execute`, `read` and `follow`. The only code that knows the table of events.
//!
//! A caller hands an [`Act`] to [`Store::execute`]; one writer decides it on folded state, in the order of the queue,
//! and appends what was decided, many acts at a time, in one call of one SQL function. [`Store::read`] answers with a
//! folded aggregate, [`Store::events`] with the log itself, [`Store::follow`] with everything that happens, in order.

mod act;
mod append;
mod appender;
mod batch;
mod behind;
mod beside;
mod books;
mod bulk;
mod cache;
mod catch_up;
mod connect;
pub mod crash;
mod execute;
mod figures;
mod follower;
mod framework;
mod generations;
mod head;
pub mod invariants;
mod kind;
mod lately;
mod lease;
mod load;
mod moment;
mod of_type;
mod outcome;
mod queue;
mod recorded;
mod rehearsal;
mod repository;
pub mod schema;
mod search;
mod settle;
mod snapshot;
pub mod stats;
mod store;
mod tail;
mod upcast;
mod waker;
mod writer;
mod written;

pub use act::{Act, Answer, DataKey, Decision, Key, Tenant, Verdict};
pub use behind::{is_on_the_disk, waits_for_the_disk};
pub use beside::Remembered;
pub use books::{Books, Halt, PAYLOAD_LIMIT};
pub use bulk::{Bulk, Glance, Run};
pub use connect::{Database, InvalidUrl, is_of_a_damaged_page};
pub use figures::Figures;
pub use follower::{Follow, Follower, Poison, Step, StepFailure, work};
pub use framework::{Framed, Framework};
pub use head::Head;
pub use lease::{Failed, Lease, Taken};
pub use moment::Moment;
pub use outcome::{Failure, Outcome};
pub use recorded::Recorded;
pub use rehearsal::{Proposed, Rehearsal};
pub use repository::LogRepository;
pub use search::Search;
pub use store::{Limits, Store};
pub use upcast::Upcasters;
