//! Settlements: lines that add up and lines that do not.

use domain::{
    id::{AdjustmentId, DisputeId, MerchantId, PaymentId, PayoutId, RefundId, SettlementId},
    settled_funds::event::Source,
    settlement::{
        SettlementCommand,
        event::{Opened, PaymentLine, Period},
    },
};

use super::*;

pub(crate) fn source() -> impl Strategy<Value = Source> {
    (number(), 0..6).prop_map(|(id, kind)| match kind {
        0 => Source::Settlement(SettlementId::new(id)),
        1 => Source::Refund(RefundId::new(id)),
        2 => Source::RefundBounce(RefundId::new(id)),
        3 => Source::Dispute(DisputeId::new(id)),
        4 => Source::DisputeWon(DisputeId::new(id)),
        _ => Source::Adjustment(AdjustmentId::new(id)),
    })
}

fn line() -> impl Strategy<Value = PaymentLine> {
    (number(), money(), minor(), minor(), any::<bool>()).prop_map(|(id, captured, fees, refunds, adds_up)| {
        let of = |minor| Money::new(minor, captured.currency);
        let net = captured.amount_minor.wrapping_sub(fees).wrapping_sub(refunds);
        let net = if adds_up { net } else { net.wrapping_add(1) };
        PaymentLine {
            payment_id: PaymentId::new(id),
            captured,
            fees: of(fees),
            refunds: of(refunds),
            disputes: of(0),
            net: of(net),
        }
    })
}

pub(crate) fn opening(two_people: bool, carried_over: i64) -> SettlementCommand {
    let merchant_id = MerchantId::new(Uuid::from_u128(1));
    SettlementCommand::Open(Box::new(Opened {
        settlement_id: SettlementId::derive(merchant_id, true, Currency::USD, "2026-01"),
        merchant_id,
        livemode: true,
        currency: Currency::USD,
        period: Period { from: "2026-01-01".parse().unwrap(), until: "2026-01-31".parse().unwrap() },
        carried_over: Money::new(carried_over, Currency::USD),
        opened_by: Actor::Operator(OperatorId::new(Uuid::from_u128(1))),
        two_people,
    }))
}

fn any_command() -> impl Strategy<Value = SettlementCommand> {
    prop_oneof![
        4 => line().prop_map(|line| SettlementCommand::IncludePayment(Box::new(line))),
        3 => (source(), money()).prop_map(|(source, amount)| SettlementCommand::IncludeEntry { source, amount }),
        2 => actor().prop_map(|by| SettlementCommand::Close { by }),
        2 => actor().prop_map(|by| SettlementCommand::Approve { by }),
        2 => number().prop_map(|id| SettlementCommand::StartPayout { payout_id: PayoutId::new(id) }),
        1 => number().prop_map(|id| SettlementCommand::ReportPaidOut { payout_id: PayoutId::new(id) }),
        1 => (number(), text())
            .prop_map(|(id, reason)| SettlementCommand::ReportPayoutFailed { payout_id: PayoutId::new(id), reason }),
        1 => (actor(), text()).prop_map(|(by, reason)| SettlementCommand::Reopen { by, reason }),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<SettlementCommand>> {
    (any::<bool>(), minor(), prop::collection::vec(any_command(), 0..24))
        .prop_map(|(two_people, carried, more)| std::iter::once(opening(two_people, carried)).chain(more).collect())
}
