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

/// One at least of every kind: spaces, dashes, what has no width, and several of them.
const SEPARATORS: &[&str] = &[
    " ",
    "-",
    "  ",
    " - ",
    "\t",
    "\u{a0}",
    "\u{1680}",
    "\u{2000}",
    "\u{2009}",
    "\u{202f}",
    "\u{205f}",
    "\u{3000}",
    "\u{2010}",
    "\u{2013}",
    "\u{2014}",
    "\u{2015}",
    "\u{2212}",
    "\u{2e3a}",
    "\u{30fc}",
    "\u{fe63}",
    "\u{ff0d}",
    "\u{ad}",
    "\u{180e}",
    "\u{200b}",
    "\u{200d}",
    "\u{200e}",
    "\u{202c}",
    "\u{2060}",
    "\u{2066}",
    "\u{fe0f}",
    "\u{feff}",
    "\u{e0020}",
    " \u{200b}\u{2014}\u{feff} ",
];

#[test]
fn a_number_is_found_however_it_is_written() {
    for number in NUMBERS {
        assert!(is_card_number_in(number), "{number}");
        let grouped: Vec<&str> = (0..number.len()).step_by(4).map(|at| &number[at..number.len().min(at + 4)]).collect();
        for separator in SEPARATORS {
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
        "4111\n1111\n1111\n1111",
    ] {
        assert!(!is_card_number_in(text), "{text}");
    }
}

proptest! {
    #![proptest_config(crate::cases::cases())]

    #[test]
    fn what_is_not_seen_hides_no_number(at in 0_usize..NUMBERS.len(), hidden in prop::collection::vec(0_usize..SEPARATORS.len(), 20)) {
        let digits = NUMBERS[at].chars().zip(hidden);
        let text: String = digits.map(|(digit, hidden)| format!("{digit}{}", SEPARATORS[hidden])).collect();
        prop_assert!(is_card_number_in(&text), "{text:?}");
    }

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
