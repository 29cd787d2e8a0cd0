//! Settlements: lines that add up and lines that do not.

use domain::{
    id::{AdjustmentId, DisputeId, MerchantId, PaymentId, PayoutId, RefundId, SettlementId},
    settled_funds::event::{Entry, Source},
    settlement::{
        SettlementCommand,
        event::{CarryOver, Destination, Opened, PaymentLine, Period},
    },
};

use super::*;

pub(crate) fn source() -> impl Strategy<Value = Source> {
    (number(), 0..7).prop_map(|(id, kind)| match kind {
        0 => Source::Payment(PaymentId::new(id)),
        1 => Source::Refund(RefundId::new(id)),
        2 => Source::RefundBounce(RefundId::new(id)),
        3 => Source::Dispute(DisputeId::new(id)),
        4 => Source::DisputeWon(DisputeId::new(id)),
        5 => Source::AdjustmentReversed(AdjustmentId::new(id)),
        _ => Source::Adjustment(AdjustmentId::new(id)),
    })
}

pub(crate) fn merchant() -> MerchantId {
    MerchantId::new(Uuid::from_u128(1))
}

pub(crate) fn settlement_id() -> SettlementId {
    SettlementId::derive(merchant(), true, Currency::USD, "2026-01")
}

/// This settlement mostly, and sometimes another.
fn of_settlement() -> impl Strategy<Value = SettlementId> {
    prop_oneof![9 => Just(settlement_id()), 1 => number().prop_map(SettlementId::new)]
}

/// Real money mostly, as the settlement is.
fn livemode() -> impl Strategy<Value = bool> {
    prop_oneof![19 => Just(true), 1 => Just(false)]
}

fn line() -> impl Strategy<Value = PaymentLine> {
    let of = (number(), of_settlement(), livemode());
    (of, money(), minor(), minor(), any::<bool>()).prop_map(
        |((id, settlement_id, livemode), captured, fees, refunds, adds_up)| {
            let of = |minor| Money::new(minor, captured.currency);
            let net = captured.amount_minor.wrapping_sub(fees).wrapping_sub(refunds);
            let net = if adds_up { net } else { net.wrapping_add(1) };
            PaymentLine {
                settlement_id,
                merchant_id: merchant(),
                livemode: Some(livemode),
                payment_id: PaymentId::new(id),
                captured,
                fees: of(fees),
                refunds: of(refunds),
                disputes: of(0),
                net: of(net),
            }
        },
    )
}

fn carry_over(number: u32, settlement_id: SettlementId, livemode: bool) -> SettlementCommand {
    let into = Destination { settlement_id, merchant_id: merchant(), livemode, currency: Currency::USD };
    SettlementCommand::CarryOver { number, into }
}

pub(crate) fn opening(two_people: bool, threshold_minor: i64) -> SettlementCommand {
    SettlementCommand::Open(Box::new(Opened {
        settlement_id: settlement_id(),
        merchant_id: merchant(),
        livemode: true,
        currency: Currency::USD,
        period: Period { from: "2026-01-01".parse().unwrap(), until: "2026-01-31".parse().unwrap() },
        opened_by: Actor::Operator(OperatorId::new(Uuid::from_u128(1))),
        two_people,
        threshold_minor,
    }))
}

fn any_command() -> impl Strategy<Value = SettlementCommand> {
    prop_oneof![
        4 => line().prop_map(|line| SettlementCommand::IncludePayment(Box::new(line))),
        3 => (of_settlement(), livemode(), source(), money()).prop_map(|(settlement_id, livemode, source, amount)| {
            let (merchant_id, livemode) = (merchant(), Some(livemode));
            SettlementCommand::IncludeEntry(Box::new(Entry { settlement_id, merchant_id, livemode, source, amount }))
        }),
        1 => (number(), of_settlement(), livemode(), 1_u32..3, money()).prop_map(|(from, into, livemode, number, amount)| {
            let (from, merchant_id, livemode) = (SettlementId::new(from), merchant(), Some(livemode));
            SettlementCommand::IncludeCarryOver(Box::new(CarryOver { from, into, merchant_id, livemode, number, amount }))
        }),
        2 => actor().prop_map(|by| SettlementCommand::Close { by }),
        2 => actor().prop_map(|by| SettlementCommand::Approve { by }),
        2 => number().prop_map(|id| SettlementCommand::StartPayout { payout_id: PayoutId::new(id) }),
        1 => number().prop_map(|id| SettlementCommand::ReportPaidOut { payout_id: PayoutId::new(id) }),
        1 => (number(), text())
            .prop_map(|(id, reason)| SettlementCommand::ReportPayoutFailed { payout_id: PayoutId::new(id), reason }),
        1 => (number(), text())
            .prop_map(|(id, reason)| SettlementCommand::ReportPayoutReturned { payout_id: PayoutId::new(id), reason }),
        1 => (actor(), text()).prop_map(|(by, reason)| SettlementCommand::Reopen { by, reason }),
        1 => (1_u32..3, of_settlement(), livemode())
            .prop_map(|(number, into, livemode)| carry_over(number, into, livemode)),
        2 => (1_u32..3, number()).prop_map(|(number, into)| carry_over(number, SettlementId::new(into), true)),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<SettlementCommand>> {
    let threshold = prop_oneof![3 => Just(0_i64), 1 => minor()];
    (any::<bool>(), threshold, prop::collection::vec(any_command(), 0..28))
        .prop_map(|(two_people, least, more)| std::iter::once(opening(two_people, least)).chain(more).collect())
}
