//! The demo and the load, as anybody would start them: what they say and refuse.

use crate::server::Home;

#[test]
fn the_demo_ends_with_books_that_balance_and_a_log_that_is_as_it_was_signed() {
    let home = Home::new();
    let (said, code) = home.say(&["demo", "--payments", "400", "--rate", "80"]);
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "400 payments in ",
        "the books balance, to the minor unit",
        "the witness: well: ",
        "refunds of more than was paid refused",
        " paid out\n",
        "partially_refunded",
        "owed to merchants: available",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    // No terminal is there: how it goes is told in lines.
    assert!(said.contains("/400 payments ("), "{said}");
    for wrong in ["NOT TAKEN", "NOT BALANCE", "not in time", "NOT paid out"] {
        assert!(!said.contains(wrong), "{said}");
    }
}

#[test]
fn load_is_sent_at_its_rate_and_nowhere_it_should_not_go() {
    let home = Home::new();
    let server = home.serve();
    let load = |more: &[&str]| home.say(&[&["load", "--address", &server.listen][..], more].concat());
    let (said, code) = load(&["--rate", "50", "--seconds", "2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("due         100\ntaken       100 ("), "{said}");
    assert!(said.contains("p99.9"), "{said}");
    // What is refused is counted, and ends it with 1.
    let (said, code) = load(&["--rate", "10", "--seconds", "1", "--currency", "XTS"]);
    assert!(code == Some(1) && said.contains("status 422  10"), "{said}");
    for (arguments, refusal) in [
        (&["--address", "192.0.2.1:40003"][..], "is another machine"),
        (&["--address", "https://127.0.0.1:40003"], "it speaks plain HTTP"),
        (&["--api-key", "dbk_live_x", "--signing-secret", "x"], "this key may take real money"),
        // A key of a platform before says nothing of its mode.
        (&["--api-key", "pk_17", "--signing-secret", "x"], "this key may take real money"),
    ] {
        let (said, code) = home.say(&[&["load"][..], arguments].concat());
        assert!(code == Some(1) && said.contains(refusal), "{said}");
    }
    // A ledger that holds something is none for a demo.
    let (url, _code) = home.say(&["postgres", "url"]);
    let mut demo = home.daybook(&["demo"]);
    let output = demo.env("DATABASE_URL", url.trim()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success() && said.contains("a demo needs one that holds none"), "{said}");
}
