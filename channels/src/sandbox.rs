//! The sandbox: a partner of our own that misbehaves on command, and keeps true books.
//!
//! ```text
//! Sandbox (the partner's adapter) --HTTP--> server -> faults -> books -> journal
//!        ^                                             |
//!        parse_report <------- signed reports ---------+
//! ```

mod books;
mod faults;
mod mail;
mod partner;
mod protocol;
mod server;
mod settings;
mod signature;
mod token;

pub use books::{
    Books, BooksFailure,
    listing::{EffectLine, Listing, RemittanceLine, Totals, TradeLine},
};
pub use faults::{AnswerFault, FaultPlan, ReportFault};
pub use partner::Sandbox;
pub use server::serve;
pub use settings::{Backlog, Settings, Timing};
pub use signature::{HEADER as SIGNATURE_HEADER, sign};
pub use token::Token;
