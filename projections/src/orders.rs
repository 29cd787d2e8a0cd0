//! Orders and their items: what was bought, whether it was paid, and what came back.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::aggregate::Aggregate as _;
use domain::fact::Fact;
use domain::id::OrderId;
use domain::order::event::{OrderEvent, Placed};
use domain::order::{Order, OrderRefusal};
use domain::refusal::Listed as _;
use event_store::{Poison, Recorded};
use futures_util::future::BoxFuture;
use gate::{Call, Problem, rules};
use uuid::Uuid;

use crate::books::Books;
use crate::happened::Happened;
use crate::payments::{begun_before, uuid_of};
use crate::query::cell::{Kind, Shown, shown};
use crate::query::filter::{Filter, Takes, filter};
use crate::query::resource::{Dated, Expansion, Resource};
use crate::query::tenant::{Tenancy, Tenant};
use crate::read_model::{Plan, ReadModel};
use crate::rows::{Rows, append};
use crate::table::{Row as _, table};

table! {
    /// An order, as it stands.
    OrderRow in "orders", key (id: Uuid), indexes [
        "(merchant_id, livemode, created_position)", "(created_position)", "(order_no)"
    ] {
        /// The order; outside ORD and this in hexadecimal.
        id: Uuid,
        /// Whose it is.
        merchant_id: Uuid,
        /// Whether it is about real money.
        livemode: bool,
        /// The merchant's own number.
        order_no: String,
        /// One of open, `partially_paid`, paid, cancelled, `partially_refunded`, refunded.
        status: String,
        /// Whether what was bought was delivered.
        is_fulfilled: bool,
        /// Items, tax and shipping together, in minor units.
        total_minor: i64,
        /// In minor units.
        tax_minor: i64,
        /// In minor units.
        shipping_minor: i64,
        /// In which currency.
        currency: String,
        /// Paid so far, in minor units.
        paid_minor: i64,
        /// Given back so far, in minor units.
        refunded_minor: i64,
        /// The payment that pays it.
        payment_id: Option<Uuid>,
        /// How many events it has.
        version: i64,
        /// The position of its first event.
        created_position: i64,
        /// When it was placed.
        created_at: DateTime<Utc>,
        /// When it was paid in whole.
        paid_at: Option<DateTime<Utc>>,
        /// The position of its last event.
        updated_position: i64,
        /// When anything of it changed last.
        updated_at: DateTime<Utc>,
    }
}

table! {
    /// One line of an order.
    ItemRow in "order_items", key (order_id: Uuid, line: i32), indexes [] {
        /// Names the line: derived from the order and its place in it.
        id: Uuid,
        /// The order it is of.
        order_id: Uuid,
        /// Its place, from 1.
        line: i32,
        /// What was bought.
        name: String,
        /// How many.
        quantity: i64,
        /// What one costs, in minor units.
        unit_price_minor: i64,
        /// What all cost, in minor units.
        amount_minor: i64,
    }
}

static PLAN: Plan = Plan { name: "orders", version: 1, tables: &[OrderRow::TABLE, ItemRow::TABLE] };

/// The read model of orders and items.
pub(crate) struct Orders;

impl ReadModel for Orders {
    fn plan(&self) -> &'static Plan {
        &PLAN
    }

    fn wants(&self, event: &Recorded) -> bool {
        event.aggregate_type == Order::TYPE
    }

    fn apply<'a>(&'a self, books: &'a mut Books<'_>, events: &'a [Arc<Happened>]) -> BoxFuture<'a, Result<(), Poison>> {
        Box::pin(async move {
            let mut orders = Rows::load(books, "id", begun_before(events)).await?;
            let mut items = Vec::new();
            for event in events {
                if let Fact::Order(fact) = event.fact()? {
                    fold(&mut orders, &mut items, &event.recorded, fact)?;
                }
            }
            orders.save(books).await?;
            append(books, &items).await
        })
    }
}

fn fold(
    orders: &mut Rows<OrderRow>,
    items: &mut Vec<ItemRow>,
    recorded: &Recorded,
    fact: &OrderEvent,
) -> Result<(), Poison> {
    if let OrderEvent::Placed(placed) = fact {
        orders.put(new(recorded, placed));
        items.extend(lines(placed));
        return Ok(());
    }
    let id = uuid_of(&recorded.aggregate_id).ok_or_else(|| Poison::Event("no order has such a name".to_owned()))?;
    let row = orders.must(&(id,))?;
    row.version = recorded.sequence;
    row.updated_position = recorded.position;
    row.updated_at = recorded.recorded_at;
    match fact {
        OrderEvent::Placed(_) => {}
        OrderEvent::Paid { payment_id, amount, in_whole, .. } => {
            row.payment_id = Some(payment_id.uuid());
            row.paid_minor = row.paid_minor.saturating_add(amount.amount_minor);
            row.status = if *in_whole { "paid" } else { "partially_paid" }.to_owned();
            if *in_whole {
                row.paid_at = Some(recorded.recorded_at);
            }
        }
        // It stays cancelled, and the money is to go back.
        OrderEvent::PaidLate { payment_id, amount, .. } => {
            row.payment_id = Some(payment_id.uuid());
            row.paid_minor = row.paid_minor.saturating_add(amount.amount_minor);
        }
        OrderEvent::Cancelled { .. } => row.status = "cancelled".to_owned(),
        OrderEvent::Fulfilled { .. } => row.is_fulfilled = true,
        OrderEvent::Refunded { amount, in_whole, .. } => {
            row.refunded_minor = row.refunded_minor.saturating_add(amount.amount_minor);
            row.turn(if *in_whole { "refunded" } else { "partially_refunded" });
        }
        OrderEvent::RefundTakenBack { amount, .. } => {
            row.refunded_minor = row.refunded_minor.saturating_sub(amount.amount_minor);
            row.turn(if row.refunded_minor == 0 { "paid" } else { "partially_refunded" });
        }
    }
    Ok(())
}

impl OrderRow {
    /// What was cancelled stays so, whatever money still goes back and forth.
    fn turn(&mut self, status: &str) {
        if self.status != "cancelled" {
            self.status = status.to_owned();
        }
    }
}

fn new(recorded: &Recorded, placed: &Placed) -> OrderRow {
    OrderRow {
        id: placed.order_id.uuid(),
        merchant_id: placed.merchant_id.uuid(),
        livemode: placed.livemode,
        order_no: placed.order_no.as_str().to_owned(),
        status: "open".to_owned(),
        is_fulfilled: false,
        total_minor: placed.total.amount_minor,
        tax_minor: placed.tax_minor,
        shipping_minor: placed.shipping_minor,
        currency: placed.total.currency.code().to_owned(),
        paid_minor: 0,
        refunded_minor: 0,
        payment_id: None,
        version: recorded.sequence,
        created_position: recorded.position,
        created_at: recorded.recorded_at,
        paid_at: None,
        updated_position: recorded.position,
        updated_at: recorded.recorded_at,
    }
}

fn lines(placed: &Placed) -> impl Iterator<Item = ItemRow> {
    (1..).zip(&placed.items).map(|(line, item): (i32, _)| ItemRow {
        id: Uuid::new_v5(&placed.order_id.uuid(), &line.to_be_bytes()),
        order_id: placed.order_id.uuid(),
        line,
        name: item.name.as_str().to_owned(),
        quantity: i64::from(item.quantity),
        unit_price_minor: item.unit_price_minor,
        amount_minor: item.unit_price_minor.saturating_mul(i64::from(item.quantity)),
    })
}

/// An order's name follows from its world: of which one, a merchant's key says by itself.
pub(crate) fn named(call: &Call, tenant: &Tenant) -> Result<Option<Uuid>, Problem> {
    let missing = |name| Problem::parameter(name, rules::PARAMETER_MISSING);
    let merchant_id = tenant.merchant_id().ok_or_else(|| missing("merchant_id"))?;
    let livemode = tenant.livemode().ok_or_else(|| missing("livemode"))?;
    Ok(Some(OrderId::derive(merchant_id, livemode, call.path("order_no")).uuid()))
}

const ITEMS: &[Shown] = &[
    shown("line", "line", Kind::Integer, "Its place, from 1."),
    shown("name", "name", Kind::Text, "What was bought."),
    shown("quantity", "quantity", Kind::Integer, "How many."),
    shown("unit_price", "unit_price_minor", Kind::Integer, "In minor units."),
    shown("amount", "amount_minor", Kind::Integer, "In minor units."),
];

const COLUMNS: &[Shown] = &[
    shown("order_no", "order_no", Kind::Text, "The merchant's own number."),
    shown("order_id", "id", Kind::Id("ORD"), "The order."),
    shown("merchant_id", "merchant_id", Kind::Id("MER"), "Whose it is."),
    shown("livemode", "livemode", Kind::Flag, "Whether it is about real money."),
    shown(
        "status",
        "status",
        Kind::Text,
        "One of open, partially_paid, paid, cancelled, partially_refunded, refunded.",
    ),
    shown("fulfilled", "is_fulfilled", Kind::Flag, "Whether what was bought was delivered."),
    shown("amount", "total_minor", Kind::Integer, "Items, tax and shipping, in minor units."),
    shown("tax", "tax_minor", Kind::Integer, "In minor units."),
    shown("shipping", "shipping_minor", Kind::Integer, "In minor units."),
    shown("currency", "currency", Kind::Text, "In which currency."),
    shown("paid", "paid_minor", Kind::Integer, "In minor units."),
    shown("refunded", "refunded_minor", Kind::Integer, "In minor units."),
    shown("payment_no", "payment_id", Kind::Id("PAY"), "The payment that pays it."),
    shown("created_at", "created_at", Kind::Moment, "When it was placed."),
    shown("paid_at", "paid_at", Kind::Moment, "When it was paid in whole."),
    shown("updated_at", "updated_at", Kind::Moment, "When anything of it changed last."),
];

const STATUSES: &[&str] = &["open", "partially_paid", "paid", "cancelled", "partially_refunded", "refunded"];

const FILTERS: &[Filter] = &[
    filter("status", "status", Takes::Words(|| STATUSES.to_vec())),
    filter("currency", "currency", Takes::Currency),
    filter("order_no", "order_no", Takes::Text),
    filter("payment_no", "payment_id", Takes::Id("PAY")),
    filter("fulfilled", "is_fulfilled", Takes::Flag),
    filter("amount", "total_minor", Takes::Amount),
    filter("created", "created_position", Takes::Created),
];

/// What may be asked of orders.
pub(crate) static ORDERS: Resource = Resource {
    from: "read.orders",
    models: &["orders"],
    tenancy: Tenancy::Rows,
    id: "id",
    order: "created_position",
    dated: Dated::BY_POSITION,
    version: Some("version"),
    columns: COLUMNS,
    filters: FILTERS,
    expansions: &[Expansion {
        name: "items",
        models: &["orders"],
        from: "read.order_items x",
        on: "x.order_id = t.id",
        order: "x.line",
        dated: None,
        columns: ITEMS,
    }],
    absent: || OrderRefusal::OrderAbsent.rule(),
};
