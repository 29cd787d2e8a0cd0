//! Months closed by a person, and opened again by two.

use chrono::Utc;
use domain::{
    free_text::FreeText,
    id::{OperatorId, PeriodsId},
    month::Month,
    periods::{Periods, PeriodsCommand, PeriodsRefusal},
    refusal::Listed as _,
};
use event_store::Tenant;
use futures_util::future::BoxFuture;
use gate::{Body as _, Call, Caller, Problem, body, rules};
use serde_json::json;

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{at_version, stream},
};

body! {
    pub(crate) struct CloseMonth {
        required month: Month = "2026-01", "The month, in UTC, which must be over. With it, all before it are closed.";
        required livemode: bool = true, "Whether it is of real money.";
    }
}

body! {
    /// Of a month that is named in the address.
    pub(crate) struct OfMode {
        required livemode: bool = true, "Whether it is of real money.";
    }
}

body! {
    /// Of a month that is named in the address, and why.
    pub(crate) struct OfModeWhy {
        required livemode: bool = true, "Whether it is of real money.";
        required reason: FreeText = "A whole day of remittances was missing", "Why. Kept with the event, as it is written.";
    }
}

const CLOSED: Words = ("the month is closed", "该月份已关账");
const PROPOSED: Words = ("it waits for a second person", "等待第二人批准");
const DECIDED: Words = ("it is decided", "已处理");

pub(crate) fn close<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let CloseMonth { month, livemode } = CloseMonth::parse(&call.body)?;
        Ok(tell(call, livemode, CLOSED, PeriodsCommand::Close { livemode, month, by: person(call)?, at: Utc::now() }))
    })
}

pub(crate) fn propose_reopening<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let OfModeWhy { livemode, reason } = OfModeWhy::parse(&call.body)?;
        let (month, by) = (named(call)?, person(call)?);
        Ok(tell(call, livemode, PROPOSED, PeriodsCommand::ProposeReopening { month, by, reason }))
    })
}

pub(crate) fn approve_reopening<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let OfMode { livemode } = OfMode::parse(&call.body)?;
        let (month, by) = (named(call)?, person(call)?);
        Ok(tell(call, livemode, DECIDED, PeriodsCommand::ApproveReopening { month, by }))
    })
}

pub(crate) fn reject_reopening<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let OfModeWhy { livemode, reason } = OfModeWhy::parse(&call.body)?;
        let (month, by) = (named(call)?, person(call)?);
        Ok(tell(call, livemode, DECIDED, PeriodsCommand::RejectReopening { month, by, reason }))
    })
}

fn named(call: &Call) -> Result<Month, Problem> {
    // What is no month was never closed.
    let not_closed = |_no_month| Problem::turned_away(PeriodsRefusal::MonthNotClosed.rule());
    call.path("month").parse().map_err(not_closed)
}

/// One command on the periods of a mode.
fn tell(call: &Call, livemode: bool, words: Words, command: PeriodsCommand) -> Plan {
    let (periods, teller, demanded) = (stream(PeriodsId::derive(livemode)), Teller::of(call), call.if_match);
    Plan::new(Tenant { merchant_id: None, livemode: Some(livemode) }, move |books| {
        at_version::<Periods>(books, &periods, demanded)?;
        Ok(match books.tell::<Periods>(&periods, &command)? {
            Ok(()) => {
                let state = books.state::<Periods>(&periods)?;
                let told = json!({
                    "livemode": livemode, "closed_through": state.closed_through(), "reopening": state.reopening(),
                });
                teller.done(words, told)
            }
            Err(refusal) => teller.refused(refusal),
        })
    })
}

/// Only people close the books.
fn person(call: &Call) -> Result<OperatorId, Problem> {
    match call.caller {
        Caller::Operator { operator_id, .. } => Ok(operator_id),
        Caller::Merchant { .. } => Err(Problem::turned_away(rules::SCOPE_MISSING)),
    }
}
