//! Manual adjustments and their reversals: a reason and two people, each time.

use chrono::Utc;
use domain::{
    account::Account,
    adjustment::{Adjustment, AdjustmentCommand, AdjustmentRefusal, event::Proposed},
    currency::Currency,
    free_text::FreeText,
    id::{AdjustmentId, OperatorId},
    money::Money,
    refusal::Listed as _,
};
use event_store::Tenant;
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
        };
        Ok(tell(call, id, Some(body.livemode), PROPOSED, AdjustmentCommand::Propose(Box::new(proposed))))
    })
}

pub(crate) fn approve<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let Nothing {} = Nothing::parse(&call.body)?;
        let command = AdjustmentCommand::Approve { by: person(call)?, effective_at: Utc::now() };
        decide(api, call, DECIDED, command).await
    })
}

pub(crate) fn reject<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let SayWhy { reason } = SayWhy::parse(&call.body)?;
        decide(api, call, DECIDED, AdjustmentCommand::Reject { by: person(call)?, reason }).await
    })
}

pub(crate) fn reverse<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let SayWhy { reason } = SayWhy::parse(&call.body)?;
        decide(api, call, PROPOSED, AdjustmentCommand::ProposeReversal { by: person(call)?, reason }).await
    })
}

pub(crate) fn approve_reversal<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let Nothing {} = Nothing::parse(&call.body)?;
        let command = AdjustmentCommand::ApproveReversal { by: person(call)?, effective_at: Utc::now() };
        decide(api, call, DECIDED, command).await
    })
}

pub(crate) fn reject_reversal<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let SayWhy { reason } = SayWhy::parse(&call.body)?;
        decide(api, call, DECIDED, AdjustmentCommand::RejectReversal { by: person(call)?, reason }).await
    })
}

/// One command on the adjustment named in the path.
async fn decide(api: &Api, call: &Call, words: Words, command: AdjustmentCommand) -> Result<Plan, Problem> {
    let absent = || Problem::turned_away(AdjustmentRefusal::AdjustmentAbsent.rule());
    let id: AdjustmentId = call.path("adjustment_no").parse().map_err(|_not_an_id| absent())?;
    let (adjustment, _version) = api.gate.store.read::<Adjustment>(&stream(id)).await?;
    Ok(tell(call, id, adjustment.livemode(), words, command))
}

fn tell(call: &Call, id: AdjustmentId, livemode: Option<bool>, words: Words, command: AdjustmentCommand) -> Plan {
    let (adjustment, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
    Plan::new(Tenant { merchant_id: None, livemode }, move |books| {
        at_version::<Adjustment>(books, &adjustment, demanded)?;
        Ok(match books.tell::<Adjustment>(&adjustment, &command)? {
            Ok(()) => {
                let status = books.state::<Adjustment>(&adjustment)?.phase();
                teller.done(words, json!({ "adjustment_no": id, "status": status }))
            }
            Err(refusal) => teller.refused(refusal),
        })
    })
}

/// Only people adjust.
fn person(call: &Call) -> Result<OperatorId, Problem> {
    match call.caller {
        Caller::Operator { operator_id, .. } => Ok(operator_id),
        Caller::Merchant { .. } => Err(Problem::turned_away(rules::SCOPE_MISSING)),
    }
}
