//! In the place of a partner that is not configured: nothing leaves the house.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::channel::Channel as Name;
use hyper::HeaderMap;

use crate::{
    channel::{Channel, Said},
    outcome::{Authorised, Captured, NotSent, Outcome, PaidOut, Reason, Refunded, Status, Voided},
    remittance::{AskRemittance, Remitted},
    report::{Secret, Told, Unverifiable},
    request::{Ask, Authorise, Capture, PayOut, Refund, Void},
};

pub(crate) struct NoPartner(pub(crate) Name);

impl NoPartner {
    fn say<'c, T: Send + 'c>(&self) -> Said<'c, T> {
        let not_sent = NotSent::never(Reason::NoPartner(self.0));
        Box::pin(std::future::ready(Err(not_sent)))
    }
}

impl Channel for NoPartner {
    fn name(&self) -> Name {
        self.0
    }

    fn partner(&self) -> Option<&'static str> {
        None
    }

    fn authorise<'c>(&'c self, _: &'c Authorise) -> Said<'c, Outcome<Authorised>> {
        self.say()
    }

    fn capture<'c>(&'c self, _: &'c Capture) -> Said<'c, Outcome<Captured>> {
        self.say()
    }

    fn void<'c>(&'c self, _: &'c Void) -> Said<'c, Outcome<Voided>> {
        self.say()
    }

    fn refund<'c>(&'c self, _: &'c Refund) -> Said<'c, Outcome<Refunded>> {
        self.say()
    }

    fn pay_out<'c>(&'c self, _: &'c PayOut) -> Said<'c, Outcome<PaidOut>> {
        self.say()
    }

    fn status<'c>(&'c self, _: &'c Ask) -> Said<'c, Status> {
        self.say()
    }

    fn remittance<'c>(&'c self, _: &'c AskRemittance) -> Said<'c, Remitted> {
        self.say()
    }

    fn absent_after(&self) -> Duration {
        Duration::ZERO
    }

    fn parse_report(&self, _: &HeaderMap, _: &[u8], _: &[Secret], _: DateTime<Utc>) -> Result<Vec<Told>, Unverifiable> {
        Err(Unverifiable { why: "no partner is configured", hint: None })
    }
}
