//! What holds of the money of the other streams, and of what may never run dry.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    account::Account,
    actor::Actor,
    adjustment::{Adjustment, event::AdjustmentEvent},
    channel::Channel,
    currency::Currency,
    id::PayoutId,
    merchant::{Merchant, event::MerchantEvent},
    money::Money,
    operator::{Operator, event::OperatorEvent},
    order::{Order, event::OrderEvent},
    refund::{Refund, event::RefundEvent},
    remittance::{Remittance, event::RemittanceEvent},
    saga::{Phase, Saga, event::SagaEvent, step::Way},
    settled_funds::{
        SettledFunds,
        event::{SettledFundsEvent, Source},
    },
    settlement::{Settlement, event::SettlementEvent},
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    cases::cases,
    commands,
    histories::{Books, play},
};

/// What takes from what a settlement owes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gone {
    Paid(PayoutId),
    CarriedOver(u32),
}

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
                SettledFundsEvent::PayoutConfirmedLate(moved) => left += wide(moved.amount),
                SettledFundsEvent::PayoutReleased(moved) | SettledFundsEvent::PayoutReturned(moved) => {
                    left -= wide(moved.amount);
                }
                SettledFundsEvent::Opened(_)
                | SettledFundsEvent::EntryAssigned(_)
                | SettledFundsEvent::PayoutConfirmed(_) => {}
            }
        }
    }

    #[test]
    fn a_source_counts_once_goes_its_own_way_and_comes_into_one_settlement(commands in commands::settled_funds::history()) {
        let (mut sources, mut assigned) = (BTreeMap::new(), BTreeSet::new());
        for event in play::<SettledFunds>(&commands).1 {
            let (source, amount) = match event {
                SettledFundsEvent::Credited { source, amount } => (source, wide(amount)),
                SettledFundsEvent::Debited { source, amount } => (source, -wide(amount)),
                SettledFundsEvent::EntryAssigned(entry) => {
                    prop_assert!(!matches!(entry.source, Source::Payment(_)) && assigned.insert(entry.source));
                    prop_assert_eq!(sources.get(&entry.source), Some(&wide(entry.amount)));
                    continue;
                }
                _ => continue,
            };
            prop_assert!(sources.insert(source, amount).is_none());
            match source {
                Source::Refund(_) | Source::Dispute(_) => prop_assert!(amount < 0),
                Source::RefundBounce(_) | Source::DisputeWon(_) => prop_assert!(amount > 0),
                Source::Payment(_) | Source::Adjustment(_) | Source::AdjustmentReversed(_) => {}
            }
        }
    }

    #[test]
    fn what_is_available_is_what_came_less_what_is_leaving(commands in commands::settled_funds::history()) {
        let (state, history) = play::<SettledFunds>(&commands);
        let sum: i128 = history.iter().map(|event| match event {
            SettledFundsEvent::Credited { amount, .. } => wide(*amount),
            SettledFundsEvent::Debited { amount, .. } => -wide(*amount),
            SettledFundsEvent::PayoutReserved(moved) | SettledFundsEvent::PayoutConfirmedLate(moved) => -wide(moved.amount),
            SettledFundsEvent::PayoutReleased(moved) | SettledFundsEvent::PayoutReturned(moved) => wide(moved.amount),
            SettledFundsEvent::Opened(_)
            | SettledFundsEvent::EntryAssigned(_)
            | SettledFundsEvent::PayoutConfirmed(_) => 0,
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
        let (mut sum, mut paid, mut threshold) = (0_i128, BTreeMap::new(), 0);
        for event in play::<Settlement>(&commands).1 {
            let owed = sum - paid.values().sum::<i128>();
            match event {
                SettlementEvent::Opened(opened) => threshold = i128::from(opened.threshold_minor),
                SettlementEvent::PaymentIncluded(line) => sum += wide(line.net),
                SettlementEvent::EntryIncluded(entry) => sum += wide(entry.amount),
                SettlementEvent::CarryOverIncluded(carried) => sum += wide(carried.amount),
                SettlementEvent::Closed(closing) => {
                    prop_assert_eq!(wide(closing.net), sum);
                    let parts = wide(closing.gross) - wide(closing.fees) - wide(closing.refunds) - wide(closing.disputes);
                    prop_assert_eq!(parts + wide(closing.adjustments) + wide(closing.carried_over), sum);
                    prop_assert_eq!(closing.carries_over, owed < 0 || (0 < owed && owed < threshold));
                }
                SettlementEvent::PayoutStarted { amount, .. } => {
                    prop_assert_eq!(wide(amount), owed);
                    prop_assert!(owed > 0 && owed >= threshold);
                }
                SettlementEvent::PaidOut { payout_id, amount } => {
                    prop_assert!(paid.insert(Gone::Paid(payout_id), wide(amount)).is_none());
                }
                SettlementEvent::PayoutReturned { payout_id, amount, .. } => {
                    prop_assert_eq!(paid.remove(&Gone::Paid(payout_id)), Some(wide(amount)));
                }
                SettlementEvent::CarriedOver(carried) => {
                    prop_assert_eq!(wide(carried.amount), owed);
                    prop_assert!(owed < 0 || (0 < owed && owed < threshold));
                    prop_assert!(paid.insert(Gone::CarriedOver(carried.number), owed).is_none());
                }
                SettlementEvent::Approved { .. }
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
                SettlementEvent::EntryIncluded(entry) => {
                    prop_assert!(!matches!(entry.source, Source::Payment(_)) && sources.insert(entry.source));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_settlement_has_one_payout_under_way_and_none_once_it_was_paid(commands in commands::settlement::history()) {
        let (mut under_way, mut paid) = (BTreeSet::new(), BTreeSet::new());
        for event in play::<Settlement>(&commands).1 {
            match event {
                SettlementEvent::PayoutStarted { payout_id, .. } => {
                    prop_assert!(under_way.is_empty());
                    under_way.insert(payout_id);
                }
                SettlementEvent::PayoutFailed { payout_id, .. } => prop_assert!(under_way.remove(&payout_id)),
                SettlementEvent::PaidOut { payout_id, .. } => {
                    under_way.remove(&payout_id);
                    paid.insert(payout_id);
                }
                SettlementEvent::PayoutReturned { payout_id, .. } => prop_assert!(paid.remove(&payout_id)),
                SettlementEvent::Reopened { .. } => prop_assert!(under_way.is_empty()),
                _ => {}
            }
        }
    }

    #[test]
    fn a_settlement_is_approved_by_an_operator_who_took_no_part(commands in commands::settlement::history()) {
        let (mut two_people, mut took_part) = (false, Vec::new());
        for event in play::<Settlement>(&commands).1 {
            match event {
                SettlementEvent::Opened(opened) => {
                    two_people = opened.two_people;
                    took_part.push(opened.opened_by);
                }
                SettlementEvent::Closed(closed) => took_part.push(closed.by),
                SettlementEvent::Reopened { by, .. } => took_part.push(by),
                SettlementEvent::Approved { by } if two_people => {
                    prop_assert!(matches!(by, Actor::Operator(_)) && !took_part.contains(&by));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_settlement_carried_over_includes_nothing_more_until_it_is_opened_again(commands in commands::settlement::history()) {
        let mut over = false;
        for event in play::<Settlement>(&commands).1 {
            match event {
                SettlementEvent::CarriedOver(_) => over = true,
                SettlementEvent::Reopened { .. } => over = false,
                SettlementEvent::PaymentIncluded(_)
                | SettlementEvent::EntryIncluded(_)
                | SettlementEvent::CarryOverIncluded(_) => prop_assert!(!over),
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
            approvals += i32::from(matches!(event, AdjustmentEvent::Approved(_) | AdjustmentEvent::TakenOver(_)));
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
                // Decided elsewhere: two people may take it back.
                AdjustmentEvent::TakenOver(_) => {}
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
    fn a_cancelled_order_is_paid_late_alone_and_ships_nothing(commands in commands::order::history()) {
        let (mut cancelled, mut late, mut back) = (false, 0, 0);
        let (state, history) = play::<Order>(&commands);
        for event in history {
            match event {
                OrderEvent::Cancelled { .. } => cancelled = true,
                OrderEvent::PaidLate { amount, .. } => {
                    prop_assert!(cancelled);
                    late += wide(amount);
                }
                OrderEvent::Refunded { amount, .. } => back += wide(amount),
                OrderEvent::RefundTakenBack { amount, .. } => back -= wide(amount),
                OrderEvent::Placed(_) | OrderEvent::Paid { .. } | OrderEvent::Fulfilled { .. } => prop_assert!(!cancelled),
            }
        }
        if cancelled {
            prop_assert_eq!(state.to_give_back().map_or(0, |(_, money)| wide(money)), late - back);
        } else {
            prop_assert!(state.to_give_back().is_none());
        }
    }

    #[test]
    fn an_order_is_never_paid_beyond_its_total_nor_refunded_beyond_what_was_paid(commands in commands::order::history()) {
        let (mut total, mut paid, mut refunded, mut payments) = (0, 0, 0, BTreeSet::new());
        for event in play::<Order>(&commands).1 {
            match event {
                OrderEvent::Placed(order) => total = wide(order.total),
                OrderEvent::Paid { payment_id, amount, in_whole, .. } => {
                    payments.insert(payment_id);
                    paid += wide(amount);
                    prop_assert_eq!(in_whole, paid == total);
                }
                OrderEvent::PaidLate { payment_id, amount, .. } => {
                    payments.insert(payment_id);
                    paid += wide(amount);
                }
                OrderEvent::Refunded { amount, in_whole, .. } => {
                    refunded += wide(amount);
                    prop_assert_eq!(in_whole, refunded == paid);
                }
                OrderEvent::RefundTakenBack { amount, .. } => refunded -= wide(amount),
                OrderEvent::Cancelled { .. } => prop_assert!(payments.is_empty()),
                OrderEvent::Fulfilled { .. } => prop_assert_eq!(payments.len(), 1),
            }
            prop_assert!((0..=paid).contains(&refunded) && paid <= total && payments.len() <= 1);
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
    fn a_refund_ends_by_its_best_evidence_and_bounces_only_after_it_was_sent(commands in commands::refund::history()) {
        let (mut ended, mut sent, mut bounced) = (Vec::new(), false, false);
        for event in play::<Refund>(&commands).1 {
            match event {
                RefundEvent::Succeeded { .. } | RefundEvent::Failed { .. } => {
                    prop_assert!(!bounced);
                    ended.push(event);
                }
                RefundEvent::Bounced { .. } => {
                    prop_assert!(sent && !bounced);
                    bounced = true;
                }
                RefundEvent::Sent { .. } => sent = true,
                RefundEvent::Requested(_) | RefundEvent::OutcomeUnknown => prop_assert!(!bounced),
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
    fn an_endpoint_removed_stays_removed(commands in commands::merchant::history()) {
        let mut removed = BTreeSet::new();
        for event in play::<Merchant>(&commands).1 {
            match event {
                MerchantEvent::EndpointAdded { endpoint_id, .. } => prop_assert!(!removed.contains(&endpoint_id)),
                MerchantEvent::EndpointRemoved { endpoint_id, .. } => prop_assert!(removed.insert(endpoint_id)),
                _ => {}
            }
        }
    }

    #[test]
    fn a_deed_is_recorded_once(commands in commands::operator::history()) {
        let mut deeds = BTreeSet::new();
        for event in play::<Operator>(&commands).1 {
            match event {
                OperatorEvent::Acted(deed) => prop_assert!(deeds.insert(deed.deed_id)),
                OperatorEvent::PersonErased(erasure) => prop_assert!(deeds.insert(erasure.erasure_id)),
                _ => {}
            }
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
    fn every_try_of_a_step_is_counted_once_and_is_of_one_act(commands in commands::saga::history()) {
        let (mut tries, mut acts) = (BTreeMap::new(), BTreeMap::new());
        for event in play::<Saga>(&commands).1 {
            if let SagaEvent::StepStarted(start) = event {
                let last = tries.insert((start.step, start.way == Way::Undo), start.try_no).unwrap_or(0);
                prop_assert_eq!(start.try_no, last + 1);
                let act = (start.name, start.partner_key);
                let first = acts.entry((start.step, start.way == Way::Undo)).or_insert_with(|| act.clone());
                prop_assert_eq!(first, &act);
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
