//! The proof: what the tests and benches of the whole system share.
