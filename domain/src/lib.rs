//! The rules of the ledger: pure, synchronous, total. No I/O, clock, randomness or runtime.

pub mod aggregate;
pub mod refusal;
