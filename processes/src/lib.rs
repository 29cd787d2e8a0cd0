//! Reactions: what follows from events, step by step, whatever dies or keeps silent.
//!
//! ```text
//! log --follower--> work.due --runner--> react on the books --one append--> log
//!                      ^                      |
//!                      '---- timers      Call a channel, and react to what it said
//! ```
//!
//! A process looks at how things stand and says what to do next: nothing in memory decides. Whatever happened before,
//! also half a step, it goes on from what is in the log. Its own memory is a saga's stream.

mod brief;
mod call;
mod cancel;
mod capture;
pub mod check;
mod count;
mod counted;
mod counters;
mod counting;
mod due;
mod errand;
mod expire;
mod facts;
mod fees_again;
mod give_back;
mod hint;
mod lines;
mod look_into;
mod looked;
mod open_settlement;
mod pay_out;
mod process;
mod record_funds;
mod refund;
mod release_late;
mod remittances;
mod replay;
mod return_suspense;
mod runner;
mod saga;
mod settle;
mod spans;
mod standing;
mod take_payment;
mod trouble;
mod turn;
mod unsettled;
mod wake;

pub use due::TAKE;
pub use errand::Patience;
pub use fees_again::{FeesAgain, OtherFees, Reckoned};
pub use process::NAMES;
pub use remittances::ask_for as ask_for_remittance;
pub use replay::{Replay, Replayed};
pub use runner::Processes;
pub use standing::{ForAPerson, Waiting, for_a_person, waiting};
