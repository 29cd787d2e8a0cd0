//! Reads: read models that follow the log, each with its table, its query and its route.
//!
//! A read model is one file and one line in [`MODELS`]. It declares its tables, says which events it wants, and folds
//! them into rows; all else is done here once: the place in the log commits with the rows, an event is read once for
//! all, what cannot be understood stops the model that met it, and every model is built anew beside the live one.

mod analytics;
mod books;
mod builds;
mod check;
mod column;
pub mod control;
mod diff;
mod explain;
mod fill;
mod happened;
pub mod hledger;
pub mod ledger;
mod merchants;
mod openapi;
mod orders;
mod payments;
mod projector;
mod query;
mod read_model;
mod refunds;
mod replay;
pub mod reporting;
mod routes;
mod rows;
mod sagas;
mod settlements;
mod swap;
mod table;
mod word;

pub use books::Books;
pub use builds::Build;
pub use check::{Checked, Verdict};
pub use explain::{Asked, Unexplained, explained};
pub use fill::{FillFailure, Filling, Watch};
pub use happened::{Happened, Lately};
pub use openapi::operations;
pub use projector::{Projections, Projector};
pub use query::{PATIENCE, Reads};
pub use read_model::{MODELS, Plan, ReadModel, named};
pub use replay::{AsItWas, Replayed};
pub use routes::{ROUTES, Route, router};
pub use swap::{Difference, Swap};
pub use table::{ColumnOf, Table};
