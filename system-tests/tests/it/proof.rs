//! The table of rows in docs/proof.md says what the tests say of themselves.

use std::collections::BTreeSet;

use system_tests::proof::{self, ROWS};
use system_tests::tree::{Tree, root};

#[test]
fn the_table_of_rows_is_what_the_tests_say_they_cover() {
    let tree = Tree::read(&root()).unwrap();
    let covered = proof::covered(&tree).unwrap();
    assert_eq!(proof::contradictions(&covered), Vec::<String>::new());
    let renewed = proof::renewed(&tree, &covered).expect(proof::MARKERS_MISSING);
    assert!(tree.text(proof::DOCUMENT) == Some(&*renewed), "the rows in docs/proof.md are out of date: run make proof");
}

#[test]
fn every_row_is_there_once() {
    let ids: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), ROWS.len());
    let of = |letter: char| ROWS.iter().filter(|row| row.id.starts_with(letter)).count();
    let counts = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I'].map(of);
    assert_eq!(counts, [24, 17, 6, 20, 12, 9, 18, 10, 34]);
}

#[test]
fn a_test_that_is_not_there_covers_nothing_and_a_row_that_is_not_there_is_not_covered() {
    let of = |text: &str| proof::covered(&Tree::of(&[("a/tests.rs", text)]));
    let good = of("// covers A5, I7 at some level\n#[tokio::test]\nasync fn one_effect() {\n").unwrap();
    let named: Vec<&str> = good.keys().map(String::as_str).collect();
    assert_eq!((named, good["A5"][0].1.as_str()), (vec!["A5", "I7"], "one_effect"));
    for bad in ["// covers A5\n", "// covers A99\nfn x() {\n", "// covers everything\nfn x() {\n"] {
        assert!(of(bad).is_err(), "{bad}");
    }
    let wrong = of("// covers I5\nfn policies() {\n").unwrap();
    assert!(proof::contradictions(&wrong).iter().any(|told| told.starts_with("I5: a test covers it")));
}
