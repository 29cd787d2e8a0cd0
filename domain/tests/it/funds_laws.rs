//! What holds between streams: settled funds, settlements and the books tell one story.

use std::collections::BTreeSet;

use domain::{account::Account, currency::Currency, settlement::Settlement};
use proptest::prelude::*;

use crate::{
    cases::cases,
    world::{Act, World, acts, merchant},
};

/// Every stream played, and what was told on the way.
fn played(acts: &[Act], tell_late: bool) -> World {
    let mut world = World::new(tell_late);
    acts.iter().for_each(|act| world.play(act));
    world
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn settled_funds_have_available_and_reserved_what_the_books_have(acts in acts()) {
        let mut world = World::new(false);
        for act in &acts {
            world.play(act);
            for number in 1..=2 {
                let merchant = merchant(number);
                let (available, reserved) = world.funds_of(number);
                prop_assert_eq!(available, world.books.balance(Account::MerchantAvailable(merchant), Currency::USD), "{:?}", act);
                prop_assert_eq!(reserved, world.books.balance(Account::MerchantReserved(merchant), Currency::USD), "{:?}", act);
            }
        }
    }

    #[test]
    fn funds_told_late_and_twice_come_to_the_same(acts in acts()) {
        let mut world = played(&acts, true);
        let on_the_way = world.untold_minor(1);
        let booked = world.books.balance(Account::MerchantAvailable(merchant(1)), Currency::USD);
        prop_assert_eq!(world.funds_of(1).0 + on_the_way, booked);
        world.tell_all();
        world.tell_all_again();
        prop_assert_eq!(world.funds_of(1).0, booked);
    }

    #[test]
    fn settlements_owe_what_the_funds_have_and_no_line_counts_twice(acts in acts()) {
        let world = played(&acts, false);
        let (available, reserved) = world.funds_of(1);
        let owed: i128 = world.settlements.iter().filter_map(Settlement::owed).map(|owed| i128::from(owed.amount_minor)).sum();
        prop_assert_eq!(owed + world.not_included_minor() + world.carried_on_the_way_minor(), available + reserved);
    }

    #[test]
    fn whatever_happened_all_settles_in_the_end_and_nothing_is_stranded(acts in acts(), tell_late in any::<bool>()) {
        let mut world = played(&acts, tell_late);
        world.end();
        prop_assert_eq!(world.stranded(), Vec::<String>::new());
        prop_assert_eq!(world.funds_of(1), (world.left_for_next_month(), 0));
    }
}

/// Laws over histories that never get anywhere would hold of anything.
#[test]
fn histories_reach_what_the_laws_are_about() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..1_500 {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        reached.extend(played(&acts, false).reached);
    }
    let kinds = [
        "payment.settled",
        "payment.refund_confirmed",
        "payment.refund_bounced",
        "payment.disputed",
        "payment.dispute_closed",
        "adjustment.approved",
        "adjustment.reversed",
        "settled_funds.credited",
        "settled_funds.debited",
        "settled_funds.entry_assigned",
        "settled_funds.payout_reserved",
        "settled_funds.payout_confirmed",
        "settled_funds.payout_released",
        "settled_funds.payout_confirmed_late",
        "settled_funds.payout_returned",
        "settlement.payment_included",
        "settlement.entry_included",
        "settlement.carry_over_included",
        "settlement.paid_out",
        "settlement.payout_failed",
        "settlement.payout_returned",
        "settlement.reopened",
        "settlement.carried_over",
    ];
    for kind in kinds {
        assert!(reached.contains(kind), "{kind} was never reached: {reached:?}");
    }
}
