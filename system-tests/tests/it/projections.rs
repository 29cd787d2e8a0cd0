//! Read models: each in the list is rebuilt alike, survives being killed, and stands still alone.

mod alike;
mod desk;
mod exported;
mod frozen;
mod ledger;
mod rebuilding;
mod reporting;
mod stopping;
