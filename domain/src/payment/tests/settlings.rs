//! Settling: once, and with all that is pending.

use super::*;
use crate::settled_funds::{SettledFundsCommand, event::Source};

fn net(told: &Told) -> i64 {
    let [PaymentEvent::Settled(settled)] = told.events() else { unreachable!() };
    assert_eq!(settled.as_of_sequence, u64::try_from(told.history.len()).unwrap() - 1);
    settled.net.amount_minor
}

#[test]
fn the_net_is_what_is_left_of_the_capture() {
    assert_eq!(net(&paid().when(&settle(1)).then(&["settled"])), 9_680);
    assert_eq!(net(&paid().given(&reserve(1, usd(5_000))).given(&confirm(1)).when(&settle(1))), 4_840);
    assert_eq!(net(&paid().given(&dispute(1, usd(1_000))).when(&settle(1))), 8_680);
    let won = paid().given(&dispute(1, usd(1_000))).given(&close_dispute(1, DisputeOutcome::Won));
    assert_eq!(net(&won.when(&settle(1))), 9_680);
}

#[test]
fn a_refund_under_way_is_not_yet_taken() {
    assert_eq!(net(&paid().given(&reserve(1, usd(5_000))).when(&settle(1))), 9_680);
}

#[test]
fn what_it_would_say_is_what_it_says() {
    let told = paid();
    assert!(told.state.is_to_settle());
    let would = told.state.settling(into(1), at()).unwrap().unwrap();
    let settled = told.when(&settle(1));
    let [PaymentEvent::Settled(says)] = settled.events() else { unreachable!() };
    assert_eq!(**says, would);
    assert!(!settled.state.is_to_settle());
    assert_eq!(settled.state.settling(into(1), at()), Ok(None));
    assert!(!held().state.is_to_settle() && !partly_captured().state.is_to_settle());
}

#[test]
fn settled_funds_are_told_of_what_comes_from_the_settlement_on() {
    let recorded = |told: &Told| {
        let moves = told.state.moves_of_funds();
        let amounts = moves.into_iter().map(|command| {
            let SettledFundsCommand::Record { source, amount, .. } = command else { unreachable!("{command:?}") };
            (source, amount.amount_minor)
        });
        amounts.collect::<Vec<_>>()
    };
    let before = paid().given(&reserve(1, usd(5_000))).given(&confirm(1));
    assert_eq!(recorded(&before), []);
    let settled = before.given(&settle(1));
    let payment = settled.state.agreement().unwrap().payment_id;
    assert_eq!(recorded(&settled), [(Source::Payment(payment), 4_840)]);
    let after = settled.given(&reserve(2, usd(1_000))).given(&confirm(2));
    let moves = recorded(&after);
    let [_, (Source::Refund(refund), amount_minor)] = moves[..] else { unreachable!("{moves:?}") };
    assert!(refund == refund_no(2) && amount_minor < 0);
}

#[test]
fn a_payment_settles_once() {
    let settled = paid().given(&settle(1));
    settled.clone().when(&settle(1)).then_nothing();
    settled.when(&settle(2)).then_refused(PaymentRefusal::PaymentAlreadySettled);
}

#[test]
fn a_payment_settles_only_where_its_money_may_go() {
    for into in [
        Destination { merchant_id: MerchantId::new(Uuid::from_u128(9)), ..into(1) },
        Destination { livemode: false, ..into(1) },
        Destination { currency: Currency::EUR, ..into(1) },
    ] {
        let stray = PaymentCommand::Settle { into, effective_at: at() };
        let told = paid().when(&stray).then_refused(PaymentRefusal::SettlementOfAnother);
        told.when(&settle(1)).then(&["settled"]);
    }
}

#[test]
fn nothing_settles_while_more_may_come() {
    held().when(&settle(1)).then_refused(PaymentRefusal::PaymentNotCaptured);
    partly_captured().when(&settle(1)).then_refused(PaymentRefusal::CaptureStillOpen);
}

/// All of the largest amount captured, refunded, and disputed as well, at a fixed fee that stays earned.
fn owing_twice(fixed_minor: i64) -> Told {
    let fee_plan = Some(FeePlan { fixed_minor, ..FeePlan::FREE });
    let whole = usd(i64::MAX);
    let start = Initiate { terms: Terms { fee_plan, ..start(whole).terms }, ..start(whole) };
    untold()
        .given(&PaymentCommand::Initiate(Box::new(start)))
        .given(&assessed(1, RiskDecision::Approve))
        .given(&submit(1))
        .given(&captured(1, 1, whole))
        .given(&reserve(1, whole))
        .given(&confirm(1))
        .given(&dispute(1, whole))
}

#[test]
fn a_net_beyond_the_ledger_is_refused() {
    assert_eq!(net(&owing_twice(0).when(&settle(1))), -i64::MAX);
    for fixed_minor in [1, 2, i64::MAX] {
        owing_twice(fixed_minor).when(&settle(1)).then_refused(PaymentRefusal::AmountOverflow);
    }
}
