//! Remittances: what a channel has paid us, as it reports it.

use chrono::{DateTime, Utc};
use domain::{
    channel::Channel,
    currency::Currency,
    id::RemittanceId,
    money::Money,
    remittance::{Remittance, RemittanceCommand, event::Recorded},
};
use event_store::Tenant;
use futures_util::future::BoxFuture;
use gate::{Amount, Body as _, Call, Problem, body};
use serde_json::json;

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{at_version, stream},
};

body! {
    pub(crate) struct RecordRemittance {
        required channel: Channel = "stripe", "Who paid.";
        required currency: Currency = "USD", "Of the amounts below.";
        required gross: Amount = 100000, "What the channel had taken for us; negative when we pay.";
        required fee: Amount = 2900, "What it kept.";
        required net: Amount = 97100, "What came to the bank: gross less fee.";
        required effective_at: DateTime<Utc> = "2026-01-31T00:00:00Z", "When it came.";
        required livemode: bool = true, "Whether it is real money.";
    }
}

const RECORDED: Words = ("the remittance was recorded", "汇款已登记");

pub(crate) fn record<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let body = RecordRemittance::parse(&call.body)?;
        let id = RemittanceId::asked_for(&call.caller.idempotency_scope(), call.key_text());
        let money = |Amount(minor): Amount| Money::new(minor, body.currency);
        let recorded = Recorded {
            remittance_id: id,
            channel: body.channel,
            livemode: body.livemode,
            gross: money(body.gross),
            fee: money(body.fee),
            net: money(body.net),
            effective_at: body.effective_at,
        };
        let command = RemittanceCommand::Record(Box::new(recorded));
        let (remittance, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
        let tenant = Tenant { merchant_id: None, livemode: Some(body.livemode) };
        Ok(Plan::new(tenant, move |books| {
            books.presume_new::<Remittance>(&remittance);
            at_version::<Remittance>(books, &remittance, demanded)?;
            Ok(match books.tell::<Remittance>(&remittance, &command)? {
                Ok(()) => teller.done(RECORDED, json!({ "remittance_no": id })),
                Err(refusal) => teller.refused(refusal),
            })
        }))
    })
}
