//! The proof: what the tests and benches of the whole system share.

pub mod database;
pub mod load;
pub mod tally;
