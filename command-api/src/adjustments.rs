//! Manual adjustments and their reversals: a reason and two people, each time.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{
    account::Account,
    adjustment::{Adjustment, AdjustmentCommand, AdjustmentRefusal, event::Proposed},
    currency::Currency,
    free_text::FreeText,
    id::{AdjustmentId, OperatorId, PeriodsId},
    money::Money,
    month::Month,
    periods::Periods,
    refusal::Listed as _,
};
use event_store::{Books, Halt, Tenant};
use futures_util::future::BoxFuture;
use gate::{Amount, Body as _, Call, Caller, Problem, body, rules};
use serde_json::json;

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    settlements::Nothing,
    tenant::{at_version, stream},
};

body! {
    pub(crate) struct ProposeAdjustment {
        required debit: Account = "suspense", "The account to debit.";
        required credit: Account = "merchant:MER00000000000000000000000000000001:available", "The account to credit.";
        required amount: Amount = 1200, "In minor units.";
        required currency: Currency = "USD", "Of the amount.";
        required livemode: bool = true, "Whether it is real money.";
        required reason: FreeText = "Paid twice by the bank on 3 January", "For whoever approves it, and for ever.";
        optional effective_at: DateTime<Utc> = null, "When it is to take effect, in a month that is open; when it is approved, where it is absent.";
    }
}

body! {
    pub(crate) struct SayWhy {
        required reason: FreeText = "Booked to the wrong merchant", "Why.";
    }
}

const PROPOSED: Words = ("it waits for a second person", "等待第二人批准");
const DECIDED: Words = ("it is decided", "已处理");

pub(crate) fn propose<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let body = ProposeAdjustment::parse(&call.body)?;
        let id = AdjustmentId::asked_for(&call.caller.idempotency_scope(), call.key_text());
        let proposed = Proposed {
            adjustment_id: id,
            livemode: body.livemode,
            debit: body.debit,
            credit: body.credit,
            amount: Money::new(body.amount.0, body.currency),
            by: person(call)?,
            reason: body.reason,
            effective_at: body.effective_at,
        };
        Ok(tell(call, id, Some(body.livemode), PROPOSED, move |closed_through| AdjustmentCommand::Propose {
            proposal: Box::new(proposed.clone()),
            closed_through,
        }))
    })
}

pub(crate) fn approve<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let Nothing {} = Nothing::parse(&call.body)?;
        let (by, effective_at) = (person(call)?, Utc::now());
        decide(api, call, DECIDED, move |closed_through| AdjustmentCommand::Approve {
            by,
            effective_at,
            closed_through,
        })
        .await
    })
}

pub(crate) fn reject<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let SayWhy { reason } = SayWhy::parse(&call.body)?;
        let command = AdjustmentCommand::Reject { by: person(call)?, reason };
        decide(api, call, DECIDED, move |_closed_through| command.clone()).await
    })
}

pub(crate) fn reverse<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let SayWhy { reason } = SayWhy::parse(&call.body)?;
        let command = AdjustmentCommand::ProposeReversal { by: person(call)?, reason };
        decide(api, call, PROPOSED, move |_closed_through| command.clone()).await
    })
}

pub(crate) fn approve_reversal<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let Nothing {} = Nothing::parse(&call.body)?;
        let (by, effective_at) = (person(call)?, Utc::now());
        decide(api, call, DECIDED, move |closed_through| AdjustmentCommand::ApproveReversal {
            by,
            effective_at,
            closed_through,
        })
        .await
    })
}

pub(crate) fn reject_reversal<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let SayWhy { reason } = SayWhy::parse(&call.body)?;
        let command = AdjustmentCommand::RejectReversal { by: person(call)?, reason };
        decide(api, call, DECIDED, move |_closed_through| command.clone()).await
    })
}

/// One command on the adjustment named in the path.
async fn decide(
    api: &Api,
    call: &Call,
    words: Words,
    command: impl Fn(Option<Month>) -> AdjustmentCommand + Send + Sync + 'static,
) -> Result<Plan, Problem> {
    let absent = || Problem::turned_away(AdjustmentRefusal::AdjustmentAbsent.rule());
    let id: AdjustmentId = call.path("adjustment_no").parse().map_err(|_not_an_id| absent())?;
    let (adjustment, _version) = api.gate.store.read::<Adjustment>(&stream(id)).await?;
    Ok(tell(call, id, adjustment.livemode(), words, command))
}

/// The command is made when it is known through which month the books of its mode are closed.
fn tell(
    call: &Call,
    id: AdjustmentId,
    livemode: Option<bool>,
    words: Words,
    command: impl Fn(Option<Month>) -> AdjustmentCommand + Send + Sync + 'static,
) -> Plan {
    let (adjustment, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
    let periods = livemode.map(|livemode| stream(PeriodsId::derive(livemode)));
    Plan::new(Tenant { merchant_id: None, livemode }, move |books| {
        at_version::<Adjustment>(books, &adjustment, demanded)?;
        let command = command(closed_through(books, periods.as_ref())?);
        Ok(match books.tell::<Adjustment>(&adjustment, &command)? {
            Ok(()) => {
                let status = books.state::<Adjustment>(&adjustment)?.phase();
                teller.done(words, json!({ "adjustment_no": id, "status": status }))
            }
            Err(refusal) => teller.refused(refusal),
        })
    })
}

/// As the books stand when it is decided: a month that is closed at the same moment comes before it or after it.
fn closed_through(books: &mut Books<'_>, periods: Option<&Arc<str>>) -> Result<Option<Month>, Halt> {
    match periods {
        Some(periods) => Ok(books.state::<Periods>(periods)?.closed_through()),
        None => Ok(None),
    }
}

/// Only people adjust.
fn person(call: &Call) -> Result<OperatorId, Problem> {
    match call.caller {
        Caller::Operator { operator_id, .. } => Ok(operator_id),
        Caller::Merchant { .. } => Err(Problem::turned_away(rules::SCOPE_MISSING)),
    }
}
