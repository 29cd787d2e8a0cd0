//! The door: who asks, signatures, limits, problem documents, for every HTTP face.
//!
//! A request comes in as HTTP and leaves here as a [`Call`]: known caller, checked signature, whole body, a key where
//! one is needed. Whatever ends badly leaves as a [`Problem`], which says what is true now and what to do.

mod answer;
mod asked;
mod audits;
mod before;
mod caller;
mod door;
mod field;
mod forwarded;
mod idempotency;
mod json;
mod language;
mod looks;
mod old_keys;
pub mod openapi;
mod parameter;
mod problem;
mod rate;
pub mod rules;
mod said;
mod scope;
mod sharing;
mod shutter;
mod signature;
mod visible;
mod visit;

pub use answer::Reply;
pub use before::{OLD_NO_MAX, fingerprint_before, is_old_no, payment_named};
pub use caller::{Caller, Demo, whose_token};
pub use door::{Call, Entrance, Gate, Letter, Limits, turn_away};
pub use field::{Address, Amount, Body, Count, Email, Field, Fields, FlatText, Metadata, Url, object};
pub use forwarded::{Peer, Proxies};
pub use idempotency::IdempotencyKey;
pub use json::{canonical, parse};
pub use language::Language;
pub use parameter::{Parameter, Parameters};
pub use problem::{FieldProblem, Outcome, Problem, last_words};
pub use rate::Rate;
pub use scope::Scope;
pub use sharing::shared;
pub use shutter::Shutter;
pub use visible::OF_MERCHANTS;
pub use visit::Visit;
