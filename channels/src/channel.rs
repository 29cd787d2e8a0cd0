//! What every payment partner can be asked to do.

use std::{pin::Pin, time::Duration};

use chrono::{DateTime, Utc};
use domain::channel::Channel as Name;
use hyper::HeaderMap;

use crate::{
    outcome::{Authorised, Captured, NotSent, Outcome, PaidOut, Refunded, Status, Voided},
    remittance::{AskRemittance, Remitted},
    report::{Secret, Told, Unverifiable},
    request::{Ask, Authorise, Capture, PayOut, Refund, Void},
};

/// What a partner said, on its way; or that this try never left the house.
pub type Said<'c, T> = Pin<Box<dyn Future<Output = Result<T, NotSent>> + Send + 'c>>;

/// A payment partner in its own words. The same key is the same request, however often it is sent; what an answer does
/// not say clearly is [`Outcome::Unknown`]. Deadlines and limits are the line's, not its own.
pub trait Channel: Send + Sync {
    /// Whose part it plays.
    fn name(&self) -> Name;

    /// Who plays it, by a name of ours; none where nobody does, and nothing is ever sent.
    fn partner(&self) -> Option<&'static str>;

    /// Authorises only, or captures at once where the request names a capture.
    fn authorise<'c>(&'c self, request: &'c Authorise) -> Said<'c, Outcome<Authorised>>;

    fn capture<'c>(&'c self, request: &'c Capture) -> Said<'c, Outcome<Captured>>;

    /// Lets go of what was authorised and not captured.
    fn void<'c>(&'c self, request: &'c Void) -> Said<'c, Outcome<Voided>>;

    fn refund<'c>(&'c self, request: &'c Refund) -> Said<'c, Outcome<Refunded>>;

    fn pay_out<'c>(&'c self, request: &'c PayOut) -> Said<'c, Outcome<PaidOut>>;

    /// What became of an earlier request.
    fn status<'c>(&'c self, request: &'c Ask) -> Said<'c, Status>;

    /// What came of a day, page by page.
    fn remittance<'c>(&'c self, request: &'c AskRemittance) -> Said<'c, Remitted>;

    /// For how long after the last try [`Status::NotFound`] may still turn into found. Only past it is it evidence, and
    /// only whoever knows when the last try left can tell: the caller decides.
    fn absent_after(&self) -> Duration;

    /// Pure: the report as told, if one of the secrets signed these very bytes, lately and for this channel.
    ///
    /// # Errors
    /// It is not verified, or not understood: a hint to ask, never a fact.
    fn parse_report(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[Secret],
        now: DateTime<Utc>,
    ) -> Result<Vec<Told>, Unverifiable>;
}
