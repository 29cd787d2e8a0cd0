//! What holds of a payment and its money, at every event of every history.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    account::Account,
    aggregate::{Aggregate, Event},
    channel::Channel,
    currency::Currency,
    id::RefundId,
    money::Money,
    payment::{
        Payment, PaymentCommand, Report,
        attempt::CaptureMode,
        dispute::DisputeOutcome,
        event::{DisputeMoved, Funds, PaymentEvent},
        status::Status,
        suspense::Source,
        taken_over::TakenOver,
    },
};
use proptest::prelude::*;

use crate::{
    cases::cases,
    commands::{
        fee_plan,
        payment::{any_command, authorised, captured, history, initiate, merchant},
    },
    histories::{Books, play},
};

/// What an accountant would know who never saw the rules: plain sums over the events, in 128 bits.
#[derive(Default)]
struct Accountant {
    captured: i128,
    fees: i128,
    refunded: i128,
    fees_returned: i128,
    aside: BTreeMap<RefundId, i128>,
    disputed: i128,
    lost: i128,
    /// In dispute or lost of what is nobody's, and all that is held, the merchant's or not.
    disputed_of_nobody: BTreeMap<Currency, i128>,
    held: BTreeMap<Currency, i128>,
    suspended: BTreeMap<(Source, Currency), i128>,
    /// By refunds, lost disputes and out of suspense.
    given_back: BTreeMap<Currency, i128>,
    pending: i128,
    available: i128,
    settled: Vec<i128>,
    /// Of what was captured and refunded, and of the fees, what was so before it was taken over.
    owed_before: i128,
    fees_before: i128,
}

impl Accountant {
    fn take(&mut self, event: &PaymentEvent) {
        let wide = |money: Money| i128::from(money.amount_minor);
        match event {
            PaymentEvent::TakenOver(taken) => self.take_over(taken),
            PaymentEvent::Captured(captured) => {
                self.captured += wide(captured.amount);
                self.fees += wide(captured.fee);
                self.pending += wide(captured.amount) - wide(captured.fee);
            }
            PaymentEvent::RefundReserved { refund_id, amount, .. } => {
                self.aside.insert(*refund_id, wide(*amount));
            }
            PaymentEvent::RefundReleased { refund_id, .. } => {
                self.aside.remove(refund_id);
            }
            PaymentEvent::RefundConfirmed(moved) => {
                self.aside.remove(&moved.refund_id);
                self.refunded += wide(moved.amount);
                self.give_back(moved.amount, 1);
                self.fees_returned += wide(moved.fee_returned);
                *self.funds(moved.funds) -= wide(moved.amount) - wide(moved.fee_returned);
            }
            PaymentEvent::RefundBounced(moved) => {
                self.refunded -= wide(moved.amount);
                self.give_back(moved.amount, -1);
                self.fees_returned -= wide(moved.fee_returned);
                *self.funds(moved.funds) += wide(moved.amount) - wide(moved.fee_returned);
            }
            PaymentEvent::Disputed(moved) => {
                *self.held.entry(moved.amount.currency).or_default() += wide(moved.amount);
                self.take_away(moved, 1);
                if moved.funds != Funds::Suspense {
                    self.disputed += wide(moved.amount);
                }
            }
            PaymentEvent::DisputeClosed { outcome, moved } => {
                *self.held.entry(moved.amount.currency).or_default() -= wide(moved.amount);
                let of_merchant = if moved.funds == Funds::Suspense { 0 } else { wide(moved.amount) };
                self.disputed -= of_merchant;
                match outcome {
                    DisputeOutcome::Won => self.take_away(moved, -1),
                    DisputeOutcome::Lost => {
                        self.lost += of_merchant;
                        self.give_back(moved.amount, 1);
                    }
                }
            }
            PaymentEvent::DisputeWonAfterAll(moved) => {
                self.lost -= if moved.funds == Funds::Suspense { 0 } else { wide(moved.amount) };
                self.give_back(moved.amount, -1);
                self.take_away(moved, -1);
            }
            PaymentEvent::Settled(settled) => {
                self.settled.push(wide(settled.net));
                self.pending -= wide(settled.net);
                self.available += wide(settled.net);
            }
            PaymentEvent::MoneySuspended(moved) => {
                *self.suspended.entry((moved.source, moved.amount.currency)).or_default() += wide(moved.amount);
                if matches!(moved.source, Source::Refund { .. }) {
                    self.give_back(moved.amount, 1);
                }
            }
            PaymentEvent::SuspenseReturned(moved) => {
                *self.suspended.entry((moved.source, moved.amount.currency)).or_default() -= wide(moved.amount);
                self.give_back(moved.amount, if matches!(moved.source, Source::Refund { .. }) { -1 } else { 1 });
            }
            _ => {}
        }
    }

    fn take_over(&mut self, taken: &TakenOver) {
        let wide = |money: Money| i128::from(money.amount_minor);
        (self.captured, self.refunded) = (wide(taken.captured), wide(taken.refunded));
        (self.fees, self.fees_returned) = (wide(taken.fees), wide(taken.fees_returned));
        self.owed_before = self.captured - self.refunded;
        self.fees_before = self.fees - self.fees_returned;
        self.pending = if taken.is_settled { 0 } else { self.owed_before - self.fees_before };
    }

    fn reserved(&self) -> i128 {
        self.aside.values().sum()
    }

    /// What a dispute takes, of the merchant or of nobody.
    fn take_away(&mut self, moved: &DisputeMoved, times: i128) {
        let amount = times * i128::from(moved.amount.amount_minor);
        match moved.funds {
            Funds::Suspense => *self.disputed_of_nobody.entry(moved.amount.currency).or_default() += amount,
            Funds::Pending | Funds::Available => *self.funds(moved.funds) -= amount,
        }
    }

    fn give_back(&mut self, amount: Money, times: i128) {
        *self.given_back.entry(amount.currency).or_default() += times * i128::from(amount.amount_minor);
    }

    fn funds(&mut self, funds: Funds) -> &mut i128 {
        match funds {
            Funds::Pending => &mut self.pending,
            Funds::Available => &mut self.available,
            Funds::Suspense => panic!("only disputes are of what is nobody's"),
        }
    }

    /// Taken and nobody's, less what was given back that nobody owed.
    fn suspended(&self, currency: Currency) -> i128 {
        let signed = |((source, of), amount): (&(Source, Currency), &i128)| match source {
            _ if *of != currency => 0,
            Source::Capture { .. } => *amount,
            Source::Refund { .. } => -*amount,
        };
        let taken: i128 = self.suspended.iter().map(signed).sum();
        taken - self.disputed_of_nobody.get(&currency).copied().unwrap_or_default()
    }
}

/// Plays the history and looks after every single event.
fn at_every_event(
    commands: &[PaymentCommand],
    mut look: impl FnMut(&Payment, &Accountant, &Books) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let (mut state, mut accountant, mut books) = (Payment::default(), Accountant::default(), Books::default());
    for command in commands {
        for event in state.decide(command).unwrap_or_default() {
            state.apply(&event);
            accountant.take(&event);
            books.enter(&event.posting());
            look(&state, &accountant, &books)?;
        }
    }
    Ok(())
}

const USD: Currency = Currency::USD;

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn refunds_are_never_more_than_captures(commands in history()) {
        at_every_event(&commands, |_, seen, _| {
            prop_assert!(seen.refunded >= 0);
            prop_assert!(seen.refunded + seen.reserved() <= seen.captured);
            Ok(())
        })?;
    }

    #[test]
    fn no_refund_is_taken_from_what_is_disputed_or_lost(commands in history()) {
        let (mut state, mut seen) = (Payment::default(), Accountant::default());
        for command in &commands {
            let events = state.decide(command).unwrap_or_default();
            for event in &events {
                state.apply(event);
                seen.take(event);
            }
            if events.iter().any(|event| event.event_type() == "refund_reserved") {
                prop_assert!(seen.refunded + seen.reserved() + seen.disputed + seen.lost <= seen.captured);
            }
        }
    }

    #[test]
    fn captures_are_never_more_than_was_agreed(commands in history()) {
        at_every_event(&commands, |state, seen, _| {
            let agreed = state.agreement().map_or(0, |agreed| agreed.amount.amount_minor);
            prop_assert!((0..=i128::from(agreed)).contains(&seen.captured));
            Ok(())
        })?;
    }

    #[test]
    fn disputes_are_never_more_than_captures(commands in history()) {
        at_every_event(&commands, |_, seen, _| {
            prop_assert!(seen.disputed >= 0 && seen.disputed + seen.lost <= seen.captured);
            Ok(())
        })?;
    }

    #[test]
    fn the_channel_owes_what_it_took_and_did_not_give_back(commands in history()) {
        at_every_event(&commands, |_, seen, books| {
            for currency in [USD, Currency::EUR] {
                let of_merchant = if currency == USD { seen.captured - seen.refunded - seen.lost - seen.disputed } else { 0 };
                let held = seen.held.get(&currency).copied().unwrap_or_default();
                let before = if currency == USD { seen.owed_before } else { 0 };
                let owed = of_merchant + seen.suspended(currency) + held - before;
                prop_assert_eq!(books.balance(Account::ChannelReceivable(Channel::Stripe), currency), owed);
            }
            Ok(())
        })?;
    }

    #[test]
    fn our_fees_are_those_charged_less_those_returned(commands in history()) {
        at_every_event(&commands, |_, seen, books| {
            prop_assert_eq!(books.balance(Account::FeesRevenue, USD), seen.fees - seen.fees_returned - seen.fees_before);
            prop_assert!(0 <= seen.fees_returned && seen.fees_returned <= seen.fees && seen.fees <= seen.captured);
            Ok(())
        })?;
    }

    #[test]
    fn a_merchant_has_what_the_accountant_says(commands in history()) {
        at_every_event(&commands, |_, seen, books| {
            prop_assert_eq!(books.balance(Account::MerchantPending(merchant()), USD), seen.pending);
            prop_assert_eq!(books.balance(Account::MerchantAvailable(merchant()), USD), seen.available);
            for (currency, held) in &seen.held {
                prop_assert!(*held >= 0);
                prop_assert_eq!(books.balance(Account::DisputeHolding, *currency), *held);
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_was_taken_over_is_owed_against_the_migration_and_nothing_else_is(commands in history()) {
        let taken_over = play::<Payment>(&commands).1.into_iter().find_map(|event| match event {
            PaymentEvent::TakenOver(taken) if !taken.is_settled => Some(i128::from(taken.net().amount_minor)),
            _ => None,
        });
        at_every_event(&commands, |_, _, books| {
            let owed = -books.balance(Account::SuspenseMigration, USD);
            prop_assert_eq!(owed, taken_over.unwrap_or_default());
            Ok(())
        })?;
    }

    #[test]
    fn suspense_is_exactly_what_nobody_expected(commands in history()) {
        at_every_event(&commands, |_, seen, books| {
            for currency in [USD, Currency::EUR] {
                prop_assert_eq!(books.balance(Account::Suspense, currency), seen.suspended(currency));
            }
            prop_assert!(seen.suspended.values().all(|amount| *amount >= 0));
            Ok(())
        })?;
    }

    #[test]
    fn all_that_is_told_of_is_booked_once(commands in history()) {
        let (mut state, mut seen, mut books) = (Payment::default(), Accountant::default(), Books::default());
        let mut told = BTreeMap::new();
        for command in &commands {
            let Ok(events) = state.decide(command) else { continue };
            if let PaymentCommand::Report { attempt, report: Report::Captured { capture_id, amount, .. } } = command
                && amount.amount_minor > 0
            {
                told.entry((*attempt, *capture_id)).or_insert(*amount);
            }
            for event in &events {
                state.apply(event);
                seen.take(event);
                books.enter(&event.posting());
            }
            for currency in [USD, Currency::EUR] {
                let of = told.values().filter(|money: &&Money| money.currency == currency);
                let taken: i128 = of.map(|money| i128::from(money.amount_minor)).sum();
                let receivable = books.balance(Account::ChannelReceivable(Channel::Stripe), currency);
                prop_assert_eq!(receivable, taken - seen.given_back.get(&currency).copied().unwrap_or_default());
            }
        }
    }

    #[test]
    fn nothing_is_captured_that_was_not_asked_for_or_is_not_all_at_once(commands in history()) {
        let (mut modes, mut whole, mut asked, mut at_once) = (Vec::new(), None, BTreeSet::new(), 0);
        for event in play::<Payment>(&commands).1 {
            match event {
                PaymentEvent::Initiated(initiated) => {
                    modes.push(initiated.route.capture_mode);
                    whole = Some(initiated.amount);
                }
                PaymentEvent::TakenOver(taken) => {
                    modes.push(taken.route.capture_mode);
                    whole = Some(taken.amount);
                }
                PaymentEvent::AttemptOpened(opened) => modes.push(opened.route.capture_mode),
                PaymentEvent::CaptureRequested { attempt, capture_id, amount } => {
                    prop_assert!(asked.insert((attempt, capture_id, amount.amount_minor)));
                }
                PaymentEvent::Captured(captured) => match modes[usize::try_from(captured.attempt).unwrap() - 1] {
                    CaptureMode::Manual => {
                        prop_assert!(asked.remove(&(captured.attempt, captured.capture_id, captured.amount.amount_minor)));
                    }
                    CaptureMode::Automatic => {
                        at_once += 1;
                        prop_assert_eq!(Some(captured.amount), whole);
                    }
                },
                _ => {}
            }
        }
        prop_assert!(at_once <= 1);
    }

    #[test]
    fn one_half_under_two_ids_is_half(commands in history(), half in 1_i64..5_000, swapped in any::<bool>()) {
        let amount = Money::new(half * 2, USD);
        let part = Money::new(half, USD);
        let capture_id = domain::id::CaptureId::new(uuid::Uuid::from_u128(1));
        let mut told = vec![initiate(amount, domain::fee::FeePlan::FREE, CaptureMode::Manual)];
        told.extend(ready());
        told.extend([authorised(amount), PaymentCommand::Capture { capture_id, amount: part }]);
        let reports = [captured(1, 1, part), captured(1, 9, part)];
        told.extend(if swapped { reports.into_iter().rev().collect::<Vec<_>>() } else { reports.to_vec() });
        // Whatever else is told after, unless more is asked for.
        told.extend(commands.into_iter().filter(|command| !matches!(command, PaymentCommand::Capture { .. })));
        prop_assert_eq!(play::<Payment>(&told).0.captured(), Some(part));
    }

    #[test]
    fn settling_leaves_nothing_pending_and_happens_once(commands in history()) {
        at_every_event(&commands, |_, seen, books| {
            prop_assert!(seen.settled.len() <= 1);
            if !seen.settled.is_empty() {
                prop_assert_eq!(books.balance(Account::MerchantPending(merchant()), USD), 0);
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_state_tells_the_same_sums_as_the_events(commands in history()) {
        at_every_event(&commands, |state, seen, _| {
            prop_assert_eq!(state.captured().map(|money| i128::from(money.amount_minor)), Some(seen.captured));
            prop_assert_eq!(state.refunded().map(|money| i128::from(money.amount_minor)), Some(seen.refunded));
            Ok(())
        })?;
    }

    #[test]
    fn the_status_follows_the_money(commands in history()) {
        at_every_event(&commands, |state, seen, _| {
            let by_money = match (seen.captured, seen.reserved(), seen.refunded) {
                (0, ..) => None,
                (_, reserved, _) if reserved > 0 => Some(Status::Refunding),
                (_, _, 0) => Some(Status::Success),
                (captured, _, refunded) if captured == refunded => Some(Status::Refunded),
                _ => Some(Status::PartiallyRefunded),
            };
            let unpaid = [Status::Pending, Status::Processing, Status::RequiresReview, Status::Failed, Status::Cancelled];
            prop_assert!(by_money.map_or(unpaid.contains(&state.status()), |status| status == state.status()));
            Ok(())
        })?;
    }

    #[test]
    fn what_is_cancelled_stays_cancelled_and_takes_no_money(commands in history()) {
        let mut cancelled = false;
        at_every_event(&commands, |state, seen, _| {
            prop_assert!(!cancelled || state.status() == Status::Cancelled);
            cancelled |= state.status() == Status::Cancelled;
            prop_assert!(!cancelled || seen.captured == 0);
            Ok(())
        })?;
    }

    #[test]
    fn money_is_taken_by_one_attempt_only(commands in history()) {
        let mut attempts = BTreeSet::new();
        for event in play::<Payment>(&commands).1 {
            if let PaymentEvent::Captured(captured) = event {
                attempts.insert(captured.attempt);
            }
        }
        prop_assert!(attempts.len() <= 1);
    }

    #[test]
    fn each_capture_and_each_refund_moves_money_once(commands in history()) {
        let (mut captures, mut refunds, mut bounces) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for event in play::<Payment>(&commands).1 {
            match event {
                PaymentEvent::Captured(captured) => prop_assert!(captures.insert(captured.capture_id)),
                PaymentEvent::RefundConfirmed(moved) => prop_assert!(refunds.insert(moved.refund_id)),
                PaymentEvent::RefundBounced(moved) => prop_assert!(bounces.insert(moved.refund_id)),
                _ => {}
            }
        }
        prop_assert!(bounces.is_subset(&refunds));
    }

    #[test]
    fn attempts_are_numbered_without_a_hole(commands in history()) {
        let mut next = 2;
        for event in play::<Payment>(&commands).1 {
            if let PaymentEvent::AttemptOpened(opened) = event {
                prop_assert_eq!(opened.attempt, next);
                next += 1;
            }
        }
    }

    #[test]
    fn a_settlement_says_how_much_of_the_stream_it_counted(commands in history()) {
        let history = play::<Payment>(&commands).1;
        for (before, event) in history.iter().enumerate() {
            if let PaymentEvent::Settled(settled) = event {
                prop_assert_eq!(settled.as_of_sequence, u64::try_from(before).unwrap());
            }
        }
    }

    #[test]
    fn doubled_commands_leave_the_same_history(commands in history()) {
        let doubled: Vec<PaymentCommand> = commands.iter().flat_map(|c| [c.clone(), c.clone()]).collect();
        prop_assert_eq!(play::<Payment>(&doubled).1, play::<Payment>(&commands).1);
    }

    #[test]
    fn a_refund_in_parts_brings_back_the_whole_fee(
        whole in 1_i64..1_000_000, plan in fee_plan(), parts in prop::collection::vec(1_i64..400_000, 1..8),
    ) {
        let amount = Money::new(whole, USD);
        let mut commands = vec![initiate(amount, plan, CaptureMode::Automatic)];
        commands.extend(ready());
        commands.push(captured(1, 1, amount));
        let mut left = whole;
        for (number, part) in parts.iter().chain([&whole]).enumerate() {
            let part = (*part).min(left);
            left -= part;
            commands.extend(refunded(number, part));
        }
        at_every_event(&commands, |_, seen, _| {
            if seen.refunded == seen.captured && seen.captured > 0 {
                let kept = plan.on_refund == domain::fee::FeeOnRefund::Kept;
                prop_assert_eq!(seen.fees_returned, if kept { 0 } else { seen.fees });
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_amount_however_large_makes_a_decision_panic(
        whole in 1_i64..=i64::MAX, plan in fee_plan(), more in prop::collection::vec(any_command(i64::MAX), 0..24),
    ) {
        let amount = Money::new(whole, USD);
        let mut commands = vec![initiate(amount, plan, CaptureMode::Automatic)];
        commands.extend(ready());
        commands.push(captured(1, 1, amount));
        commands.extend(more);
        let (state, _) = play::<Payment>(&commands);
        prop_assert_eq!(state.captured(), Some(amount));
    }
}

fn ready() -> [PaymentCommand; 2] {
    let approve = crate::commands::payment::assess(1, domain::risk::RiskDecision::Approve);
    [approve, PaymentCommand::Submit { attempt: 1 }]
}

fn refunded(number: usize, amount_minor: i64) -> [PaymentCommand; 2] {
    let refund_id = RefundId::new(uuid::Uuid::from_u128(u128::try_from(number).unwrap()));
    let (by, reason) = (domain::actor::Actor::Process, domain::free_text::FreeText::parse("part").unwrap());
    let effective_at = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let amount = Money::new(amount_minor, USD);
    [
        PaymentCommand::ReserveRefund { refund_id, amount, by, reason },
        PaymentCommand::ConfirmRefund { refund_id, effective_at },
    ]
}
