//! The rules of the ledger: pure, synchronous, total; no I/O, clock, randomness, runtime.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::float_arithmetic))]

pub mod account;
pub mod actor;
pub mod adjustment;
pub mod aggregate;
pub mod blind_index;
pub mod calendar;
pub mod card;
#[cfg(test)]
mod cases;
pub mod catalogue;
pub mod channel;
pub mod country;
pub mod currency;
pub mod fact;
pub mod fee;
pub mod free_text;
pub mod id;
pub mod merchant;
pub mod money;
pub mod month;
pub mod network;
pub mod old_name;
pub mod operator;
pub mod order;
mod pairs;
pub mod payment;
pub mod payout;
pub mod periods;
pub mod posting;
pub mod refund;
pub mod refusal;
pub mod remittance;
pub mod risk;
pub mod risk_rules;
pub mod saga;
#[cfg(test)]
mod scenario;
pub mod sealed;
pub mod settled_funds;
pub mod settlement;
pub mod terms;
mod text;
