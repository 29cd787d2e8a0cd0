//! Refunds at the channel, in any order.

use domain::{
    channel::Channel,
    id::{MerchantId, PaymentId, RefundId},
    payment::attempt::Decline,
    refund::{RefundCommand, event::Requested},
};

use super::*;

fn request(amount: Money, reason: FreeText) -> RefundCommand {
    RefundCommand::Request(Box::new(Requested {
        refund_id: RefundId::new(Uuid::from_u128(1)),
        payment_id: PaymentId::new(Uuid::from_u128(2)),
        merchant_id: MerchantId::new(Uuid::from_u128(3)),
        livemode: true,
        channel: Channel::Stripe,
        amount,
        reason,
    }))
}

pub(crate) fn history() -> impl Strategy<Value = Vec<RefundCommand>> {
    let command = prop_oneof![
        (money(), text()).prop_map(|(amount, reason)| request(amount, reason)),
        Just(RefundCommand::Send),
        word().prop_map(|channel_refund_no| RefundCommand::ReportSucceeded { channel_refund_no, effective_at: None }),
        Just(RefundCommand::ReportFailed { decline: Decline::Other, effective_at: None }),
        Just(RefundCommand::ReportUnknown),
        Just(RefundCommand::ReportBounced),
    ];
    let first = request(Money::new(5_000, Currency::USD), FreeText::parse("one").unwrap());
    prop::collection::vec(command, 0..12).prop_map(move |more| std::iter::once(first.clone()).chain(more).collect())
}
