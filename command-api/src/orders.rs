//! Orders: place one by itself, or cancel it.

use domain::{
    currency::Currency,
    free_text::{FreeText, OrderNo},
    id::{MerchantId, OrderId},
    money::Money,
    order::{
        Order, OrderCommand,
        event::{Item, Placed},
    },
};
use futures_util::future::BoxFuture;
use gate::{Amount, Body as _, Call, Count, Problem, body};
use serde_json::json;

use crate::{
    plan::{Plan, Teller, Words},
    routes::Api,
    tenant::{World, at_version, stream},
};

body! {
    pub(crate) struct PlaceOrder {
        required order_no: OrderNo = "ORDER-20260101-1", "Your own number of the order.";
        required currency: Currency = "USD", "Of every amount in it.";
        required total: Amount = 10800, "Items, tax and shipping.";
        required items: Vec<OrderItem> = [{ "name": "Ticket", "quantity": 2, "unit_price": 5000 }], "At least one.";
        optional tax: Amount = 500, "In minor units.";
        optional shipping: Amount = 300, "In minor units.";
        optional merchant_id: MerchantId = "MER00000000000000000000000000000001", "Yours. Operators must name it.";
        optional livemode: bool = false, "Operators must say; a key says it by itself.";
    }
}

body! {
    pub(crate) struct OrderItem {
        required name: FreeText = "Ticket", "What it is.";
        required quantity: Count = 2, "How many.";
        required unit_price: Amount = 5000, "Of one, in minor units.";
    }
}

body! {
    pub(crate) struct CancelOrder {
        optional merchant_id: MerchantId = "MER00000000000000000000000000000001", "Yours. Operators must name it.";
        optional livemode: bool = false, "Operators must say; a key says it by itself.";
    }
}

const PLACED: Words = ("the order was placed", "订单已创建");
const CANCELLED: Words = ("the order was cancelled", "订单已取消");

pub(crate) fn create<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let body = PlaceOrder::parse(&call.body)?;
        let world = World::named(call, body.merchant_id, body.livemode)?;
        let minor = |amount: Option<Amount>| amount.map_or(0, |Amount(minor)| minor);
        let items = body.items.into_iter().map(|OrderItem { name, quantity, unit_price }| Item {
            name,
            quantity: quantity.0,
            unit_price_minor: unit_price.0,
        });
        let placed = Placed {
            order_id: OrderId::derive(world.merchant_id, world.livemode, body.order_no.as_str()),
            merchant_id: world.merchant_id,
            livemode: world.livemode,
            order_no: body.order_no,
            items: items.collect(),
            tax_minor: minor(body.tax),
            shipping_minor: minor(body.shipping),
            total: Money::new(body.total.0, body.currency),
        };
        let told = json!({
            "order_id": placed.order_id, "order_no": placed.order_no, "status": "open",
            "amount": placed.total.amount_minor, "currency": placed.total.currency.code(),
        });
        let id = placed.order_id;
        Ok(tell(call, world, id, true, OrderCommand::Place(Box::new(placed)), PLACED, told))
    })
}

pub(crate) fn cancel<'c>(_api: &'c Api, call: &'c Call) -> BoxFuture<'c, Result<Plan, Problem>> {
    Box::pin(async {
        let CancelOrder { merchant_id, livemode } = CancelOrder::parse(&call.body)?;
        let world = World::named(call, merchant_id, livemode)?;
        let order_no = call.path("order_no");
        let id = OrderId::derive(world.merchant_id, world.livemode, order_no);
        let told = json!({ "order_id": id, "order_no": order_no, "status": "cancelled" });
        Ok(tell(call, world, id, false, OrderCommand::Cancel { by: call.caller.actor() }, CANCELLED, told))
    })
}

/// An order's id follows from its world: no command reaches into another.
fn tell(
    call: &Call,
    world: World,
    id: OrderId,
    may_be_new: bool,
    command: OrderCommand,
    words: Words,
    told: serde_json::Value,
) -> Plan {
    let (order, teller, demanded) = (stream(id), Teller::of(call), call.if_match);
    Plan::new(world.tenant(), move |books| {
        if may_be_new {
            books.presume_new::<Order>(&order);
        }
        at_version::<Order>(books, &order, demanded)?;
        Ok(match books.tell::<Order>(&order, &command)? {
            Ok(()) => teller.done(words, &told),
            Err(refusal) => teller.refused(refusal),
        })
    })
}
