//! The witness: a Merkle tree over the log, signed checkpoints, proofs, and whoever checks them.

pub mod checkpoint;
pub mod edge;
pub mod hash;
pub mod key;
pub mod leaf;
pub mod proof;
mod tile;

#[cfg(test)]
mod tests;
