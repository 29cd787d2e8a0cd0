//! The witness: a Merkle tree over the log, signed checkpoints, proofs, the check.
//!
//! [`Tree`] follows the log and grows the tree, [`Notary`] signs it now and then and writes down what it signed where
//! the database is not. Proofs are made from the stored tree and checked with nothing but a public key. Events and streams
//! are shown as they stand, or stood.

pub mod bundle;
pub mod checkpoint;
pub mod edge;
mod events;
mod glance;
pub mod hash;
pub mod key;
pub mod leaf;
mod notary;
mod openapi;
pub mod outside;
pub mod proof;
mod proofs;
mod rebuild;
pub mod receipt;
mod routes;
mod rows;
mod rules;
mod streams;
mod tile;
mod tree;
pub mod verify;

pub use events::Tails;
pub use glance::{Glance, Signature, glance};
pub use notary::{Notary, NotaryFailure, Signed, self_check};
pub use openapi::operations;
pub use proofs::{Proofs, ProofsFailure};
pub use rebuild::rebuild;
pub use routes::{ROUTES, Route, Witness, router};
pub use rows::{Damaged, Standing, TreeFailure};
pub use tree::Tree;

#[cfg(test)]
mod tests;
