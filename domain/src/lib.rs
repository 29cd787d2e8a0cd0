//! The rules of the ledger: pure, synchronous, total. No I/O, clock, randomness or runtime.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::float_arithmetic))]

pub mod account;
pub mod actor;
pub mod aggregate;
pub mod card;
#[cfg(test)]
mod cases;
pub mod channel;
pub mod currency;
pub mod fee;
pub mod free_text;
pub mod id;
pub mod money;
pub mod posting;
pub mod refusal;
pub mod risk;
pub mod sealed;
pub mod terms;
mod text;
