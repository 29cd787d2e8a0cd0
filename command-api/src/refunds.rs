//! Refunds: one command on the payment, so that an excess is refused at once.

use std::sync::Arc;

use domain::{
    free_text::FreeText,
    id::RefundId,
    money::Money,
    payment::{Payment, PaymentCommand, PaymentRefusal},
};
use futures_util::future::BoxFuture;
use gate::{Amount, Body as _, Call, FlatText, Problem, body};
use serde_json::json;

use crate::{
    payment_no::PaymentNo,
    payments,
    plan::{Plan, Teller, Words},
    routes::Api,
    tally::{self, Counted},
    tenant::{World, at_version, stream},
};

body! {
    pub(crate) struct CreateRefund {
        required payment_no: PaymentNo = "PAY00000000000000000000000000000001", "Which payment; by the number it had before it came here, too.";
        required amount: Amount = 5000, "In minor units; at most what was captured and not yet refunded.";
        required reason: FreeText = "Returned one ticket", "Why.";
        optional operator_id: FlatText = "clerk-7", "Who it was in your house. Kept with the event, as it is written.";
    }
}

const RESERVED: Words = ("the refund was accepted", "退款已受理");

pub(crate) fn create<'c>(api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let parsed = CreateRefund::parse(&call.body);
        if parsed.as_ref().is_err_and(|problem| problem.names("/amount")) {
            tally::count_bad_amount(api, call).await;
        }
        let CreateRefund { payment_no, amount, reason, operator_id } = parsed?;
        let named = World::of_payment_named(api, call, &payment_no.0).await?;
        let Some((payment_no, world)) = named else { return Err(Problem::turned_away(payments::absent())) };
        let refund_id = RefundId::asked_for(&call.caller.idempotency_scope(), call.key_text());
        let (payment, teller) = (stream(payment_no), Teller::of(call));
        let counted = Counted::Refund(Arc::clone(&payment));
        let (by, demanded) = (call.caller.actor(), call.if_match);
        let plan = Plan::new(world.tenant(), move |books| {
            let state = books.state::<Payment>(&payment)?;
            let Some(agreed) = state.agreement().filter(|_agreed| world.has_payment(&state)) else {
                return Ok(teller.refused(PaymentRefusal::PaymentAbsent));
            };
            at_version::<Payment>(books, &payment, demanded)?;
            let amount = Money::new(amount.0, agreed.amount.currency);
            let command = PaymentCommand::ReserveRefund { refund_id, amount, by, reason: reason.clone() };
            Ok(match books.tell::<Payment>(&payment, &command)? {
                Err(refusal) => teller.refused(refusal),
                Ok(()) => teller.done(
                    RESERVED,
                    json!({
                        "refund_no": refund_id, "payment_no": payment_no, "status": "pending",
                        "amount": amount.amount_minor, "currency": amount.currency.code(),
                    }),
                ),
            })
        });
        let notes = operator_id.map(|FlatText(clerk)| ("merchant_operator_id", clerk)).into_iter().collect();
        Ok(Plan { notes, counted, ..plan })
    })
}
