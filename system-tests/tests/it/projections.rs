//! Read models: each in the list is rebuilt alike, survives being killed, and stands still alone.

mod alike;
mod desk;
mod frozen;
mod ledger;
mod rebuilding;
mod stopping;
