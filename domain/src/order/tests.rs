//! Orders: placed once, paid once, cancelled before, refunded within their total.

use uuid::Uuid;

use super::*;
use crate::{currency::Currency, scenario::Story};

type Told = Story<Order>;

fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::USD)
}

fn euro(amount_minor: i64) -> Money {
    Money::new(amount_minor, Currency::EUR)
}

fn merchant() -> MerchantId {
    MerchantId::new(Uuid::from_u128(1))
}

fn payment(number: u128) -> PaymentId {
    PaymentId::new(Uuid::from_u128(number))
}

fn item(quantity: u32, unit_price_minor: i64) -> Item {
    Item { name: FreeText::parse("tea").unwrap(), quantity, unit_price_minor }
}

fn basket() -> Placed {
    let order_no = OrderNo::parse("ORDER-1").unwrap();
    Placed {
        order_id: OrderId::derive(merchant(), true, order_no.as_str()),
        merchant_id: merchant(),
        livemode: true,
        order_no,
        items: vec![item(2, 4_000), item(1, 1_000)],
        tax_minor: 700,
        shipping_minor: 300,
        total: usd(10_000),
    }
}

fn place(order: Placed) -> OrderCommand {
    OrderCommand::Place(Box::new(order))
}

fn open_for_payment(amount: Money) -> OrderCommand {
    let Placed { order_id, merchant_id, livemode, order_no, .. } = basket();
    let subject = FreeText::parse("tea and a cup").unwrap();
    OrderCommand::OpenForPayment(Box::new(OpenForPayment {
        order_id,
        merchant_id,
        livemode,
        order_no,
        subject,
        amount,
    }))
}

fn mark_paid(number: u128, amount: Money) -> OrderCommand {
    capture(number, 1, amount)
}

fn capture(number: u128, capture: u128, amount: Money) -> OrderCommand {
    let capture_id = CaptureId::new(Uuid::from_u128(capture));
    OrderCommand::MarkPaid { payment_id: payment(number), capture_id, amount }
}

fn cancel() -> OrderCommand {
    OrderCommand::Cancel { by: Actor::Merchant(merchant()) }
}

fn fulfil() -> OrderCommand {
    OrderCommand::Fulfil { by: Actor::Merchant(merchant()) }
}

fn refund(number: u128, amount: Money) -> OrderCommand {
    OrderCommand::RecordRefund { refund_id: RefundId::new(Uuid::from_u128(number)), amount }
}

fn take_back(number: u128) -> OrderCommand {
    OrderCommand::TakeBackRefund { refund_id: RefundId::new(Uuid::from_u128(number)) }
}

fn placed() -> Told {
    Story::untold().given(&place(basket()))
}

fn paid() -> Told {
    placed().given(&mark_paid(1, usd(10_000)))
}

#[test]
fn an_order_is_placed_once() {
    Told::untold().when(&place(basket())).then_exactly(&[OrderEvent::Placed(Box::new(basket()))]);
    placed().when(&place(Placed { total: euro(10_000), ..basket() })).then_refused(OrderRefusal::OrderDiffers);
    placed().when(&place(Placed { livemode: false, ..basket() })).then_refused(OrderRefusal::OrderDiffers);
    for other in [
        Placed { items: vec![item(1, 8_000), item(1, 1_000)], ..basket() },
        Placed { tax_minor: 600, shipping_minor: 400, ..basket() },
    ] {
        placed().when(&place(other)).then_refused(OrderRefusal::OrderDiffers);
    }
    Told::untold()
        .given(&open_for_payment(usd(10_000)))
        .when(&place(basket()))
        .then_refused(OrderRefusal::OrderDiffers);
    placed().given(&cancel()).when(&place(basket())).then_refused(OrderRefusal::OrderCancelled);
}

#[test]
fn a_payment_opens_an_order_of_one_item() {
    let told = Told::untold().when(&open_for_payment(usd(500))).then(&["placed"]);
    let [OrderEvent::Placed(order)] = told.events() else { unreachable!() };
    assert_eq!((order.items.len(), order.items[0].quantity, order.items[0].unit_price_minor), (1, 1, 500));
    assert_eq!(order.items[0].name.as_str(), "tea and a cup");
}

#[test]
fn a_payment_finds_an_order_of_its_total() {
    placed().when(&open_for_payment(usd(10_000))).then_nothing();
    placed().when(&open_for_payment(usd(9_999))).then_refused(OrderRefusal::OrderDiffers);
    let OrderCommand::OpenForPayment(same) = open_for_payment(usd(10_000)) else { unreachable!() };
    for other in [
        OpenForPayment { order_no: OrderNo::parse("ANOTHER").unwrap(), ..(*same).clone() },
        OpenForPayment { livemode: !same.livemode, ..(*same).clone() },
    ] {
        let opening = OrderCommand::OpenForPayment(Box::new(other));
        placed().when(&opening).then_refused(OrderRefusal::OrderDiffers);
    }
    placed().given(&cancel()).when(&open_for_payment(usd(10_000))).then_refused(OrderRefusal::OrderCancelled);
}

#[test]
fn what_does_not_make_an_order_is_refused_by_name() {
    let of = |change: fn(&mut Placed)| {
        let mut order = basket();
        change(&mut order);
        Told::untold().when(&place(order))
    };
    of(|order| order.items.clear()).then_refused(OrderRefusal::ItemsMissing);
    of(|order| order.items = vec![item(1, 20); 501]).then_refused(OrderRefusal::ItemsTooMany);
    of(|order| order.items[0].quantity = 0).then_refused(OrderRefusal::ItemQuantityZero);
    of(|order| order.items[0].unit_price_minor = -1).then_refused(OrderRefusal::ItemPriceNegative);
    of(|order| order.tax_minor = -1).then_refused(OrderRefusal::ItemPriceNegative);
    of(|order| order.shipping_minor = -1).then_refused(OrderRefusal::ItemPriceNegative);
    of(|order| order.total = usd(0)).then_refused(OrderRefusal::AmountNotPositive);
    of(|order| order.total = usd(10_001)).then_refused(OrderRefusal::OrderTotalDiffers);
    of(|order| order.items[0].unit_price_minor = i64::MAX).then_refused(OrderRefusal::AmountOverflow);
    of(|order| order.tax_minor = i64::MAX).then_refused(OrderRefusal::AmountOverflow);
}

#[test]
fn five_hundred_items_and_a_free_one_are_an_order() {
    let mut items = vec![item(1, 20); 499];
    items.push(item(1, 0));
    let order = Placed { items, tax_minor: 0, shipping_minor: 0, total: usd(9_980), ..basket() };
    Told::untold().when(&place(order)).then(&["placed"]);
}

#[test]
fn an_order_is_paid_by_one_payment() {
    placed().when(&mark_paid(1, usd(10_000))).then(&["paid"]);
    placed().when(&mark_paid(1, usd(10_001))).then_refused(OrderRefusal::PaidBeyondTotal);
    paid().when(&mark_paid(2, usd(10_000))).then_refused(OrderRefusal::OrderPaidOtherwise);
    placed().when(&mark_paid(1, euro(10_000))).then_refused(OrderRefusal::CurrencyMismatch);
    placed().when(&mark_paid(1, usd(0))).then_refused(OrderRefusal::AmountNotPositive);
}

#[test]
fn money_that_comes_for_a_cancelled_order_is_known_and_goes_back() {
    let cancelled = placed().given(&cancel());
    assert_eq!(cancelled.state.to_give_back(), None);
    for amount in [usd(10_001), usd(0), euro(1)] {
        assert!(cancelled.state.decide(&mark_paid(1, amount)).is_err());
    }
    cancelled.clone().when(&refund(1, usd(1))).then_refused(OrderRefusal::OrderCancelled);
    let part = cancelled.when(&capture(1, 1, usd(4_000))).then(&["paid_late"]);
    part.clone().when(&capture(1, 1, usd(4_001))).then_refused(OrderRefusal::CaptureDiffers);
    part.clone().when(&capture(2, 2, usd(6_000))).then_refused(OrderRefusal::OrderPaidOtherwise);
    part.clone().when(&capture(1, 2, usd(6_001))).then_refused(OrderRefusal::PaidBeyondTotal);
    let whole = part.given(&capture(1, 2, usd(6_000)));
    assert_eq!(whole.state.to_give_back(), Some((payment(1), usd(10_000))));
    // It stays cancelled: nothing is shipped, and no payment finds it.
    whole.clone().when(&fulfil()).then_refused(OrderRefusal::OrderCancelled);
    whole.clone().when(&open_for_payment(usd(10_000))).then_refused(OrderRefusal::OrderCancelled);
    whole.clone().when(&cancel()).then_nothing();
    whole.clone().when(&refund(1, usd(10_001))).then_refused(OrderRefusal::RefundBeyondPaid);
    let back = whole.given(&refund(1, usd(4_000)));
    assert_eq!(back.state.to_give_back(), Some((payment(1), usd(6_000))));
    let all = back.when(&refund(2, usd(6_000))).then(&["refunded"]);
    assert!(matches!(all.events(), [OrderEvent::Refunded { in_whole: true, .. }]));
    assert_eq!(all.state.to_give_back(), None);
    let bounced = all.given(&take_back(2));
    assert_eq!(bounced.state.to_give_back(), Some((payment(1), usd(6_000))));
    assert_eq!(paid().state.to_give_back(), None);
}

#[test]
fn an_order_is_paid_capture_by_capture() {
    let in_whole = |told: &Told| matches!(told.events(), [OrderEvent::Paid { in_whole: true, .. }]);
    let part = placed().when(&capture(1, 1, usd(4_000))).then(&["paid"]);
    let whole = part.clone().when(&capture(1, 2, usd(6_000))).then(&["paid"]);
    assert_eq!((in_whole(&part), in_whole(&whole)), (false, true));
    part.clone().when(&capture(1, 2, usd(6_001))).then_refused(OrderRefusal::PaidBeyondTotal);
    part.clone().when(&capture(1, 2, usd(i64::MAX))).then_refused(OrderRefusal::PaidBeyondTotal);
    part.clone().when(&capture(2, 2, usd(6_000))).then_refused(OrderRefusal::OrderPaidOtherwise);
    part.clone().when(&capture(1, 1, usd(5_000))).then_refused(OrderRefusal::CaptureDiffers);
    part.when(&capture(1, 1, euro(4_000))).then_refused(OrderRefusal::CaptureDiffers);
    whole.when(&capture(1, 1, usd(4_000))).then_nothing();
}

#[test]
fn no_more_is_refunded_than_was_paid() {
    let part = placed().given(&capture(1, 1, usd(4_000)));
    part.clone().when(&refund(1, usd(4_001))).then_refused(OrderRefusal::RefundBeyondPaid);
    let back = part.when(&refund(1, usd(4_000))).then(&["refunded"]);
    assert!(matches!(back.events(), [OrderEvent::Refunded { in_whole: true, .. }]));
    let more = back.given(&capture(1, 2, usd(6_000)));
    more.clone().when(&refund(2, usd(6_001))).then_refused(OrderRefusal::RefundBeyondPaid);
    more.when(&refund(2, usd(6_000))).then(&["refunded"]);
}

#[test]
fn an_order_is_cancelled_only_before_it_is_paid() {
    placed().when(&cancel()).then(&["cancelled"]);
    paid().when(&cancel()).then_refused(OrderRefusal::OrderAlreadyPaid);
}

#[test]
fn only_what_was_paid_is_fulfilled() {
    placed().when(&fulfil()).then_refused(OrderRefusal::OrderNotPaid);
    placed().given(&cancel()).when(&fulfil()).then_refused(OrderRefusal::OrderCancelled);
    paid().when(&fulfil()).then(&["fulfilled"]);
}

#[test]
fn an_order_is_refunded_in_part_then_in_whole() {
    let in_whole = |told: &Told| matches!(told.events(), [OrderEvent::Refunded { in_whole: true, .. }]);
    let part = paid().when(&refund(1, usd(4_000))).then(&["refunded"]);
    let whole = part.clone().when(&refund(2, usd(6_000))).then(&["refunded"]);
    assert_eq!((in_whole(&part), in_whole(&whole)), (false, true));
    part.clone().when(&refund(2, usd(6_001))).then_refused(OrderRefusal::RefundBeyondPaid);
    part.clone().when(&refund(2, usd(i64::MAX))).then_refused(OrderRefusal::RefundBeyondPaid);
    part.clone().when(&refund(1, usd(4_001))).then_refused(OrderRefusal::RefundDiffers);
    part.when(&refund(1, euro(4_000))).then_refused(OrderRefusal::RefundDiffers);
}

#[test]
fn what_is_no_refund_of_this_order_is_refused() {
    paid().when(&refund(1, euro(1))).then_refused(OrderRefusal::CurrencyMismatch);
    paid().when(&refund(1, usd(0))).then_refused(OrderRefusal::AmountNotPositive);
    placed().when(&refund(1, usd(1))).then_refused(OrderRefusal::OrderNotPaid);
    paid().when(&take_back(1)).then_refused(OrderRefusal::RefundUnknown);
}

#[test]
fn a_refund_taken_back_may_be_refunded_again() {
    let back = paid().given(&refund(1, usd(10_000))).when(&take_back(1)).then(&["refund_taken_back"]);
    back.clone().when(&refund(1, usd(10_000))).then_nothing();
    back.when(&refund(2, usd(10_000))).then(&["refunded"]);
}

#[test]
fn without_an_order_everything_but_placing_is_refused() {
    for command in [mark_paid(1, usd(1)), cancel(), fulfil(), refund(1, usd(1)), take_back(1)] {
        Told::untold().when(&command).then_refused(OrderRefusal::OrderAbsent);
    }
}

#[test]
fn what_is_left_of_the_largest_total_is_reckoned_without_a_sum() {
    let largest = usd(i64::MAX);
    let paid = || Told::untold().given(&open_for_payment(largest)).given(&capture(1, 1, largest));
    paid().when(&capture(1, 2, usd(1))).then_refused(OrderRefusal::PaidBeyondTotal);
    let refund = |number: u128, amount: Money| OrderCommand::RecordRefund {
        refund_id: RefundId::new(Uuid::from_u128(number)),
        amount,
    };
    paid().given(&refund(1, largest)).when(&refund(2, usd(1))).then_refused(OrderRefusal::RefundBeyondPaid);
}
