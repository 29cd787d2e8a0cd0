//! The rules of the ledger: pure, synchronous, total; no I/O, clock, randomness, runtime.

pub mod aggregate;
pub mod refusal;
