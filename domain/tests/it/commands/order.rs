//! Orders: one that adds up first, then anything.

use domain::{
    free_text::OrderNo,
    id::{CaptureId, MerchantId, OrderId, PaymentId, RefundId},
    order::{
        OpenForPayment, OrderCommand,
        event::{Item, Placed},
    },
};

use super::*;

fn order(items: Vec<Item>, total: Money, extras_minor: i64) -> Placed {
    let merchant_id = MerchantId::new(Uuid::from_u128(1));
    let order_no = OrderNo::parse("ORDER-1").unwrap();
    let order_id = OrderId::derive(merchant_id, true, order_no.as_str());
    Placed { order_id, merchant_id, livemode: true, order_no, items, tax_minor: extras_minor, shipping_minor: 0, total }
}

fn item() -> impl Strategy<Value = Item> {
    (text(), 0_u32..4, minor()).prop_map(|(name, quantity, unit_price_minor)| Item { name, quantity, unit_price_minor })
}

fn mark_paid(payment: Uuid, capture: Uuid, amount: Money) -> OrderCommand {
    let (payment_id, capture_id) = (PaymentId::new(payment), CaptureId::new(capture));
    OrderCommand::MarkPaid { payment_id, capture_id, amount }
}

fn any_command() -> impl Strategy<Value = OrderCommand> {
    prop_oneof![
        1 => (prop::collection::vec(item(), 0..4), money(), minor())
            .prop_map(|(items, total, extras)| OrderCommand::Place(Box::new(order(items, total, extras)))),
        1 => (text(), money()).prop_map(|(subject, amount)| {
            let Placed { order_id, merchant_id, livemode, order_no, .. } = order(vec![], amount, 0);
            OrderCommand::OpenForPayment(Box::new(OpenForPayment { order_id, merchant_id, livemode, order_no, subject, amount }))
        }),
        3 => (prop_oneof![4 => Just(Uuid::from_u128(1)), 1 => number()], number(), money())
            .prop_map(|(id, capture, amount)| mark_paid(id, capture, amount)),
        1 => actor().prop_map(|by| OrderCommand::Cancel { by }),
        1 => actor().prop_map(|by| OrderCommand::Fulfil { by }),
        3 => (number(), money())
            .prop_map(|(id, amount)| OrderCommand::RecordRefund { refund_id: RefundId::new(id), amount }),
        1 => number().prop_map(|id| OrderCommand::TakeBackRefund { refund_id: RefundId::new(id) }),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<OrderCommand>> {
    let total = Money::new(10_000, Currency::USD);
    let name = FreeText::parse("tea").unwrap();
    let good = order(vec![Item { name, quantity: 2, unit_price_minor: 4_500 }], total, 1_000);
    let paid = prop::sample::select(vec![total, Money::new(4_000, Currency::USD)]);
    (0_usize..3, paid, prop::collection::vec(any_command(), 0..16)).prop_map(move |(length, paid, more)| {
        let paid = mark_paid(Uuid::from_u128(1), Uuid::from_u128(1), paid);
        let mut commands = vec![OrderCommand::Place(Box::new(good.clone())), paid];
        commands.truncate(length);
        commands.extend(more);
        commands
    })
}
