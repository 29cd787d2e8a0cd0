//! Every state a payment can reach, against a table written by hand.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::LazyLock,
};

use super::*;
use crate::aggregate::Event;

/// What anybody may ask or tell at any moment, of two attempts for 100.00 captured whole, the second also in part.
fn alphabet() -> Vec<PaymentCommand> {
    let mut commands = vec![initiate(), initiate_manual(), capture(1, usd(10_000)), cancel(), settle(1)];
    commands.extend([capture(2, usd(4_000)), captured(2, 2, usd(4_000)), return_suspense(given_back(1))]);
    for attempt in [1, 2] {
        commands
            .extend([RiskDecision::Approve, RiskDecision::Review, RiskDecision::Reject].map(|d| assessed(attempt, d)));
        commands.extend([true, false].map(|approved| PaymentCommand::DecideReview {
            attempt,
            approved,
            by: operator(),
            reason: text("called them"),
        }));
        commands.push(PaymentCommand::LapseReview { attempt });
        commands.extend([submit(attempt), authorised(attempt, usd(10_000)), captured(attempt, 1, usd(10_000))]);
        commands.extend([declined(attempt), capture_declined(attempt, 1), release_late(attempt)]);
        commands.push(return_suspense(taken(attempt, 1)));
        commands.extend([Report::Unknown, VOIDED, EXPIRED].map(|report| told(attempt, report)));
    }
    commands.extend([reserve(1, usd(10_000)), confirm(1), release(1), bounce(1)]);
    commands
}

/// A state as the table names it: the outside's word, the last attempt's phase, and whether it is being cancelled.
fn name(payment: &Payment) -> String {
    let Some((_, phase)) = payment.last_attempt() else { return "untold".to_owned() };
    let phase = serde_json::to_value(phase).unwrap();
    let leaving = if payment.is_being_cancelled() { "*" } else { "" };
    format!("{}/{}{leaving}", payment.status().name(), phase.as_str().unwrap())
}

/// Every state there is, and every step from state to state: where from, by which events, where to.
static REACHABLE: LazyLock<(Vec<Payment>, BTreeSet<String>)> = LazyLock::new(|| {
    let commands = alphabet();
    let (mut states, mut steps, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut open = VecDeque::from([Payment::default()]);
    while let Some(state) = open.pop_front() {
        for command in &commands {
            let Ok(events) = state.decide(command) else { continue };
            if events.is_empty() {
                continue;
            }
            let mut next = state.clone();
            events.iter().for_each(|event| next.apply(event));
            if next.attempts.len() > 2 {
                continue;
            }
            let types: Vec<&str> = events.iter().map(Event::event_type).collect();
            steps.insert(format!("{} {} {}", name(&state), types.join("+"), name(&next)));
            // The sequence only counts, and what settled funds are to know is only remembered; all else decides.
            let deciding = Payment { sequence: 0, moves_of_funds: Vec::new(), ..next.clone() };
            let key = serde_json::to_string(&deciding).unwrap();
            if seen.insert(key) {
                open.push_back(next);
            }
        }
        states.push(state);
    }
    (states, steps)
});

#[test]
fn every_step_is_in_the_table_and_every_line_of_the_table_is_walked() {
    let (states, walked) = &*REACHABLE;
    let mut table: BTreeSet<String> = BTreeSet::new();
    for line in TABLE.lines().filter(|line| !line.is_empty()) {
        let [from, events, to] = line.split_whitespace().collect::<Vec<_>>()[..] else { unreachable!() };
        table.insert(format!("{from} {events} {to}"));
        // What nobody expects may come and be taken back at any time after a submission, which changes nothing else.
        for late in ["authorised_late", "late_authorisation_released", "money_suspended", "suspense_returned"] {
            table.insert(format!("{to} {late} {to}"));
        }
    }
    let missing: Vec<&String> = walked.difference(&table).collect();
    let never: Vec<&String> = table.difference(walked).collect();
    assert!(missing.is_empty() && never.is_empty(), "not in the table: {missing:#?}\nnever walked: {never:#?}");
    assert_eq!(states.len(), STATES);
}

#[test]
fn money_that_was_captured_can_be_settled_whatever_happened() {
    let mut captured = 0;
    for reached in REACHABLE.0.iter().filter(|state| state.captured_minor > 0) {
        let mut state = reached.clone();
        for command in [cancel(), told(1, VOIDED), told(2, VOIDED), settle(1)] {
            let events = state.decide(&command).unwrap_or_default();
            events.iter().for_each(|event| state.apply(event));
        }
        assert_eq!(state.settled, Some(settlement_no(1)), "{state:?}");
        captured += 1;
    }
    assert!(captured > 100);
}

/// As many as differ in more than the count of events.
const STATES: usize = 208_803;

/// A star: cancellation was asked for. The four ways of being cancelled, and `expired`, end there.
const TABLE: &str = "untold                         initiated                       pending/initiated

pending/initiated              risk_approved                   pending/approved
pending/initiated              review_requested                requires_review/in_review
pending/initiated              risk_rejected                   failed/rejected
pending/initiated              cancelled                       cancelled/withdrawn
requires_review/in_review      review_approved                 pending/approved
requires_review/in_review      review_rejected                 failed/rejected
requires_review/in_review      review_lapsed                   failed/rejected
requires_review/in_review      cancelled                       cancelled/withdrawn
pending/approved               submitted                       processing/submitted
pending/approved               cancelled                       cancelled/withdrawn

processing/submitted           authorised                      processing/authorised
processing/submitted           capture_declined                processing/submitted
processing/submitted           captured                        success/captured
processing/submitted           failed                          failed/failed
processing/submitted           outcome_unknown                 processing/unknown
processing/submitted           voided                          failed/voided
processing/submitted           authorisation_expired+cancelled cancelled/expired
processing/submitted           cancellation_requested          processing/submitted*
processing/unknown             authorised                      processing/authorised
processing/unknown             capture_declined                processing/unknown
processing/unknown             captured                        success/captured
processing/unknown             failed                          failed/failed
processing/unknown             voided                          failed/voided
processing/unknown             authorisation_expired+cancelled cancelled/expired
processing/unknown             cancellation_requested          processing/unknown*
processing/authorised          capture_requested               processing/authorised
processing/authorised          capture_declined                processing/authorised
processing/authorised          captured                        success/captured
processing/authorised          voided                          failed/voided
processing/authorised          authorisation_expired+cancelled cancelled/expired
processing/authorised          cancellation_requested          processing/authorised*

processing/submitted*          authorised                      processing/authorised*
processing/submitted*          capture_declined                processing/submitted*
processing/submitted*          captured                        success/captured
processing/submitted*          failed+cancelled                cancelled/failed
processing/submitted*          outcome_unknown                 processing/unknown*
processing/submitted*          voided+cancelled                cancelled/voided
processing/submitted*          authorisation_expired+cancelled cancelled/expired
processing/unknown*            authorised                      processing/authorised*
processing/unknown*            capture_declined                processing/unknown*
processing/unknown*            captured                        success/captured
processing/unknown*            failed+cancelled                cancelled/failed
processing/unknown*            voided+cancelled                cancelled/voided
processing/unknown*            authorisation_expired+cancelled cancelled/expired
processing/authorised*         capture_declined                processing/authorised*
processing/authorised*         captured                        success/captured
processing/authorised*         voided+cancelled                cancelled/voided
processing/authorised*         authorisation_expired+cancelled cancelled/expired

failed/rejected                attempt_opened                  pending/initiated
failed/rejected                cancelled                       cancelled/rejected
failed/failed                  attempt_opened                  pending/initiated
failed/failed                  cancelled                       cancelled/failed
failed/voided                  attempt_opened                  pending/initiated
failed/voided                  cancelled                       cancelled/voided

success/captured               refund_reserved                 refunding/captured
success/captured               settled                         success/captured
success/captured               cancellation_requested          success/captured*
success/captured               voided                          success/captured
success/captured               authorisation_expired           success/captured
success/captured               refund_confirmed                refunded/captured
success/captured*              voided                          success/captured
success/captured*              authorisation_expired           success/captured
refunding/captured             refund_confirmed                refunded/captured
refunding/captured             refund_confirmed+refund_bounced success/captured
success/captured               refund_confirmed+refund_bounced success/captured
refunding/captured             refund_released                 success/captured
refunding/captured             settled                         refunding/captured
refunded/captured              refund_bounced                  success/captured
refunded/captured              settled                         refunded/captured";
