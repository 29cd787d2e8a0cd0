//! Settlements, their lines and payouts: what a merchant is owed, and why.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::refusal::Listed as _;
use domain::settlement::{Settlement, SettlementRefusal};
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::books::Books;
use crate::happened::Happened;
use crate::payments::begun_before;
use crate::query::cell::{Kind, Shown, shown};
use crate::query::filter::{Filter, Takes, filter};
use crate::query::resource::{Dated, Expansion, Resource};
use crate::query::tenant::Tenancy;
use crate::read_model::{Plan, ReadModel};
use crate::rows::{Rows, append};
use crate::table::{Row as _, table};

mod fold;

table! {
    /// A settlement, as it stands.
    SettlementRow in "settlements", key (id: Uuid), indexes [
        "(merchant_id, livemode, created_position)", "(created_position)"
    ] {
        /// The settlement; outside SET and this in hexadecimal.
        id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// In which currency.
        currency: String,
        /// One of open, closed, approved, `paying_out`, `payout_failed`, `paid_out`, `carried_over`, `nothing_owed`.
        status: String,
        /// The first day of the period.
        period_from: NaiveDate,
        /// The last day of the period.
        period_until: NaiveDate,
        /// Captured, in minor units.
        gross_minor: i64,
        /// In minor units.
        fees_minor: i64,
        /// Less the fees that came back, in minor units.
        refunds_minor: i64,
        /// In minor units.
        disputes_minor: i64,
        /// In minor units.
        adjustments_minor: i64,
        /// Of earlier settlements, in minor units.
        carried_in_minor: i64,
        /// What all that comes to, in minor units.
        net_minor: i64,
        /// Paid out for good, in minor units.
        paid_out_minor: i64,
        /// Left to a later settlement, in minor units.
        carried_out_minor: i64,
        /// How often something was left to a later settlement.
        carried_out_count: i32,
        /// How many payments are in it.
        payments_count: i64,
        /// Less than this is carried over, in minor units.
        threshold_minor: i64,
        /// How many events it has.
        version: i64,
        /// The position of its first event.
        created_position: i64,
        /// When it was opened.
        created_at: DateTime<Utc>,
        /// When it was closed last.
        closed_at: Option<DateTime<Utc>>,
        /// When it was approved, unless it was opened again since.
        approved_at: Option<DateTime<Utc>>,
        /// When a payout of it was last made.
        paid_out_at: Option<DateTime<Utc>>,
        /// The position of its last event.
        updated_position: i64,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
    }
}

table! {
    /// What a settlement is made of: a payment, an entry, or what another settlement left.
    LineRow in "settlement_lines", key (settlement_id: Uuid, position: i64), indexes ["(payment_id)"] {
        /// The settlement it is of.
        settlement_id: Uuid,
        /// The position of the event that included it.
        position: i64,
        /// What it stands for: the payment, refund, dispute, adjustment or settlement.
        source_id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// One of payment, refund, `refund_bounce`, dispute, `dispute_won`, adjustment, `adjustment_reversed`, `carry_over`.
        kind: String,
        /// The payment, where it is one.
        payment_id: Option<Uuid>,
        /// In which currency.
        currency: String,
        /// Captured, in minor units.
        captured_minor: i64,
        /// In minor units.
        fees_minor: i64,
        /// In minor units.
        refunds_minor: i64,
        /// In minor units.
        disputes_minor: i64,
        /// What it adds to the settlement, in minor units.
        net_minor: i64,
        /// When it was included.
        created_at: DateTime<Utc>,
    }
}

table! {
    /// A payout of a settlement, as it stands.
    PayoutRow in "settlement_payouts", key (settlement_id: Uuid, id: Uuid), indexes [] {
        /// The settlement it pays.
        settlement_id: Uuid,
        /// The payout; outside POT and this in hexadecimal.
        id: Uuid,
        /// How much, in minor units.
        amount_minor: i64,
        /// One of `under_way`, failed, paid, `paid_after_all`, returned.
        standing: String,
        /// Why it failed or was given back.
        reason: Option<String>,
        /// The position of the event that started it.
        position: i64,
        /// When it was started.
        created_at: DateTime<Utc>,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
    }
}

static PLAN: Plan =
    Plan { name: "settlements", version: 1, tables: &[SettlementRow::TABLE, LineRow::TABLE, PayoutRow::TABLE] };

/// The read model of settlements, lines and payouts.
pub(crate) struct Settlements;

impl ReadModel for Settlements {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        event.aggregate_type == Settlement::TYPE
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let known = begun_before(events);
            let mut settlements = Rows::load(books, "id", known).await?;
            // Payouts are few, and needed only where the settlement is reckoned with.
            let mut spoken_of = Vec::new();
            for event in events {
                let speaks = matches!(event.fact()?, Fact::Settlement(fact) if fold::is_reckoned(fact));
                spoken_of.extend(speaks.then(|| crate::payments::uuid_of(&event.recorded.aggregate_id)).flatten());
            }
            let spoken_of = spoken_of.iter().map(Uuid::to_string).collect();
            let mut payouts = Rows::load(books, "settlement_id", spoken_of).await?;
            let mut lines = Vec::new();
            for event in events {
                if let Fact::Settlement(fact) = event.fact()? {
                    fold::fold(&mut settlements, &mut payouts, &mut lines, &event.recorded, fact)?;
                }
            }
            settlements.save(books).await?;
            payouts.save(books).await?;
            append(books, &lines).await
        })
    }
}

const STATUSES: &[&str] =
    &["open", "closed", "approved", "paying_out", "payout_failed", "paid_out", "carried_over", "nothing_owed"];
const KINDS: &[&str] = &[
    "payment",
    "refund",
    "refund_bounce",
    "dispute",
    "dispute_won",
    "adjustment",
    "adjustment_reversed",
    "carry_over",
];

const COLUMNS: &[Shown] = &[
    shown("settlement_no", "id", Kind::Id("SET"), "The settlement."),
    shown("merchant_id", "merchant_id", Kind::Id("MER"), "Whose it is."),
    shown("livemode", "livemode", Kind::Flag, "Whether it is about real money."),
    shown("status", "status", Kind::Text, "How far it has come."),
    shown("currency", "currency", Kind::Text, "In which currency."),
    shown("period_from", "period_from", Kind::Day, "The first day."),
    shown("period_until", "period_until", Kind::Day, "The last day."),
    shown("gross", "gross_minor", Kind::Integer, "Captured, in minor units."),
    shown("fees", "fees_minor", Kind::Integer, "In minor units."),
    shown("refunds", "refunds_minor", Kind::Integer, "In minor units."),
    shown("disputes", "disputes_minor", Kind::Integer, "In minor units."),
    shown("adjustments", "adjustments_minor", Kind::Integer, "In minor units."),
    shown("carried_in", "carried_in_minor", Kind::Integer, "Of earlier settlements, in minor units."),
    shown("net", "net_minor", Kind::Integer, "What all that comes to, in minor units."),
    shown("paid_out", "paid_out_minor", Kind::Integer, "In minor units."),
    shown("carried_out", "carried_out_minor", Kind::Integer, "Left to a later one, in minor units."),
    shown("owed", "net_minor - paid_out_minor - carried_out_minor", Kind::Integer, "What is left, in minor units."),
    shown("payments_count", "payments_count", Kind::Integer, "How many payments are in it."),
    shown("threshold", "threshold_minor", Kind::Integer, "Less than this is carried over."),
    shown("created_at", "created_at", Kind::Moment, "When it was opened."),
    shown("closed_at", "closed_at", Kind::Moment, "When it was closed."),
    shown("approved_at", "approved_at", Kind::Moment, "When it was approved."),
    shown("paid_out_at", "paid_out_at", Kind::Moment, "When it was paid out."),
    shown("updated_at", "updated_at", Kind::Moment, "When anything of it changed last."),
];

const PAYOUTS: &[Shown] = &[
    shown("payout_no", "id", Kind::Id("POT"), "The payout."),
    shown("amount", "amount_minor", Kind::Integer, "In minor units."),
    shown("standing", "standing", Kind::Text, "One of under_way, failed, paid, paid_after_all, returned."),
    shown("reason", "reason", Kind::Text, "Why it failed or was given back."),
    shown("created_at", "created_at", Kind::Moment, "When it was started."),
    shown("updated_at", "updated_at", Kind::Moment, "When anything of it changed last."),
];

const LINE_COLUMNS: &[Shown] = &[
    shown("settlement_no", "settlement_id", Kind::Id("SET"), "The settlement."),
    shown("kind", "kind", Kind::Text, "What it stands for."),
    shown("source_id", "source_id", Kind::Id(""), "Which one, without its prefix."),
    shown("payment_no", "payment_id", Kind::Id("PAY"), "The payment, where it is one."),
    shown("currency", "currency", Kind::Text, "In which currency."),
    shown("captured", "captured_minor", Kind::Integer, "In minor units."),
    shown("fees", "fees_minor", Kind::Integer, "In minor units."),
    shown("refunds", "refunds_minor", Kind::Integer, "In minor units."),
    shown("disputes", "disputes_minor", Kind::Integer, "In minor units."),
    shown("net", "net_minor", Kind::Integer, "What it adds, in minor units."),
    shown("created_at", "created_at", Kind::Moment, "When it was included."),
];

const FILTERS: &[Filter] = &[
    filter("status", "status", Takes::Words(|| STATUSES.to_vec())),
    filter("currency", "currency", Takes::Currency),
    filter("amount", "net_minor", Takes::Amount),
    filter("created", "created_position", Takes::Created),
];

/// What may be asked of settlements.
pub(crate) static SETTLEMENTS: Resource = Resource {
    from: "read.settlements",
    models: &["settlements"],
    tenancy: Tenancy::Rows,
    id: "id",
    order: "created_position",
    dated: Dated::BY_POSITION,
    version: Some("version"),
    columns: COLUMNS,
    filters: FILTERS,
    expansions: &[Expansion {
        name: "payouts",
        models: &["settlements"],
        from: "read.settlement_payouts x",
        on: "x.settlement_id = t.id",
        order: "x.position",
        dated: None,
        columns: PAYOUTS,
    }],
    absent: || SettlementRefusal::SettlementAbsent.rule(),
};

/// What may be asked of the lines of a settlement.
pub(crate) static LINES: Resource = Resource {
    from: "read.settlement_lines",
    models: &["settlements"],
    tenancy: Tenancy::Rows,
    id: "source_id",
    order: "position",
    dated: Dated::ONCE,
    version: None,
    columns: LINE_COLUMNS,
    filters: &[
        filter("kind", "kind", Takes::Words(|| KINDS.to_vec())),
        filter("payment_no", "payment_id", Takes::Id("PAY")),
        filter("amount", "net_minor", Takes::Amount),
    ],
    expansions: &[],
    absent: || SettlementRefusal::SettlementAbsent.rule(),
};
