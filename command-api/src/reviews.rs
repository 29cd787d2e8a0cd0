//! Risk reviews: a person says yes or no.

use domain::{
    free_text::FreeText,
    payment::{Payment, PaymentCommand, PaymentRefusal},
};
use futures_util::future::BoxFuture;
use gate::{Body as _, Call, Caller, Problem, body, rules};
use serde_json::json;

use crate::{
    payments,
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{World, at_version, stream},
};

body! {
    pub(crate) struct DecideReview {
        required reason: FreeText = "Known customer, spoken to by telephone", "Why.";
    }
}

const DECIDED: Words = ("the review was decided", "人工审核已完成");

pub(crate) fn approve<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(decide(api, call, true))
}

pub(crate) fn reject<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(decide(api, call, false))
}

async fn decide(api: &Api, call: &Call, approved: bool) -> Result<Plan, Problem> {
    let DecideReview { reason } = DecideReview::parse(&call.body)?;
    let Caller::Operator { operator_id: by, .. } = call.caller else {
        return Err(Problem::turned_away(rules::SCOPE_MISSING));
    };
    let absent = || Problem::turned_away(payments::absent());
    let id = call.path("payment_no").parse().map_err(|_not_an_id| absent())?;
    let world = World::of_payment(api, call, id).await?.ok_or_else(absent)?;
    let (payment, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
    Ok(Plan::new(world.tenant(), move |books| {
        let Some((attempt, _phase)) = books.state::<Payment>(&payment)?.last_attempt() else {
            return Ok(teller.refused(PaymentRefusal::PaymentAbsent));
        };
        at_version::<Payment>(books, &payment, demanded)?;
        let command = PaymentCommand::DecideReview { attempt, approved, by, reason: reason.clone() };
        Ok(match books.tell::<Payment>(&payment, &command)? {
            Err(refusal) => teller.refused(refusal),
            Ok(()) => teller.done(DECIDED, json!({ "payment_no": id, "attempt": attempt, "approved": approved })),
        })
    }))
}
