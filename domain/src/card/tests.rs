//! Card numbers: found however they are written, and nothing else mistaken for one.

use proptest::prelude::*;

use super::*;

/// Test numbers, at least one for each line of brands.
const NUMBERS: &[&str] = &[
    "4222222222222",
    "4111111111111111",
    "4000000000000000006",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "343434343434343",
    "6011111111111117",
    "6445644564456445",
    "3530111333300000",
    "30569309025904",
    "36227206271667",
    "38520000023237",
    "6200000000000005",
    "5018000000000009",
    "5020000000000005",
    "5038000000000005",
    "6304000000000000",
    "6759649826438453",
];

#[test]
fn a_number_is_found_however_it_is_written() {
    for number in NUMBERS {
        assert!(is_card_number_in(number), "{number}");
        let grouped: Vec<&str> = (0..number.len()).step_by(4).map(|at| &number[at..number.len().min(at + 4)]).collect();
        for separator in [" ", "-", "  ", "\u{a0}", " - "] {
            assert!(is_card_number_in(&grouped.join(separator)), "{number} with {separator:?}");
        }
        assert!(is_card_number_in(&format!("pay 2 times with {number}, thank you")), "{number}");
        assert!(is_card_number_in(&format!("card:{number}/12-30")), "{number}");
        assert!(is_card_number_in(&format!("({})", grouped.join(" "))), "{number}");
    }
    assert!(is_card_number_in("order 7 4111 1111 1111 1111 12 30"));
    assert!(is_card_number_in("卡号4111111111111111谢谢"));
    assert!(is_card_number_in("card:4111 1111-1111 1111/12"));
    assert!(is_card_number_in("1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 4111 1111 1111 1111"));
    assert!(is_card_number_in("４１１１１１１１１１１１１１１１"));
    assert!(is_card_number_in("٤١١١١١١١١١١١١١١١"));
}

#[test]
fn what_only_looks_like_a_number_is_let_through() {
    for text in [
        "",
        "-",
        "4111111111111112",
        "ORDER4111111111111111",
        "4111111111111111A",
        "411111111111",
        "41111111111111111111",
        "9111111111111111",
        "+86 138 0013 8000",
        "2026-01-31 12:30:00",
        "0000000000000000",
        "3111111111111117",
        "4111. 1111 1111 1111",
    ] {
        assert!(!is_card_number_in(text), "{text}");
    }
}

proptest! {
    #![proptest_config(crate::cases::cases())]

    #[test]
    fn one_wrong_digit_is_no_card_number(at in 0_usize..NUMBERS.len(), place in 4_usize..13, change in 1_u32..10) {
        let mut digits: Vec<char> = NUMBERS[at].chars().collect();
        let changed = (digits[place].to_digit(10).unwrap() + change) % 10;
        digits[place] = char::from_digit(changed, 10).unwrap();
        prop_assert!(!is_card_number_in(&digits.into_iter().collect::<String>()));
    }

    #[test]
    fn any_text_is_looked_at_without_a_panic(text in ".{0,80}") {
        let found = is_card_number_in(&text);
        prop_assert!(!found || text.chars().filter_map(digit).count() >= 13);
    }
}
