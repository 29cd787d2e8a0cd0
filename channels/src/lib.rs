//! The outside: one way to move money with the world, whoever the partner is.
//!
//! ```text
//! caller -> Partners -> Line (deadline, breaker, bulkhead, rate) -> Channel (one partner's words) -> the partner
//! ```
//!
//! A caller that got no answer knows nothing: [`Outcome::Unknown`] is asked about again, under the same key, until
//! there is evidence. Nothing here keeps anything: what was asked, and under which key, is remembered by who asks.

pub mod channel;
pub mod exponents;
pub mod line;
mod no_partner;
pub mod outcome;
pub mod partners;
pub mod remittance;
pub mod report;
pub mod request;
pub mod sandbox;
mod wire;

pub use channel::{Channel, Said};
pub use exponents::Exponents;
pub use line::{BreakerState, Counts, HeldBack, Limits, Line, LineState};
pub use outcome::{Authorised, Captured, Done, NotSent, Outcome, PaidOut, Reason, Refunded, Status, Unknown, Voided};
pub use partners::{Partners, SandboxAddress};
pub use remittance::{AskRemittance, Remitted};
pub use report::{Evidence, Hint, Secret, Subject, Told, Unverifiable};
pub use request::{Ask, Authorise, Capture, Kind, PayOut, Refund, Void};
