//! Payments and their attempts: how each stands, found by what a merchant knows of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::payment::Payment;
use domain::payment::PaymentRefusal;
use domain::payment::attempt::Phase;
use domain::payment::event::{Initiated, Route};
use domain::payment::status::Status;
use domain::refusal::Listed as _;
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use crate::books::Books;
use crate::column::Ciphertext;
use crate::happened::Happened;
use crate::query::cell::{Kind, Personal, Shown, shown};
use crate::query::filter::{Filter, Takes, filter};
use crate::query::resource::{Dated, Expansion, Resource};
use crate::query::tenant::Tenancy;
use crate::read_model::{Plan, ReadModel};
use crate::rows::Rows;
use crate::table::{Row as _, table};
use crate::word::word;

mod fold;
mod named;

pub(crate) use named::show;

table! {
    /// A payment, as it stands.
    PaymentRow in "payments", key (id: Uuid), indexes [
        "(merchant_id, livemode, created_position)", "(created_position)", "(order_no)",
        "(customer_index) where customer_index is not null"
    ] {
        /// The payment; outside PAY and this in hexadecimal.
        id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// The merchant's own number of the order.
        order_no: String,
        /// The order it pays.
        order_id: Uuid,
        /// What was agreed, in minor units.
        amount_minor: i64,
        /// In which currency.
        currency: String,
        /// One of the nine statuses of the outside.
        status: String,
        /// The channel of the last attempt.
        channel: String,
        /// How the customer pays, of the last attempt.
        method: Option<String>,
        /// The number of the last attempt, from 1.
        attempt: i32,
        /// How far the last attempt has come.
        phase: String,
        /// Captured, in minor units.
        captured_minor: i64,
        /// Fees of what was captured, in minor units.
        fee_minor: i64,
        /// Refunded for good, in minor units.
        refunded_minor: i64,
        /// Refunds on their way, in minor units.
        refunding_minor: i64,
        /// Fees given back with refunds, in minor units.
        fee_returned_minor: i64,
        /// In dispute or lost, in minor units.
        disputed_minor: i64,
        /// Refunds on their way: their ids, with their amounts.
        refunds_open: Option<Value>,
        /// Whether it was cancelled.
        is_cancelled: bool,
        /// The settlement it went into.
        settlement_id: Option<Uuid>,
        /// Why the channel refused the last attempt.
        decline: Option<String>,
        /// The number the channel gave it.
        channel_trade_no: Option<String>,
        /// What the last risk check made of it, 0 to 100.
        risk_score: Option<i16>,
        /// What the last risk check decided.
        risk_decision: Option<String>,
        /// What it is for.
        subject: Option<String>,
        /// What the merchant wrote about it, sealed.
        description: Option<Ciphertext>,
        /// The customer's address, sealed.
        customer_email: Option<Ciphertext>,
        /// Keyed index of the customer, to find payments of one person by.
        customer_index: Option<String>,
        /// Where the merchant wants to be told.
        callback_url: Option<String>,
        /// Where the customer goes back to.
        return_url: Option<String>,
        /// Pairs of texts the merchant put there.
        metadata: Option<Value>,
        /// How many events it has.
        version: i64,
        /// The position of its first event.
        created_position: i64,
        /// When it was started.
        created_at: DateTime<Utc>,
        /// When money was first captured.
        captured_at: Option<DateTime<Utc>>,
        /// The position of its last event.
        updated_position: i64,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
    }
}

table! {
    /// One try of a payment through one channel.
    AttemptRow in "payment_attempts", key (payment_id: Uuid, attempt: i32), indexes [] {
        /// The payment it is a try of.
        payment_id: Uuid,
        /// From 1.
        attempt: i32,
        /// Through which channel.
        channel: String,
        /// How the customer pays.
        method: Option<String>,
        /// automatic or manual.
        capture_mode: String,
        /// How far it has come.
        phase: String,
        /// Why the channel refused.
        decline: Option<String>,
        /// The number the channel gave it.
        channel_trade_no: Option<String>,
        /// What the risk check made of it, 0 to 100.
        risk_score: Option<i16>,
        /// What the risk check decided.
        risk_decision: Option<String>,
        /// Authorised, in minor units.
        authorised_minor: i64,
        /// Captured, in minor units.
        captured_minor: i64,
        /// When it was opened.
        opened_at: DateTime<Utc>,
        /// When it was handed to the channel.
        submitted_at: Option<DateTime<Utc>>,
        /// When the channel had first said yes or no.
        answered_at: Option<DateTime<Utc>>,
        /// The position of the event that changed it last.
        position: i64,
    }
}

static PLAN: Plan = Plan { name: "payments", version: 1, tables: &[PaymentRow::TABLE, AttemptRow::TABLE] };

/// The read model of payments and attempts.
pub(crate) struct Payments;

impl ReadModel for Payments {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        event.aggregate_type == Payment::TYPE
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let known = begun_before(events);
            let mut payments = Rows::load(books, "id", known.clone()).await?;
            let mut attempts = Rows::load(books, "payment_id", known).await?;
            for event in events {
                if let Fact::Payment(fact) = event.fact()? {
                    fold::fold(&mut payments, &mut attempts, &event.recorded, fact)?;
                }
            }
            payments.save(books).await?;
            attempts.save(books).await
        })
    }
}

/// The streams among these events that do not begin here: their rows stand in the tables already.
pub(crate) fn begun_before(events: &[Arc<Happened>]) -> Vec<String> {
    let begin = events.iter().filter(|event| event.recorded.sequence == 1);
    let begin: BTreeSet<&str> = begin.map(|event| &*event.recorded.aggregate_id).collect();
    let ids = events.iter().map(|event| &*event.recorded.aggregate_id).filter(|id| !begin.contains(id));
    ids.filter_map(uuid_of).map(|id| id.to_string()).collect()
}

/// The number behind a stream's name, whatever its prefix.
pub(crate) fn uuid_of(id: &str) -> Option<Uuid> {
    Uuid::try_parse(id.get(3..)?).ok()
}

fn new(recorded: &Recorded, initiated: &Initiated) -> PaymentRow {
    let Initiated { payment_id, merchant_id, livemode, order_no, amount, route, purpose, origin: _ } = initiated;
    let metadata = purpose.metadata.iter().map(|(key, value)| (key.as_str().to_owned(), value.as_str().into()));
    PaymentRow {
        id: payment_id.uuid(),
        merchant_id: merchant_id.uuid(),
        livemode: *livemode,
        order_no: order_no.as_str().to_owned(),
        order_id: domain::id::OrderId::derive(*merchant_id, *livemode, order_no.as_str()).uuid(),
        amount_minor: amount.amount_minor,
        currency: amount.currency.code().to_owned(),
        status: Status::Pending.name().to_owned(),
        channel: route.channel.name().to_owned(),
        method: method(route),
        attempt: 1,
        phase: word(Phase::Initiated),
        captured_minor: 0,
        fee_minor: 0,
        refunded_minor: 0,
        refunding_minor: 0,
        fee_returned_minor: 0,
        disputed_minor: 0,
        refunds_open: None,
        is_cancelled: false,
        settlement_id: None,
        decline: None,
        channel_trade_no: None,
        risk_score: None,
        risk_decision: None,
        subject: purpose.subject.as_ref().map(|text| text.as_str().to_owned()),
        description: purpose.description.as_ref().map(|note| Ciphertext(note.ciphertext().to_owned())),
        customer_email: purpose.customer_email.as_ref().map(|email| Ciphertext(email.ciphertext().to_owned())),
        customer_index: purpose.customer_email.as_ref().and_then(|email| email.blind_index().map(str::to_owned)),
        callback_url: purpose.callback_url.clone(),
        return_url: purpose.return_url.clone(),
        metadata: (!purpose.metadata.is_empty()).then(|| Value::Object(metadata.collect())),
        version: recorded.sequence,
        created_position: recorded.position,
        created_at: recorded.recorded_at,
        captured_at: None,
        updated_position: recorded.position,
        updated_at: recorded.recorded_at,
    }
}

fn opened(recorded: &Recorded, payment_id: Uuid, attempt: i32, route: &Route) -> AttemptRow {
    AttemptRow {
        payment_id,
        attempt,
        channel: route.channel.name().to_owned(),
        method: method(route),
        capture_mode: word(route.capture_mode),
        phase: word(Phase::Initiated),
        decline: None,
        channel_trade_no: None,
        risk_score: None,
        risk_decision: None,
        authorised_minor: 0,
        captured_minor: 0,
        opened_at: recorded.recorded_at,
        submitted_at: None,
        answered_at: None,
        position: recorded.position,
    }
}

fn method(route: &Route) -> Option<String> {
    route.method.as_ref().map(|method| method.as_str().to_owned())
}

const ATTEMPTS: &[Shown] = &[
    shown("attempt", "attempt", Kind::Integer, "From 1."),
    shown("channel", "channel", Kind::Text, "Through which channel."),
    shown("method", "method", Kind::Text, "How the customer pays."),
    shown("phase", "phase", Kind::Text, "How far it has come."),
    shown("decline", "decline", Kind::Text, "Why the channel refused."),
    shown("channel_trade_no", "channel_trade_no", Kind::Text, "The number the channel gave it."),
    shown("risk_score", "risk_score", Kind::Integer, "0 is harmless, 100 is certain."),
    shown("risk_decision", "risk_decision", Kind::Text, "What the risk check decided."),
    shown("authorised", "authorised_minor", Kind::Integer, "In minor units."),
    shown("captured", "captured_minor", Kind::Integer, "In minor units."),
    shown("opened_at", "opened_at", Kind::Moment, "When it was opened."),
    shown("submitted_at", "submitted_at", Kind::Moment, "When it was handed to the channel."),
    shown("answered_at", "answered_at", Kind::Moment, "When the channel had first said yes or no."),
];

const COLUMNS: &[Shown] = &[
    shown("payment_no", "id", Kind::Id("PAY"), "The payment."),
    shown("merchant_id", "merchant_id", Kind::Id("MER"), "Whose it is."),
    shown("livemode", "livemode", Kind::Flag, "Whether it is about real money."),
    shown("order_no", "order_no", Kind::Text, "The merchant's own number of the order."),
    shown("order_id", "order_id", Kind::Id("ORD"), "The order it pays."),
    shown("status", "status", Kind::Text, "One of the nine statuses."),
    shown("amount", "amount_minor", Kind::Integer, "What was agreed, in minor units."),
    shown("currency", "currency", Kind::Text, "In which currency."),
    shown("captured", "captured_minor", Kind::Integer, "In minor units."),
    shown("refunded", "refunded_minor", Kind::Integer, "In minor units."),
    shown("refunding", "refunding_minor", Kind::Integer, "Refunds on their way, in minor units."),
    shown("disputed", "disputed_minor", Kind::Integer, "In dispute or lost, in minor units."),
    shown("fee", "fee_minor", Kind::Integer, "In minor units."),
    shown("fee_returned", "fee_returned_minor", Kind::Integer, "In minor units."),
    shown("channel", "channel", Kind::Text, "Of the last attempt."),
    shown("method", "method", Kind::Text, "How the customer pays."),
    shown("channel_trade_no", "channel_trade_no", Kind::Text, "The number the channel gave it."),
    shown("attempt", "attempt", Kind::Integer, "The number of the last attempt."),
    shown("decline", "decline", Kind::Text, "Why the channel refused the last attempt."),
    shown("settlement_no", "settlement_id", Kind::Id("SET"), "The settlement it went into."),
    shown("subject", "subject", Kind::Text, "What it is for."),
    shown("description", "description", Kind::Sealed(Personal::Words), "What the merchant wrote about it."),
    shown("customer_email", "customer_email", Kind::Sealed(Personal::Email), "Masked for most of the house."),
    shown("callback_url", "callback_url", Kind::Text, "Where the merchant wants to be told."),
    shown("return_url", "return_url", Kind::Text, "Where the customer goes back to."),
    shown("metadata", "metadata", Kind::Json, "Pairs of texts the merchant put there."),
    shown("created_at", "created_at", Kind::Moment, "When it was started."),
    shown("captured_at", "captured_at", Kind::Moment, "When money was first captured."),
    shown("updated_at", "updated_at", Kind::Moment, "When anything of it changed last."),
];

const FILTERS: &[Filter] = &[
    filter("status", "status", Takes::Words(|| Status::ALL.iter().map(|status| status.name()).collect())),
    filter("channel", "channel", Takes::Channel),
    filter("currency", "currency", Takes::Currency),
    filter("order_no", "order_no", Takes::Text),
    filter("channel_trade_no", "channel_trade_no", Takes::Text),
    filter("settlement_no", "settlement_id", Takes::Id("SET")),
    filter("amount", "amount_minor", Takes::Amount),
    filter("created", "created_position", Takes::Created),
    filter("customer_email", "customer_index", Takes::Customer),
    filter("metadata", "metadata", Takes::Pairs),
];

/// What may be asked of payments.
pub(crate) static PAYMENTS: Resource = Resource {
    from: "read.payments",
    models: &["payments"],
    tenancy: Tenancy::Rows,
    id: "id",
    order: "created_position",
    dated: Dated::BY_POSITION,
    version: Some("version"),
    columns: COLUMNS,
    filters: FILTERS,
    expansions: &[
        Expansion {
            name: "attempts",
            models: &["payments"],
            from: "read.payment_attempts x",
            on: "x.payment_id = t.id",
            order: "x.attempt",
            dated: None,
            columns: ATTEMPTS,
        },
        Expansion {
            name: "refunds",
            models: &["refunds"],
            from: "read.refunds x",
            on: "x.payment_id = t.id",
            order: "x.created_position",
            dated: Some(Dated { had_come: "x.created_position <= $upto", is_unchanged: "x.updated_position <= $upto" }),
            columns: crate::refunds::COLUMNS,
        },
    ],
    absent: || PaymentRefusal::PaymentAbsent.rule(),
};
