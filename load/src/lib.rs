//! The load: requests that come when they come, and how long each took.
//!
//! A caller that waits for an answer before it asks again asks less of a server that is slow, and so never sees how slow it
//! is. Here requests are due at a steady rate whatever becomes of those before them, and time counts from then.

mod caller;
mod open_loop;
mod payments;
mod seen;
#[cfg(test)]
mod tests;
mod wire;

pub use caller::{Caller, Secret};
pub use open_loop::{Plan, Progress, run};
pub use payments::Payments;
pub use seen::Seen;
pub use wire::{Reply, Wire};

/// Why there is no answer, or not the one that was due.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("no connection to {address}: {source}")]
    Connect {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    #[error("the server hung up")]
    HungUp,
    #[error("no answer within {0} s")]
    Silent(u64),
    #[error("what came is no answer: {0}")]
    Malformed(&'static str),
    #[error("status {status}, replayed {is_replayed}, where another answer was due: {told}")]
    Unexpected { status: u16, is_replayed: bool, told: String },
    #[error("the times could not be added up")]
    Times,
}
