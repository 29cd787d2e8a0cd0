//! Writes: a request becomes a command, the log decides, its outcome is the answer.
//!
//! Every write goes one way. A `routes::Route` names its scope and its plan; the gate lets the request in; the plan
//! turns it into a `plan::Plan`, a decision over the books; `carry_out` hands that to the store under the caller's
//! idempotency key, and the outcome becomes the answer. What is told was decided and stored with the events.

mod adjustments;
mod before;
mod carry_out;
mod countries;
pub mod demo;
mod merchants;
mod openapi;
mod orders;
mod payment_no;
mod payments;
mod payouts;
mod periods;
mod plan;
mod refunds;
mod remittances;
mod reports;
mod reviews;
mod risk;
mod router;
mod routes;
mod settlements;
mod tally;
mod tenant;
mod trades;

pub use countries::{Countries, CountriesFailure, Source};
pub use openapi::operations;
pub use reports::{Inbox, inbox};
pub use router::router;
pub use routes::{Api, ROUTES, Route};
pub use tally::{OfPayments, OfRefunds, Tally};
pub use trades::Trades;
