//! Each movement of a payment, line by line.

use super::*;
use crate::{
    account::{Account, Side},
    posting::Reversed,
};

/// The lines of the last event that moved money: account, debit or credit, amount.
fn lines(told: &Told) -> Vec<(String, i64)> {
    let posting = told.history.last().unwrap().posting();
    assert_eq!(posting.effective_at(), Some(at()));
    let signed = |side, amount: i64| if side == Side::Debit { amount } else { -amount };
    let name = |account: Account| account.to_string().replace(&merchant().to_string(), "M");
    posting.lines().iter().map(|line| (name(line.account), signed(line.side, line.money.amount_minor))).collect()
}

fn expect(told: &Told, expected: &[(&str, i64)]) {
    let expected: Vec<(String, i64)> = expected.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
    assert_eq!(lines(told), expected);
}

const RECEIVABLE: &str = "channel:stripe:receivable";
const PENDING: &str = "merchant:M:pending";
const AVAILABLE: &str = "merchant:M:available";
const FEES: &str = "fees:revenue";

#[test]
fn a_capture_owes_the_merchant_the_net_and_us_the_fee() {
    expect(&paid(), &[(RECEIVABLE, 10_000), (PENDING, -9_680), (FEES, -320)]);
}

#[test]
fn a_refund_takes_from_pending_and_gives_the_fee_back() {
    let confirmed = paid().given(&reserve(1, usd(5_000))).given(&confirm(1));
    expect(&confirmed, &[(PENDING, 4_840), (RECEIVABLE, -5_000), (FEES, 160)]);
    let bounced = confirmed.given(&bounce(1));
    expect(&bounced, &[(PENDING, -4_840), (RECEIVABLE, 5_000), (FEES, -160)]);
}

#[test]
fn a_refund_after_the_settlement_takes_from_available() {
    let confirmed = paid().given(&settle(1)).given(&reserve(1, usd(5_000))).given(&confirm(1));
    expect(&confirmed, &[(AVAILABLE, 4_840), (RECEIVABLE, -5_000), (FEES, 160)]);
}

#[test]
fn settling_makes_pending_available() {
    expect(&paid().given(&settle(1)), &[(PENDING, 9_680), (AVAILABLE, -9_680)]);
    let owing = paid().given(&dispute(1, usd(10_000))).given(&settle(1));
    expect(&owing, &[(AVAILABLE, 320), (PENDING, -320)]);
}

#[test]
fn a_dispute_is_held_then_goes_to_who_won() {
    let open = paid().given(&dispute(1, usd(1_000)));
    expect(&open, &[(PENDING, 1_000), ("dispute:holding", -1_000)]);
    let won = open.clone().given(&close_dispute(1, DisputeOutcome::Won));
    expect(&won, &[(PENDING, -1_000), ("dispute:holding", 1_000)]);
    let lost = open.given(&close_dispute(1, DisputeOutcome::Lost));
    expect(&lost, &[("dispute:holding", 1_000), (RECEIVABLE, -1_000)]);
    let after_all = close_dispute(1, DisputeOutcome::Won);
    expect(&lost.clone().given(&after_all), &[(PENDING, -1_000), (RECEIVABLE, 1_000)]);
    expect(&lost.given(&settle(1)).given(&after_all), &[(AVAILABLE, -1_000), (RECEIVABLE, 1_000)]);
}

#[test]
fn a_dispute_beyond_the_capture_is_held_of_what_is_nobodys() {
    let open = paid().given(&dispute(1, usd(10_001)));
    expect(&open, &[("suspense", 10_001), ("dispute:holding", -10_001)]);
    let won = open.clone().given(&close_dispute(1, DisputeOutcome::Won));
    expect(&won, &[("suspense", -10_001), ("dispute:holding", 10_001)]);
    let lost = open.given(&close_dispute(1, DisputeOutcome::Lost));
    expect(&lost, &[("dispute:holding", 10_001), (RECEIVABLE, -10_001)]);
    expect(&lost.given(&close_dispute(1, DisputeOutcome::Won)), &[("suspense", -10_001), (RECEIVABLE, 10_001)]);
}

#[test]
fn late_money_waits_in_suspense() {
    let late = failed().given(&captured(1, 1, usd(10_000)));
    expect(&late, &[(RECEIVABLE, 10_000), ("suspense", -10_000)]);
    expect(&late.given(&return_suspense(taken(1, 1))), &[(RECEIVABLE, -10_000), ("suspense", 10_000)]);
}

#[test]
fn a_refund_beyond_the_captures_is_in_suspense_the_other_way() {
    let beyond = refunded_beyond();
    expect(&beyond, &[("suspense", 10_000), (RECEIVABLE, -10_000)]);
    expect(&beyond.given(&return_suspense(given_back(1))), &[("suspense", -10_000), (RECEIVABLE, 10_000)]);
}

#[test]
fn what_takes_back_says_what_it_takes_back() {
    let reverses = |told: Told| told.history.last().unwrap().posting().reverses();
    let refunded = paid().given(&reserve(1, usd(5_000))).given(&confirm(1));
    assert_eq!(reverses(refunded.clone()), None);
    assert_eq!(reverses(refunded.given(&bounce(1))), Some(Reversed::Refund(refund_no(1))));
    let open = paid().given(&dispute(1, usd(1_000)));
    let won = open.clone().given(&close_dispute(1, DisputeOutcome::Won));
    assert_eq!(reverses(won), Some(Reversed::Dispute(dispute_no(1))));
    let lost = open.given(&close_dispute(1, DisputeOutcome::Lost));
    assert_eq!(reverses(lost.clone()), None);
    assert_eq!(reverses(lost.given(&close_dispute(1, DisputeOutcome::Won))), Some(Reversed::Dispute(dispute_no(1))));
    let late = failed().given(&captured(1, 1, usd(10_000)));
    assert_eq!(reverses(late.clone()), None);
    assert_eq!(reverses(late.given(&return_suspense(taken(1, 1)))), Some(Reversed::Capture(capture_no(1))));
    let beyond = refunded_beyond().given(&return_suspense(given_back(1)));
    assert_eq!(reverses(beyond), Some(Reversed::Refund(refund_no(1))));
}
