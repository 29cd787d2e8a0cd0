//! Postings: what does not balance cannot be built, what is moved always balances.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{channel::Channel, currency::Currency, id::MerchantId};

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn line(account: Account, side: Side, amount_minor: i64) -> Line {
    Line { account, side, money: Money::new(amount_minor, Currency::USD) }
}

fn accounts() -> Vec<Account> {
    let merchant = MerchantId::new(Uuid::from_u128(1));
    vec![
        Account::Bank,
        Account::ChannelReceivable(Channel::Stripe),
        Account::MerchantPending(merchant),
        Account::MerchantAvailable(merchant),
        Account::FeesRevenue,
        Account::Suspense,
    ]
}

fn movements() -> impl Strategy<Value = Vec<Movement>> {
    let account = || prop::sample::select(accounts());
    let amount = prop_oneof![any::<i64>(), -100_i64..100, prop::sample::select(vec![i64::MIN, 0, i64::MAX])];
    let currency = prop::sample::select(vec![Currency::USD, Currency::EUR]);
    let movement = (account(), account(), amount, currency).prop_map(|(debit, credit, amount, currency)| Movement {
        debit,
        credit,
        money: Money::new(amount, currency),
    });
    prop::collection::vec(movement, 0..6)
}

#[test]
fn balanced_lines_become_a_posting() {
    let lines = vec![line(Account::Bank, Side::Debit, 5), line(Account::Suspense, Side::Credit, 5)];
    let posting = Posting::balanced(at(), lines.clone()).unwrap();
    assert_eq!(posting.lines(), lines);
    assert_eq!(posting.effective_at(), Some(at()));
    assert_eq!(posting.reverses(), None);
    assert!(!posting.moves_no_money());
}

#[test]
fn unbalanced_lines_are_refused() {
    let short = vec![line(Account::Bank, Side::Debit, 5), line(Account::Suspense, Side::Credit, 4)];
    assert_eq!(Posting::balanced(at(), short), Err(PostingRefusal::PostingUnbalanced));
    let euro = Line { money: Money::new(5, Currency::EUR), ..line(Account::Suspense, Side::Credit, 5) };
    let mixed = vec![line(Account::Bank, Side::Debit, 5), euro];
    assert_eq!(Posting::balanced(at(), mixed), Err(PostingRefusal::PostingUnbalanced));
}

#[test]
fn a_line_that_is_not_positive_is_refused() {
    for amount in [0, -5] {
        let lines = vec![line(Account::Bank, Side::Debit, amount), line(Account::Suspense, Side::Credit, amount)];
        assert_eq!(Posting::balanced(at(), lines), Err(PostingRefusal::LineNotPositive));
    }
}

#[test]
fn nothing_moves_nothing() {
    assert!(Posting::none().moves_no_money());
    assert_eq!(Posting::none().effective_at(), None);
    let money = Money::new(0, Currency::USD);
    let nowhere = Movement { debit: Account::Bank, credit: Account::Suspense, money };
    assert!(Posting::moving(at(), &[nowhere]).moves_no_money());
}

#[test]
fn lines_of_one_account_and_side_become_one() {
    let to = |credit, amount| Movement { debit: Account::Bank, credit, money: Money::new(amount, Currency::USD) };
    let posting = Posting::moving(at(), &[to(Account::Suspense, 97), to(Account::FeesRevenue, 3)]);
    assert_eq!(
        posting.lines(),
        [
            line(Account::Bank, Side::Debit, 100),
            line(Account::Suspense, Side::Credit, 97),
            line(Account::FeesRevenue, Side::Credit, 3),
        ]
    );
}

#[test]
fn a_negative_amount_goes_the_other_way() {
    let money = Money::new(-7, Currency::USD);
    let back = Movement { debit: Account::Bank, credit: Account::Suspense, money };
    assert_eq!(
        Posting::moving(at(), &[back]).lines(),
        [line(Account::Suspense, Side::Debit, 7), line(Account::Bank, Side::Credit, 7)]
    );
}

proptest! {
    #![proptest_config(crate::cases::cases())]

    #[test]
    fn movements_always_balance_and_every_line_is_positive(movements in movements()) {
        let posting = Posting::moving(at(), &movements);
        prop_assert!(sum(posting.lines()).are_zero());
        prop_assert!(Posting::balanced(at(), posting.lines().to_vec()).is_ok());
    }

    #[test]
    fn a_reversal_takes_back_every_line(movements in movements()) {
        let posting = Posting::moving(at(), &movements);
        let reversed = AdjustmentId::new(Uuid::from_u128(9));
        let back = posting.clone().reversing(reversed);
        prop_assert_eq!(back.reverses(), Some(Reversed::Adjustment(reversed)));
        prop_assert_eq!(back.lines().len(), posting.lines().len());
        for (line, opposite) in posting.lines().iter().zip(back.lines()) {
            prop_assert_eq!((line.account, line.money), (opposite.account, opposite.money));
            prop_assert_eq!(line.side.opposite(), opposite.side);
        }
    }

    #[test]
    fn lines_that_do_not_balance_are_never_a_posting(amounts in prop::collection::vec((1_i64..1000, any::<bool>()), 1..6)) {
        let side = |debit| if debit { Side::Debit } else { Side::Credit };
        let lines: Vec<Line> = amounts.iter().map(|(n, debit)| line(Account::Bank, side(*debit), *n)).collect();
        let debits: i64 = amounts.iter().filter(|(_, debit)| *debit).map(|(n, _)| n).sum();
        let credits: i64 = amounts.iter().filter(|(_, debit)| !*debit).map(|(n, _)| n).sum();
        prop_assert_eq!(Posting::balanced(at(), lines).is_ok(), debits == credits);
    }
}
