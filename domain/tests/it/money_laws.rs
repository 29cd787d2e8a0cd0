//! What holds of the money of the other streams, and of what may never run dry.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    account::Account,
    adjustment::{Adjustment, event::AdjustmentEvent},
    channel::Channel,
    currency::Currency,
    merchant::Merchant,
    money::Money,
    operator::{Operator, event::OperatorEvent},
    order::{Order, event::OrderEvent},
    refund::{Refund, event::RefundEvent},
    remittance::{Remittance, event::RemittanceEvent},
    saga::{Phase, Saga, event::SagaEvent, step::Way},
    settled_funds::{SettledFunds, event::SettledFundsEvent},
    settlement::{Settlement, event::SettlementEvent},
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    cases::cases,
    commands,
    histories::{Books, play},
};

fn wide(money: Money) -> i128 {
    i128::from(money.amount_minor)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn payouts_are_never_more_than_was_settled(commands in commands::settled_funds::history()) {
        let (mut came, mut left) = (0_i128, 0_i128);
        for event in play::<SettledFunds>(&commands).1 {
            match event {
                SettledFundsEvent::Credited { amount, .. } => came += wide(amount),
                SettledFundsEvent::Debited { amount, .. } => came -= wide(amount),
                SettledFundsEvent::PayoutReserved(moved) => {
                    left += wide(moved.amount);
                    prop_assert!(left <= came);
                }
                SettledFundsEvent::PayoutReleased(moved) => left -= wide(moved.amount),
                SettledFundsEvent::Opened(_) | SettledFundsEvent::PayoutConfirmed(_) => {}
            }
        }
    }

    #[test]
    fn what_is_available_is_what_came_less_what_is_leaving(commands in commands::settled_funds::history()) {
        let (state, history) = play::<SettledFunds>(&commands);
        let sum: i128 = history.iter().map(|event| match event {
            SettledFundsEvent::Credited { amount, .. } => wide(*amount),
            SettledFundsEvent::Debited { amount, .. } => -wide(*amount),
            SettledFundsEvent::PayoutReserved(moved) => -wide(moved.amount),
            SettledFundsEvent::PayoutReleased(moved) => wide(moved.amount),
            SettledFundsEvent::Opened(_) | SettledFundsEvent::PayoutConfirmed(_) => 0,
        }).sum();
        prop_assert_eq!(state.available().map_or(0, wide), sum);
    }

    #[test]
    fn what_is_reserved_is_never_negative_and_ends_at_the_bank_or_back(commands in commands::settled_funds::history()) {
        let merchant = domain::id::MerchantId::new(Uuid::from_u128(1));
        let mut books = Books::default();
        for event in play::<SettledFunds>(&commands).1 {
            books.enter(&event.posting());
            prop_assert!(books.balance(Account::MerchantReserved(merchant), Currency::USD) >= 0);
            prop_assert!(books.balance(Account::Bank, Currency::USD) <= 0);
        }
    }

    #[test]
    fn a_settlement_is_the_sum_of_its_lines(commands in commands::settlement::history()) {
        let (mut sum, mut closed) = (0_i128, None);
        for event in play::<Settlement>(&commands).1 {
            match event {
                SettlementEvent::Opened(opened) => sum += wide(opened.carried_over),
                SettlementEvent::PaymentIncluded(line) => sum += wide(line.net),
                SettlementEvent::EntryIncluded { amount, .. } => sum += wide(amount),
                SettlementEvent::Closed(closing) => {
                    prop_assert_eq!(wide(closing.net), sum);
                    let parts = wide(closing.gross) - wide(closing.fees) - wide(closing.refunds) - wide(closing.disputes);
                    prop_assert_eq!(parts + wide(closing.adjustments) + wide(closing.carried_over), sum);
                    prop_assert_eq!(closing.carries_over, sum < 0);
                    closed = Some(closing.net);
                }
                SettlementEvent::PayoutStarted { amount, .. } => {
                    prop_assert_eq!(Some(amount), closed);
                    prop_assert!(amount.amount_minor > 0);
                }
                SettlementEvent::Approved { .. }
                | SettlementEvent::PaidOut { .. }
                | SettlementEvent::PayoutFailed { .. }
                | SettlementEvent::Reopened { .. } => {}
            }
        }
    }

    #[test]
    fn a_settlement_includes_each_line_once(commands in commands::settlement::history()) {
        let (mut payments, mut sources) = (BTreeSet::new(), BTreeSet::new());
        for event in play::<Settlement>(&commands).1 {
            match event {
                SettlementEvent::PaymentIncluded(line) => prop_assert!(payments.insert(line.payment_id)),
                SettlementEvent::EntryIncluded { source, .. } => prop_assert!(sources.insert(source)),
                _ => {}
            }
        }
    }

    #[test]
    fn a_settlement_is_paid_out_once(commands in commands::settlement::history()) {
        let (mut under_way, mut paid) = (false, false);
        for event in play::<Settlement>(&commands).1 {
            prop_assert!(!paid);
            match event {
                SettlementEvent::PayoutStarted { .. } => {
                    prop_assert!(!under_way);
                    under_way = true;
                }
                SettlementEvent::PayoutFailed { .. } => under_way = false,
                SettlementEvent::PaidOut { .. } => paid = true,
                _ => {}
            }
        }
    }

    #[test]
    fn an_approved_adjustment_and_its_reversal_leave_nothing(commands in commands::adjustment::history()) {
        let mut books = Books::default();
        let (mut approvals, mut reversals) = (0, 0);
        for event in play::<Adjustment>(&commands).1 {
            books.enter(&event.posting());
            approvals += i32::from(matches!(event, AdjustmentEvent::Approved(_)));
            reversals += i32::from(matches!(event, AdjustmentEvent::Reversed(_)));
        }
        prop_assert!(reversals <= approvals && approvals <= 1);
        let accounts = [Account::Bank, Account::Suspense, Account::FxPosition];
        let balances = accounts.map(|account| [Currency::USD, Currency::EUR].map(|of| books.balance(account, of)));
        let moved = balances.iter().flatten().any(|balance| *balance != 0);
        prop_assert_eq!(moved, approvals > reversals);
    }

    #[test]
    fn nobody_adjusts_alone(commands in commands::adjustment::history()) {
        let (mut proposer, mut reverser) = (None, None);
        for event in play::<Adjustment>(&commands).1 {
            match event {
                AdjustmentEvent::Proposed(proposed) => proposer = Some(proposed.by),
                AdjustmentEvent::Approved(adjusted) => prop_assert!(proposer != Some(adjusted.approved_by)),
                AdjustmentEvent::ReversalProposed { by, .. } => reverser = Some(by),
                AdjustmentEvent::Reversed(adjusted) => prop_assert!(reverser != Some(adjusted.approved_by)),
                AdjustmentEvent::Rejected { .. } | AdjustmentEvent::ReversalRejected { .. } => {}
            }
        }
    }

    #[test]
    fn a_remittance_takes_the_gross_off_what_the_channel_owes(commands in commands::remittance::history()) {
        for event in play::<Remittance>(&commands).1 {
            let mut books = Books::default();
            books.enter(&event.posting());
            let RemittanceEvent::Recorded(recorded) = event;
            let currency = recorded.gross.currency;
            prop_assert_eq!(books.balance(Account::ChannelReceivable(Channel::Alipay), currency), -wide(recorded.gross));
            prop_assert_eq!(books.balance(Account::Bank, currency), wide(recorded.net));
            prop_assert_eq!(books.balance(Account::ChannelFees(Channel::Alipay), currency), wide(recorded.fee));
        }
    }

    #[test]
    fn an_order_is_never_refunded_beyond_its_total(commands in commands::order::history()) {
        let (mut total, mut refunded, mut paid_count) = (0, 0, 0);
        for event in play::<Order>(&commands).1 {
            match event {
                OrderEvent::Placed(order) => total = wide(order.total),
                OrderEvent::Paid { .. } => paid_count += 1,
                OrderEvent::Refunded { amount, in_whole, .. } => {
                    refunded += wide(amount);
                    prop_assert_eq!(in_whole, refunded == total);
                }
                OrderEvent::RefundTakenBack { amount, .. } => refunded -= wide(amount),
                OrderEvent::Cancelled { .. } => prop_assert_eq!(paid_count, 0),
                OrderEvent::Fulfilled { .. } => prop_assert_eq!(paid_count, 1),
            }
            prop_assert!((0..=total).contains(&refunded) && paid_count <= 1);
        }
    }

    #[test]
    fn an_order_adds_up(commands in commands::order::history()) {
        for event in play::<Order>(&commands).1 {
            if let OrderEvent::Placed(order) = event {
                let items: i128 = order.items.iter().map(|item| i128::from(item.quantity) * i128::from(item.unit_price_minor)).sum();
                prop_assert_eq!(items + i128::from(order.tax_minor) + i128::from(order.shipping_minor), wide(order.total));
                prop_assert!(!order.items.is_empty());
            }
        }
    }

    #[test]
    fn a_refund_ends_by_its_best_evidence_and_bounces_only_after_success(commands in commands::refund::history()) {
        let mut ended = Vec::new();
        for event in play::<Refund>(&commands).1 {
            match event {
                RefundEvent::Succeeded { .. } | RefundEvent::Failed { .. } => ended.push(event),
                RefundEvent::Bounced { .. } => {
                    let after_success = matches!(ended[..], [.., RefundEvent::Succeeded { .. }]);
                    prop_assert!(after_success);
                }
                RefundEvent::Requested(_) | RefundEvent::Sent { .. } | RefundEvent::OutcomeUnknown => {}
            }
        }
        let failed_first = matches!(ended[..], [RefundEvent::Failed { .. }, RefundEvent::Succeeded { .. }]);
        prop_assert!(ended.len() <= 1 || failed_first);
    }

    #[test]
    fn a_merchant_never_has_fewer_than_two_keys_and_no_revoked_one_opens(commands in commands::merchant::history()) {
        let (state, _) = play::<Merchant>(&commands);
        prop_assert!(state.keys().count() >= 2);
        let now = chrono::DateTime::from_timestamp(0, 0).unwrap();
        for (id, key) in state.keys() {
            prop_assert_eq!(state.valid_key(id, now).is_some(), !key.revoked);
        }
    }

    #[test]
    fn generations_of_a_mode_have_one_key_each(commands in commands::merchant::history()) {
        let (state, _) = play::<Merchant>(&commands);
        let mut generations = BTreeMap::new();
        for (id, key) in state.keys() {
            prop_assert!(generations.insert((key.livemode, key.generation), id).is_none());
        }
    }

    #[test]
    fn an_operator_always_has_a_role_until_dismissed(commands in commands::operator::history()) {
        let mut roles = BTreeSet::new();
        for event in play::<Operator>(&commands).1 {
            match event {
                OperatorEvent::Enrolled(enrolled) => roles = enrolled.roles.clone(),
                OperatorEvent::RoleGranted { role, .. } => prop_assert!(roles.insert(role)),
                OperatorEvent::RoleWithdrawn { role, .. } => prop_assert!(roles.remove(&role)),
                _ => {}
            }
            prop_assert!(!roles.is_empty());
        }
    }

    #[test]
    fn a_saga_ends_once_and_says_nothing_after(commands in commands::saga::history()) {
        let (state, history) = play::<Saga>(&commands);
        let ends = |event: &SagaEvent| {
            matches!(event, SagaEvent::Completed | SagaEvent::Compensated | SagaEvent::Resolved { .. })
        };
        let end = history.iter().position(ends);
        prop_assert!(end.is_none_or(|at| at == history.len() - 1));
        let ended = matches!(state.phase(), Some(Phase::Completed | Phase::Compensated));
        prop_assert_eq!(end.is_some(), ended);
    }

    #[test]
    fn a_saga_starts_no_step_forward_once_it_goes_back(commands in commands::saga::history()) {
        let mut back = false;
        for event in play::<Saga>(&commands).1 {
            match event {
                SagaEvent::CompensationBegun { .. } => back = true,
                SagaEvent::StepStarted(start) => prop_assert_eq!(start.way == Way::Undo, back),
                _ => {}
            }
        }
    }

    #[test]
    fn every_try_of_a_step_is_counted_once(commands in commands::saga::history()) {
        let mut tries = BTreeMap::new();
        for event in play::<Saga>(&commands).1 {
            if let SagaEvent::StepStarted(start) = event {
                let last = tries.insert((start.step, start.way == Way::Undo), start.try_no).unwrap_or(0);
                prop_assert_eq!(start.try_no, last + 1);
            }
        }
    }

    #[test]
    fn a_saga_compensated_by_itself_took_back_all_that_succeeded(commands in commands::saga::history()) {
        let (mut succeeded, mut taken_back) = (BTreeSet::new(), BTreeSet::new());
        for event in play::<Saga>(&commands).1 {
            match event {
                SagaEvent::StepSucceeded { step, .. } => prop_assert!(succeeded.insert(step)),
                SagaEvent::StepCompensated { step, .. } => prop_assert!(taken_back.insert(step)),
                SagaEvent::Compensated => prop_assert!(succeeded.is_subset(&taken_back)),
                _ => {}
            }
        }
    }
}
