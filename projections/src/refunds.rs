//! Refunds: what a payment promised to give back, and what became of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::id::RefundId;
use domain::money::Money;
use domain::payment::Payment;
use domain::payment::event::{PaymentEvent, RefundMoved};
use domain::payment::suspense::Source;
use domain::refund::event::RefundEvent;
use domain::refund::{Refund, RefundRefusal};
use domain::refusal::Listed as _;
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::books::Books;
use crate::happened::Happened;
use crate::payments::uuid_of;
use crate::query::cell::{Kind, Shown, shown};
use crate::query::filter::{Filter, Takes, filter};
use crate::query::resource::{Dated, Resource};
use crate::query::tenant::Tenancy;
use crate::read_model::{Plan, ReadModel};
use crate::rows::Rows;
use crate::table::{Row as _, table};
use crate::word::word;

table! {
    /// A refund of a payment, as it stands.
    RefundRow in "refunds", key (id: Uuid), indexes [
        "(merchant_id, livemode, created_position)", "(created_position)", "(payment_id)"
    ] {
        /// The refund; outside REF and this in hexadecimal.
        id: Uuid,
        /// The payment it gives back.
        payment_id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// How much, in minor units.
        amount_minor: i64,
        /// In which currency.
        currency: String,
        /// One of pending, processing, success, failed, bounced, suspended.
        status: String,
        /// Why it was asked for.
        reason: String,
        /// Through which channel, once that is known.
        channel: Option<String>,
        /// The number the channel gave it.
        channel_refund_no: Option<String>,
        /// Why the channel refused.
        decline: Option<String>,
        /// Why it was let go.
        released_for: Option<String>,
        /// The fee that came back with it, in minor units.
        fee_returned_minor: i64,
        /// How many events spoke of it.
        version: i64,
        /// The position of the event that reserved it.
        created_position: i64,
        /// When it was asked for.
        created_at: DateTime<Utc>,
        /// When the money was booked as given back.
        confirmed_at: Option<DateTime<Utc>>,
        /// The position of the last event that spoke of it.
        updated_position: i64,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
    }
}

static PLAN: Plan = Plan { name: "refunds", version: 1, tables: &[RefundRow::TABLE] };

const STATUSES: &[&str] = &["pending", "processing", "success", "failed", "bounced", "suspended"];

/// The read model of refunds: of the payment's own events and of those of the refund at the channel.
pub(crate) struct Refunds;

impl ReadModel for Refunds {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        let of_payment = event.aggregate_type == Payment::TYPE;
        let speaks = event.event_type.starts_with("refund_");
        let suspense = matches!(&*event.event_type, "money_suspended" | "suspense_returned");
        event.aggregate_type == Refund::TYPE || (of_payment && (speaks || suspense))
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let mut ids = Vec::new();
            for event in events {
                ids.extend(spoken_of(event.fact()?, &event.recorded).map(|id| id.to_string()));
            }
            let mut refunds = Rows::load(books, "id", ids).await?;
            for event in events {
                let fact = event.fact()?;
                match fact {
                    Fact::Payment(fact) => of_payment(&mut refunds, &event.recorded, fact)?,
                    Fact::Refund(fact) => at_channel(&mut refunds, &event.recorded, fact)?,
                    Fact::Merchant(_) | Fact::Order(_) | Fact::Settlement(_) | Fact::SettledFunds(_) => {}
                    Fact::Remittance(_) | Fact::Adjustment(_) | Fact::Operator(_) | Fact::Saga(_) => {}
                    Fact::RiskRules(_) | Fact::Periods(_) | Fact::OldName(_) => {}
                }
            }
            refunds.save(books).await
        })
    }
}

/// The refund an event speaks of.
fn spoken_of(fact: &Fact, recorded: &Recorded) -> Option<Uuid> {
    match fact {
        Fact::Refund(_) => uuid_of(&recorded.aggregate_id),
        Fact::Payment(
            PaymentEvent::RefundReserved { refund_id, .. } | PaymentEvent::RefundReleased { refund_id, .. },
        ) => Some(refund_id.uuid()),
        Fact::Payment(PaymentEvent::RefundConfirmed(moved) | PaymentEvent::RefundBounced(moved)) => {
            Some(moved.refund_id.uuid())
        }
        Fact::Payment(PaymentEvent::MoneySuspended(moved) | PaymentEvent::SuspenseReturned(moved)) => {
            match moved.source {
                Source::Refund { refund_id } => Some(refund_id.uuid()),
                Source::Capture { .. } => None,
            }
        }
        Fact::Payment(_) | Fact::Merchant(_) | Fact::Order(_) | Fact::Settlement(_) | Fact::SettledFunds(_) => None,
        Fact::Remittance(_) | Fact::Adjustment(_) | Fact::Operator(_) | Fact::Saga(_) => None,
        Fact::RiskRules(_) | Fact::Periods(_) | Fact::OldName(_) => None,
    }
}

fn of_payment(refunds: &mut Rows<RefundRow>, recorded: &Recorded, fact: &PaymentEvent) -> Result<(), Poison> {
    if let PaymentEvent::RefundReserved { refund_id, amount, reason, .. } = fact {
        refunds.put(reserved(recorded, *refund_id, *amount, reason.as_str())?);
    } else if let PaymentEvent::RefundReleased { refund_id, reason, .. } = fact {
        let row = refunds.touch(recorded, *refund_id)?;
        row.status = "failed".to_owned();
        row.released_for = Some(reason.as_str().to_owned());
    } else if let PaymentEvent::RefundConfirmed(moved) = fact {
        let row = refunds.touch(recorded, moved.refund_id)?;
        row.status = "success".to_owned();
        row.confirmed_at = Some(recorded.recorded_at);
        row.moved(moved, moved.fee_returned.amount_minor);
    } else if let PaymentEvent::RefundBounced(moved) = fact {
        let row = refunds.touch(recorded, moved.refund_id)?;
        row.status = "bounced".to_owned();
        row.moved(moved, 0);
    } else if let PaymentEvent::MoneySuspended(moved) | PaymentEvent::SuspenseReturned(moved) = fact
        && let Source::Refund { refund_id } = moved.source
    {
        // It left after it was let go, when captures did not cover it any more: booked in suspense until it is back.
        let is_returned = matches!(fact, PaymentEvent::SuspenseReturned(_));
        refunds.touch(recorded, refund_id)?.status = if is_returned { "bounced" } else { "suspended" }.to_owned();
    }
    Ok(())
}

fn at_channel(refunds: &mut Rows<RefundRow>, recorded: &Recorded, fact: &RefundEvent) -> Result<(), Poison> {
    let id = uuid_of(&recorded.aggregate_id).ok_or_else(|| Poison::Event("no refund has such a name".to_owned()))?;
    let row = refunds.touch(recorded, RefundId::new(id))?;
    match fact {
        RefundEvent::Requested(requested) => row.channel = Some(requested.channel.name().to_owned()),
        RefundEvent::Sent { channel } => {
            row.channel = Some(channel.name().to_owned());
            row.under_way();
        }
        RefundEvent::OutcomeUnknown => row.under_way(),
        RefundEvent::Succeeded { channel_refund_no, .. } => row.channel_refund_no = Some(channel_refund_no.clone()),
        // Whether the money went is told by the payment.
        RefundEvent::Failed { decline, .. } => row.decline = Some(word(decline)),
        RefundEvent::Bounced { .. } => {}
    }
    Ok(())
}

fn reserved(recorded: &Recorded, refund_id: RefundId, amount: Money, reason: &str) -> Result<RefundRow, Poison> {
    let nobody = || Poison::Event("a refund of nobody".to_owned());
    Ok(RefundRow {
        id: refund_id.uuid(),
        payment_id: uuid_of(&recorded.aggregate_id).ok_or_else(nobody)?,
        merchant_id: recorded.merchant_id.ok_or_else(nobody)?,
        livemode: recorded.livemode.ok_or_else(nobody)?,
        amount_minor: amount.amount_minor,
        currency: amount.currency.code().to_owned(),
        status: "pending".to_owned(),
        reason: reason.to_owned(),
        channel: None,
        channel_refund_no: None,
        decline: None,
        released_for: None,
        fee_returned_minor: 0,
        version: 1,
        created_position: recorded.position,
        created_at: recorded.recorded_at,
        confirmed_at: None,
        updated_position: recorded.position,
        updated_at: recorded.recorded_at,
    })
}

impl Rows<RefundRow> {
    fn touch(&mut self, recorded: &Recorded, refund_id: RefundId) -> Result<&mut RefundRow, Poison> {
        let row = self.must(&(refund_id.uuid(),))?;
        row.version = row.version.saturating_add(1);
        row.updated_position = recorded.position;
        row.updated_at = recorded.recorded_at;
        Ok(row)
    }
}

impl RefundRow {
    fn moved(&mut self, moved: &RefundMoved, fee_returned_minor: i64) {
        self.channel = Some(moved.channel.name().to_owned());
        self.fee_returned_minor = fee_returned_minor;
    }

    /// With the channel, unless its end is known already.
    fn under_way(&mut self) {
        if self.status == "pending" {
            self.status = "processing".to_owned();
        }
    }
}

pub(crate) const COLUMNS: &[Shown] = &[
    shown("refund_no", "id", Kind::Id("REF"), "The refund."),
    shown("payment_no", "payment_id", Kind::Id("PAY"), "The payment it gives back."),
    shown("merchant_id", "merchant_id", Kind::Id("MER"), "Whose it is."),
    shown("livemode", "livemode", Kind::Flag, "Whether it is about real money."),
    shown("status", "status", Kind::Text, "One of pending, processing, success, failed, bounced, suspended."),
    shown("amount", "amount_minor", Kind::Integer, "In minor units."),
    shown("currency", "currency", Kind::Text, "In which currency."),
    shown("fee_returned", "fee_returned_minor", Kind::Integer, "The fee that came back with it, in minor units."),
    shown("reason", "reason", Kind::Text, "Why it was asked for."),
    shown("channel", "channel", Kind::Text, "Through which channel, once that is known."),
    shown("channel_refund_no", "channel_refund_no", Kind::Text, "The number the channel gave it."),
    shown("decline", "decline", Kind::Text, "Why the channel refused."),
    shown("released_for", "released_for", Kind::Text, "Why it was let go."),
    shown("created_at", "created_at", Kind::Moment, "When it was asked for."),
    shown("confirmed_at", "confirmed_at", Kind::Moment, "When the money was booked as given back."),
    shown("updated_at", "updated_at", Kind::Moment, "When anything of it changed last."),
];

const FILTERS: &[Filter] = &[
    filter("status", "status", Takes::Words(|| STATUSES.to_vec())),
    filter("channel", "channel", Takes::Channel),
    filter("currency", "currency", Takes::Currency),
    filter("payment_no", "payment_id", Takes::Id("PAY")),
    filter("amount", "amount_minor", Takes::Amount),
    filter("created", "created_position", Takes::Created),
];

/// What may be asked of refunds.
pub(crate) static REFUNDS: Resource = Resource {
    from: "read.refunds",
    models: &["refunds"],
    tenancy: Tenancy::Rows,
    id: "id",
    order: "created_position",
    dated: Dated::BY_POSITION,
    version: Some("version"),
    columns: COLUMNS,
    filters: FILTERS,
    expansions: &[],
    absent: || RefundRefusal::RefundAbsent.rule(),
};
