//! Read models: each is rebuilt alike, survives being killed, and stops alone.

mod alike;
mod checking;
mod desk;
pub(crate) mod exported;
mod frozen;
mod ledger;
mod rebuilding;
mod reporting;
mod stopping;
