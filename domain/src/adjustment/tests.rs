//! Adjustments: two people each way, and a reversal that takes back every line.

use uuid::Uuid;

use super::*;
use crate::{
    currency::Currency,
    id::{AdjustmentId, MerchantId},
    money::Money,
    scenario::Story,
};

type Told = Story<Adjustment>;

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn person(number: u128) -> OperatorId {
    OperatorId::new(Uuid::from_u128(number))
}

fn reason() -> FreeText {
    FreeText::parse("the bank's mistake").unwrap()
}

fn proposal() -> Proposed {
    Proposed {
        adjustment_id: AdjustmentId::new(Uuid::from_u128(1)),
        livemode: true,
        debit: Account::Bank,
        credit: Account::Suspense,
        amount: Money::new(500, Currency::USD),
        by: person(1),
        reason: reason(),
        effective_at: None,
    }
}

fn propose(proposal: Proposed) -> AdjustmentCommand {
    AdjustmentCommand::Propose { proposal: Box::new(proposal), closed_through: None }
}

fn approve(by: u128) -> AdjustmentCommand {
    AdjustmentCommand::Approve { by: person(by), effective_at: at(), closed_through: None }
}

fn reject() -> AdjustmentCommand {
    AdjustmentCommand::Reject { by: person(2), reason: reason() }
}

fn propose_reversal(by: u128) -> AdjustmentCommand {
    AdjustmentCommand::ProposeReversal { by: person(by), reason: reason() }
}

fn approve_reversal(by: u128) -> AdjustmentCommand {
    AdjustmentCommand::ApproveReversal { by: person(by), effective_at: at(), closed_through: None }
}

fn reject_reversal() -> AdjustmentCommand {
    AdjustmentCommand::RejectReversal { by: person(3), reason: reason() }
}

fn proposed() -> Told {
    Story::untold().given(&propose(proposal()))
}

fn approved() -> Told {
    proposed().given(&approve(2))
}

fn reversal_proposed() -> Told {
    approved().given(&propose_reversal(2))
}

#[test]
fn an_adjustment_is_proposed_once() {
    let other = Proposed { by: person(9), ..proposal() };
    proposed().when(&propose(other)).then_refused(AdjustmentRefusal::AdjustmentDiffers);
    let told = Told::untold();
    told.clone()
        .when(&propose(Proposed { credit: Account::Bank, ..proposal() }))
        .then_refused(AdjustmentRefusal::AccountsEqual);
    let reserved = Account::MerchantReserved(MerchantId::new(Uuid::from_u128(1)));
    for touching in [Proposed { debit: reserved, ..proposal() }, Proposed { credit: reserved, ..proposal() }] {
        told.clone().when(&propose(touching)).then_refused(AdjustmentRefusal::ReservedMovesByPayouts);
    }
    for amount in [0, -1] {
        let amount = Money::new(amount, Currency::USD);
        told.clone()
            .when(&propose(Proposed { amount, ..proposal() }))
            .then_refused(AdjustmentRefusal::AmountNotPositive);
    }
}

#[test]
fn two_people_adjust() {
    proposed().when(&approve(1)).then_refused(AdjustmentRefusal::SecondPersonNeeded);
    let told = proposed().when(&approve(2)).then(&["approved"]);
    let posting = told.events()[0].posting();
    assert_eq!((posting.lines()[0].account, posting.lines()[1].account), (Account::Bank, Account::Suspense));
    assert_eq!((posting.reverses(), posting.effective_at()), (None, Some(at())));
    told.clone().when(&approve(3)).then_nothing();
    told.when(&reject()).then_refused(AdjustmentRefusal::AdjustmentApproved);
}

#[test]
fn a_rejected_adjustment_stays_rejected() {
    let told = proposed().when(&reject()).then(&["rejected"]);
    assert!(told.history.iter().all(|event| event.posting().moves_no_money()));
    told.clone().when(&approve(2)).then_refused(AdjustmentRefusal::AdjustmentRejected);
    told.clone().when(&propose_reversal(1)).then_refused(AdjustmentRefusal::AdjustmentNotApproved);
    for command in [approve_reversal(3), reject_reversal()] {
        told.clone().when(&command).then_refused(AdjustmentRefusal::ReversalNotProposed);
    }
}

#[test]
fn two_people_reverse() {
    proposed().when(&propose_reversal(1)).then_refused(AdjustmentRefusal::AdjustmentNotApproved);
    approved().when(&approve_reversal(1)).then_refused(AdjustmentRefusal::ReversalNotProposed);
    reversal_proposed().when(&approve_reversal(2)).then_refused(AdjustmentRefusal::SecondPersonNeeded);
    let told = reversal_proposed().when(&approve_reversal(1)).then(&["reversed"]);
    let posting = told.events()[0].posting();
    assert_eq!((posting.lines()[0].account, posting.lines()[1].account), (Account::Bank, Account::Suspense));
    assert_eq!(posting.lines()[0].side, crate::account::Side::Credit);
    assert_eq!(posting.reverses(), Some(proposal().adjustment_id.into()));
    told.clone().when(&propose_reversal(1)).then_refused(AdjustmentRefusal::AlreadyReversed);
    told.clone().when(&reject_reversal()).then_refused(AdjustmentRefusal::AlreadyReversed);
    told.clone().when(&approve(2)).then_nothing();
    told.when(&reject()).then_refused(AdjustmentRefusal::AdjustmentApproved);
}

#[test]
fn a_rejected_reversal_leaves_the_adjustment() {
    let told = reversal_proposed().when(&reject_reversal()).then(&["reversal_rejected"]);
    told.clone().when(&approve_reversal(1)).then_refused(AdjustmentRefusal::ReversalNotProposed);
    // Asked for again by somebody else: now the other two may approve, and not that one.
    let again = told.given(&propose_reversal(3));
    again.clone().when(&approve_reversal(3)).then_refused(AdjustmentRefusal::SecondPersonNeeded);
    again.clone().when(&propose_reversal(1)).then_nothing();
    again.clone().when(&approve(2)).then_nothing();
    again.clone().when(&reject()).then_refused(AdjustmentRefusal::AdjustmentApproved);
    again.when(&approve_reversal(2)).then(&["reversed"]);
}

#[test]
fn without_an_adjustment_everything_but_proposing_is_refused() {
    for command in [approve(2), reject(), propose_reversal(1), approve_reversal(2), reject_reversal()] {
        Told::untold().when(&command).then_refused(AdjustmentRefusal::AdjustmentAbsent);
    }
}

#[test]
fn an_adjustment_says_whether_it_is_about_real_money() {
    assert_eq!(Adjustment::default().livemode(), None);
    for livemode in [true, false] {
        let told = Told::untold().given(&propose(Proposed { livemode, ..proposal() }));
        assert_eq!(told.state.livemode(), Some(livemode));
    }
}

/// The moment of these tests is in the month after the one that is closed.
fn closed() -> Option<Month> {
    Some(Month::of(at()).previous())
}

fn backdated() -> Proposed {
    let effective_at = closed().map(|month| month.end() - chrono::TimeDelta::microseconds(1));
    Proposed { effective_at, ..proposal() }
}

#[test]
fn an_adjustment_takes_effect_when_its_proposal_says() {
    let early = Some(at() - chrono::TimeDelta::days(3));
    let told = Told::untold().given(&propose(Proposed { effective_at: early, ..proposal() })).when(&approve(2));
    assert_eq!(told.events()[0].posting().effective_at(), early);
    let late = Some(at() + chrono::TimeDelta::seconds(1));
    let told = Told::untold().given(&propose(Proposed { effective_at: late, ..proposal() }));
    told.when(&approve(2)).then_refused(AdjustmentRefusal::EffectiveLater);
}

#[test]
fn nobody_adjusts_what_is_closed() {
    let into = |proposal| AdjustmentCommand::Propose { proposal: Box::new(proposal), closed_through: closed() };
    Told::untold().when(&into(backdated())).then_refused(AdjustmentRefusal::PeriodClosed);
    let open = Proposed { effective_at: closed().map(Month::end), ..proposal() };
    Told::untold().when(&into(open)).then(&["proposed"]);
    // Closed between the two people.
    let told = Told::untold().given(&propose(backdated()));
    let late = AdjustmentCommand::Approve { by: person(2), effective_at: at(), closed_through: closed() };
    told.clone().when(&late).then_refused(AdjustmentRefusal::PeriodClosed);
    // Approved in time, it is as it is, whatever is closed later.
    told.given(&approve(2)).when(&late).then_nothing();
    // Nor by taking back: that takes effect now, and now would have to be open.
    let through = Some(Month::of(at()));
    let reverse = AdjustmentCommand::ApproveReversal { by: person(1), effective_at: at(), closed_through: through };
    reversal_proposed().when(&reverse).then_refused(AdjustmentRefusal::PeriodClosed);
}

fn opening() -> TakenOver {
    let Proposed { adjustment_id, livemode, amount, by, reason, .. } = proposal();
    let (debit, credit) = (Account::Bank, Account::SuspenseMigration);
    TakenOver { adjustment_id, livemode, debit, credit, amount, by, reason, effective_at: at() }
}

fn take_over(opening: TakenOver) -> AdjustmentCommand {
    AdjustmentCommand::TakeOver(Box::new(opening))
}

#[test]
fn an_opening_balance_is_in_the_books_at_once_and_two_people_take_it_back() {
    let told = Told::untold().when(&take_over(opening())).then(&["taken_over"]);
    assert_eq!(told.state.phase(), Phase::Approved);
    let posting = told.history.last().unwrap().posting();
    assert_eq!((posting.lines()[0].account, posting.lines()[1].account), (Account::Bank, Account::SuspenseMigration));
    assert_eq!(posting.effective_at(), Some(at()));
    told.clone().when(&approve(2)).then_nothing();
    let otherwise = TakenOver { amount: Money::new(501, Currency::USD), ..opening() };
    told.clone().when(&take_over(otherwise)).then_refused(AdjustmentRefusal::AdjustmentDiffers);
    let asked = told.when(&propose_reversal(2)).then(&["reversal_proposed"]);
    asked.clone().when(&approve_reversal(2)).then_refused(AdjustmentRefusal::SecondPersonNeeded);
    asked.when(&approve_reversal(3)).then(&["reversed"]);
}

#[test]
fn an_opening_balance_goes_against_the_migration_alone() {
    let merchant = MerchantId::new(Uuid::from_u128(3));
    for (changed, refusal) in [
        (TakenOver { debit: Account::SuspenseMigration, ..opening() }, AdjustmentRefusal::AccountsEqual),
        (
            TakenOver { debit: Account::MerchantReserved(merchant), ..opening() },
            AdjustmentRefusal::ReservedMovesByPayouts,
        ),
        (TakenOver { credit: Account::Suspense, ..opening() }, AdjustmentRefusal::MigrationNotTouched),
        (TakenOver { amount: Money::new(0, Currency::USD), ..opening() }, AdjustmentRefusal::AmountNotPositive),
    ] {
        Told::untold().when(&take_over(changed)).then_refused(refusal);
    }
}

#[test]
fn settled_funds_are_told_of_an_opening_balance() {
    let merchant = MerchantId::new(Uuid::from_u128(3));
    let opening =
        TakenOver { debit: Account::SuspenseMigration, credit: Account::MerchantAvailable(merchant), ..opening() };
    let told = Told::untold().given(&take_over(opening));
    let moves = told.state.moves_of_funds();
    assert_eq!(moves, SettledFundsCommand::of_adjustment(true, told.history.last().unwrap()));
    let [SettledFundsCommand::Record { amount, .. }] = moves[..] else { unreachable!("{moves:?}") };
    assert_eq!(amount, Money::new(500, Currency::USD));
}
