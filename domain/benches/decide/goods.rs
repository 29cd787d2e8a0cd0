//! Decisions of orders, and of refunds at the channel.

use domain::{
    actor::Actor,
    channel::Channel,
    free_text::{FreeText, OrderNo, TextRefusal},
    id::{CaptureId, OrderId, PaymentId, RefundId},
    order::{
        OpenForPayment, OrderCommand,
        event::{Item, Placed},
    },
    payment::attempt::Decline,
    refund::{RefundCommand, event::Requested},
};

use crate::{Cases, merchant, number, one_after_the_other, usd, why};

pub(crate) fn order() -> Result<Cases<OrderCommand>, TextRefusal> {
    let order_no = OrderNo::parse("ORDER-1")?;
    let place = OrderCommand::Place(Box::new(Placed {
        order_id: OrderId::derive(merchant(), true, order_no.as_str()),
        merchant_id: merchant(),
        livemode: true,
        order_no,
        items: vec![Item { name: FreeText::parse("tea")?, quantity: 2, unit_price_minor: 5_000 }],
        tax_minor: 0,
        shipping_minor: 0,
        total: usd(10_000),
    }));
    let pay = OrderCommand::MarkPaid {
        payment_id: PaymentId::new(number(1)),
        capture_id: CaptureId::new(number(1)),
        amount: usd(10_000),
    };
    let open = OrderCommand::OpenForPayment(Box::new(OpenForPayment {
        order_id: OrderId::derive(merchant(), true, "ORDER-1"),
        merchant_id: merchant(),
        livemode: true,
        order_no: OrderNo::parse("ORDER-1")?,
        subject: FreeText::parse("tea")?,
        amount: usd(10_000),
    }));
    let refund_id = RefundId::new(number(1));
    let cancel = OrderCommand::Cancel { by: Actor::Process };
    let mut cases = one_after_the_other(
        &[],
        vec![
            ("place", place.clone()),
            ("open for a payment", open),
            ("mark paid", pay.clone()),
            ("fulfil", OrderCommand::Fulfil { by: Actor::Process }),
            ("record a refund", OrderCommand::RecordRefund { refund_id, amount: usd(5_000) }),
            ("take back a refund", OrderCommand::TakeBackRefund { refund_id }),
        ],
    );
    cases.push(("cancel", vec![place.clone()], cancel.clone()));
    cases.push(("mark paid late", vec![place, cancel], pay));
    Ok(cases)
}

pub(crate) fn refund() -> Result<Cases<RefundCommand>, TextRefusal> {
    let request = RefundCommand::Request(Box::new(Requested {
        refund_id: RefundId::new(number(1)),
        payment_id: PaymentId::new(number(1)),
        merchant_id: merchant(),
        livemode: true,
        channel: Channel::Stripe,
        amount: usd(5_000),
        reason: why()?,
    }));
    let succeed = RefundCommand::ReportSucceeded { channel_refund_no: "re_1".into(), effective_at: None };
    Ok(one_after_the_other(
        &[],
        vec![
            ("request", request),
            ("send", RefundCommand::Send),
            ("report unknown", RefundCommand::ReportUnknown),
            ("report failed", RefundCommand::ReportFailed { decline: Decline::Other, effective_at: None }),
            ("report succeeded", succeed),
            ("report bounced", RefundCommand::ReportBounced),
        ],
    ))
}
