//! Each kind of rule: fires just beyond its edge, never on what is not known.

use std::collections::BTreeMap;

use super::*;

/// Whether a rule of this condition fires, and what it says it saw against what.
fn look(when: &str, facts: &Facts) -> (bool, String, String) {
    let set = rules(vec![rule(&format!(r#"{{"id":"x","score":10,"when":{when}}}"#))]);
    let told = judged(&set, facts);
    let finding = told.findings[0].clone();
    assert_eq!(finding.fired, told.assessment.reasons == ["x"]);
    (finding.fired, finding.saw, finding.against)
}

fn fires(when: &str, facts: &Facts) -> bool {
    look(when, facts).0
}

fn said(fired: bool, saw: &str, against: &str) -> (bool, String, String) {
    (fired, saw.to_owned(), against.to_owned())
}

fn paying(payer: Payer) -> Facts {
    Facts { payer, ..facts() }
}

#[test]
fn an_amount_fires_above_its_threshold_in_its_currency() {
    let when = r#"{"amount_above":{"amounts_minor":{"USD":10000}}}"#;
    assert_eq!(look(when, &facts()), said(false, "100.00 USD", "more than 100.00 USD"));
    assert_eq!(look(when, &Facts { amount: usd(10_001), ..facts() }), said(true, "100.01 USD", "more than 100.00 USD"));
    let euros = Facts { amount: Money::new(i64::MAX, Currency::EUR), ..facts() };
    assert_eq!(look(when, &euros).2, "no limit in EUR");
    assert!(!fires(when, &euros));
}

#[test]
fn a_count_takes_in_this_payment_and_fires_above_the_most() {
    let when = r#"{"count_above":{"per":"card_token","window":"1h","count":3}}"#;
    let counted = |count| Facts {
        counters: Counters {
            velocity: [((Per::CardToken, Window::Hour), tally(count, 0)), ((Per::Ip, Window::Hour), tally(99, 0))]
                .into(),
            ..Counters::default()
        },
        ..paying(Payer { card_token: Some(index('a')), ..Payer::default() })
    };
    assert_eq!(look(when, &counted(2)), said(false, "3", "more than 3"));
    assert_eq!(look(when, &counted(3)), said(true, "4", "more than 3"));
    assert!(fires(when, &counted(u64::MAX)));
    // Another window and another counter say nothing.
    assert!(!fires(r#"{"count_above":{"per":"card_token","window":"24h","count":3}}"#, &counted(99)));
    // Nobody is counted where nobody is known.
    let stranger = Facts { payer: Payer::default(), ..counted(99) };
    assert_eq!(look(when, &stranger), said(false, "not known", "more than 3"));
    // What was never counted is nothing, and this payment is one.
    let first = Facts { counters: Counters::default(), ..counted(0) };
    assert_eq!(look(when, &first).1, "1");
}

#[test]
fn every_counter_is_kept_by_whom_it_counts() {
    let known = Payer {
        customer: Some(index('a')),
        card_token: Some(index('b')),
        ip_country: "DE".parse().ok(),
        ..at_address("192.0.2.7")
    };
    let all = [
        (Per::Merchant, "merchant"),
        (Per::Customer, "customer"),
        (Per::CardToken, "card_token"),
        (Per::Ip, "ip"),
        (Per::Country, "country"),
    ];
    let windows = [(Window::Minute, "1m"), (Window::Hour, "1h"), (Window::Day, "24h"), (Window::Week, "7d")];
    for (per, per_name) in all {
        for (window, window_name) in windows {
            let when = format!(r#"{{"count_above":{{"per":"{per_name}","window":"{window_name}","count":1}}}}"#);
            let velocity = BTreeMap::from([((per, window), tally(1, 0))]);
            let counters = Counters { velocity, ..Counters::default() };
            let facts = Facts { counters, ..paying(known.clone()) };
            assert!(fires(&when, &facts), "{when}");
            assert_eq!(fires(&when, &Facts { payer: Payer::default(), ..facts }), per == Per::Merchant, "{when}");
        }
    }
}

#[test]
fn a_sum_takes_in_this_payment_and_says_what_it_is_true_at() {
    let when = r#"{"sum_above":{"per":"merchant","window":"24h","amounts_minor":{"USD":50000}}}"#;
    let summed = |minor| Facts {
        counters: Counters {
            velocity: [((Per::Merchant, Window::Day), tally(9, minor))].into(),
            ..Counters::default()
        },
        ..facts()
    };
    assert_eq!(look(when, &summed(40_000)), said(false, "500.00 USD", "more than 500.00 USD"));
    assert_eq!(look(when, &summed(40_001)), said(true, "500.01 USD", "more than 500.00 USD"));
    assert_eq!(look(when, &summed(i128::MAX)).1, format!("{} minor units of USD", i128::MAX));
    assert!(!fires(when, &Facts { amount: Money::new(1, Currency::EUR), ..summed(40_001) }));
    let set = rules(vec![rule(&format!(r#"{{"id":"x","score":10,"when":{when}}}"#))]);
    assert_eq!(judged(&set, &summed(0)).findings[0].as_of, Some(as_of(1)));
    assert_eq!(judged(&set, &facts()).findings[0].as_of, None);
}

#[test]
fn each_kind_of_entry_blocks_what_it_names_and_nothing_else() {
    let set = rules(vec![rule(r#"{"id":"x","score":10,"when":"blocked"}"#)]);
    let (customer, card) = (index('a'), index('b'));
    let country = |code: &str| code.parse().ok();
    let payer = || Payer {
        customer: Some(customer.clone()),
        card_token: Some(card.clone()),
        ip_country: country("DE"),
        card_country: country("FR"),
        customer_country: country("IT"),
        ..at_address("192.0.2.7")
    };
    let merchant = "MER0000000000000000000000000000000";
    for (listed, blocks) in [
        (format!(r#"{{"merchant":"{merchant}1"}}"#), true),
        (format!(r#"{{"merchant":"{merchant}2"}}"#), false),
        (format!(r#"{{"customer":"{customer}"}}"#), true),
        (format!(r#"{{"customer":"{card}"}}"#), false),
        (format!(r#"{{"card_token":"{card}"}}"#), true),
        (format!(r#"{{"card_token":"{customer}"}}"#), false),
        (r#"{"ip":"192.0.2.7"}"#.to_owned(), true),
        (r#"{"ip":"192.0.0.0/16"}"#.to_owned(), true),
        (r#"{"ip":"192.0.3.0/24"}"#.to_owned(), false),
        (r#"{"country":"DE"}"#.to_owned(), true),
        (r#"{"country":"FR"}"#.to_owned(), true),
        (r#"{"country":"IT"}"#.to_owned(), true),
        (r#"{"country":"ES"}"#.to_owned(), false),
    ] {
        let told = judged_by_lists(&set, &paying(payer()), &[&listed], &[]);
        assert_eq!(told.findings[0].fired, blocks, "{listed}");
        let saw = if blocks { entry(&listed).to_string() } else { "not listed".to_owned() };
        assert_eq!((told.findings[0].saw.as_str(), told.findings[0].against.as_str()), (saw.as_str(), "the blocklist"));
    }
}

#[test]
fn a_country_speaks_for_a_payment_if_no_other_is_known_of_it() {
    let set = rules(vec![rule(r#"{"id":"x","score":0,"when":"allowed"}"#)]);
    let fired = |ip_country: &str, card_country: &str| {
        let (ip_country, card_country) = (ip_country.parse().ok(), card_country.parse().ok());
        let facts = paying(Payer { ip_country, card_country, ..Payer::default() });
        judged_by_lists(&set, &facts, &[], &[r#"{"country":"DE"}"#]).findings[0].fired
    };
    assert!(fired("DE", "") && fired("", "DE") && fired("DE", "DE"));
    assert!(!fired("DE", "FR") && !fired("", "") && !fired("FR", "FR"));
}

#[test]
fn countries_mismatch_where_both_are_known() {
    let when = r#"{"country_mismatch":{"one":"ip","other":"card"}}"#;
    let of = |ip_country: &str, card_country: &str| {
        let (ip_country, card_country) = (ip_country.parse().ok(), card_country.parse().ok());
        let customer_country = "JP".parse().ok();
        paying(Payer { ip_country, card_country, customer_country, ..Payer::default() })
    };
    assert_eq!(look(when, &of("DE", "FR")), said(true, "DE and FR", "the same country twice"));
    assert!(!fires(when, &of("DE", "DE")) && !fires(when, &of("", "DE")) && !fires(when, &of("DE", "")));
    assert!(fires(r#"{"country_mismatch":{"one":"customer","other":"card"}}"#, &of("", "FR")));
}

#[test]
fn a_country_is_looked_for_where_the_rule_says() {
    let when = r#"{"country_in":{"place":"card","countries":["AQ","FR"]}}"#;
    let of = |card_country: &str| {
        let (ip_country, card_country) = ("AQ".parse().ok(), card_country.parse().ok());
        paying(Payer { ip_country, card_country, ..Payer::default() })
    };
    assert_eq!(look(when, &of("FR")), said(true, "FR", "one of AQ FR"));
    assert_eq!(look(when, &of("DE")), said(false, "DE", "one of AQ FR"));
    assert_eq!(look(when, &of("")), said(false, "not known", "one of AQ FR"));
}

#[test]
fn a_night_begins_with_its_first_hour_and_ends_before_its_last() {
    let night = |when: &str| {
        let at = |local_hour| Facts { merchant: MerchantFacts { local_hour, ..facts().merchant }, ..facts() };
        assert!(!fires(when, &at(None)), "{when}");
        (0..24).filter(|hour| fires(when, &at(Some(*hour)))).collect::<Vec<u8>>()
    };
    assert_eq!(night(r#"{"night_hours":{"from_hour":1,"until_hour":5}}"#), [1, 2, 3, 4]);
    assert_eq!(night(r#"{"night_hours":{"from_hour":22,"until_hour":2}}"#), [0, 1, 22, 23]);
    assert_eq!(night(r#"{"night_hours":{"from_hour":23,"until_hour":0}}"#), [23]);
}

#[test]
fn a_new_merchant_fires_only_with_much_money() {
    let when = r#"{"new_merchant":{"younger_than_days":30,"amounts_minor":{"USD":9999}}}"#;
    let of = |age_days| Facts { merchant: MerchantFacts { age_days, ..facts().merchant }, ..facts() };
    let against = "fewer than 30 days and more than 99.99 USD";
    assert_eq!(look(when, &of(29)), said(true, "29 days and 100.00 USD", against));
    assert!(!fires(when, &of(30)) && !fires(when, &Facts { amount: usd(9_999), ..of(0) }));
}

#[test]
fn a_token_of_the_sandbox_fires_as_it_is_written() {
    let when = r#"{"method_token":{"tokens":["pm_sandbox_blocked_by_risk"]}}"#;
    let of = |token: &str| paying(Payer { sandbox_token: token.parse().ok(), ..Payer::default() });
    assert!(fires(when, &of("pm_sandbox_blocked_by_risk")));
    assert_eq!(look(when, &of("pm_sandbox_visa")).1, "pm_sandbox_visa");
    assert!(!fires(when, &of("pm_sandbox_visa")) && !fires(when, &of("")));
    // No card of anybody's may be named in a rule.
    for token in ["pm_1NXWPnCZ6qsJ", "pm_sandbox_", "4242424242424242", "pm_sandbox_Visa", "pm_sandbox_4242"] {
        let json = format!(r#"{{"id":"x","score":1,"when":{{"method_token":{{"tokens":["{token}"]}}}}}}"#);
        assert!(serde_json::from_str::<Rule>(&json).is_err(), "{token}");
    }
}

#[test]
fn a_limit_is_what_was_agreed_for_the_day_and_the_month() {
    let of = |day_minor, month_minor, per_day_minor, per_month_minor| {
        let limits = Limits { per_payment_minor: None, per_day_minor, per_month_minor };
        let periods = [(Period::Day, tally(1, day_minor)), (Period::Month, tally(1, month_minor))].into();
        let counters = Counters { periods, ..Counters::default() };
        Facts { merchant: MerchantFacts { limits, ..facts().merchant }, counters, ..facts() }
    };
    let (day, month) = (r#"{"limit_exceeded":{"period":"day"}}"#, r#"{"limit_exceeded":{"period":"month"}}"#);
    let reached = of(90_000, 190_000, Some(100_000), Some(200_000));
    assert_eq!(look(day, &reached), said(false, "1000.00 USD", "more than 1000.00 USD"));
    assert_eq!(look(month, &reached), said(false, "2000.00 USD", "more than 2000.00 USD"));
    let beyond = of(90_001, 190_001, Some(100_000), Some(200_000));
    assert!(fires(day, &beyond) && fires(month, &beyond));
    assert_eq!(look(day, &of(i128::MAX, 0, None, None)).2, "no limit in USD");
    assert!(!fires(day, &of(i128::MAX, 0, None, None)) && !fires(month, &of(0, i128::MAX, Some(0), None)));
    // Without a counter the payment is held against the limit by itself.
    let uncounted = |day| Facts { counters: Counters::default(), ..of(0, 0, Some(day), None) };
    assert!(fires(day, &uncounted(9_999)) && !fires(day, &uncounted(10_000)));
}

#[test]
fn a_channel_and_a_standing_fire_when_they_are_named() {
    let crypto = r#"{"channel_in":{"channels":["crypto"]}}"#;
    assert_eq!(look(crypto, &facts()), said(false, "stripe", "one of crypto"));
    assert!(fires(crypto, &Facts { channel: Channel::Crypto, ..facts() }));
    let registered = r#"{"standing_in":{"standings":["registered","suspended"]}}"#;
    assert_eq!(look(registered, &facts()), said(false, "active", "one of registered suspended"));
    for (standing, fired) in [(Standing::Registered, true), (Standing::Suspended, true), (Standing::Closed, false)] {
        let facts = Facts { merchant: MerchantFacts { standing, ..facts().merchant }, ..facts() };
        assert_eq!(fires(registered, &facts), fired, "{standing:?}");
    }
}

#[test]
fn counters_are_late_when_the_oldest_of_them_is() {
    let when = r#"{"counters_older_than":{"seconds":300}}"#;
    let of = |velocity_ago, period_ago| {
        let tally = |seconds| Tally { as_of: as_of(seconds), ..tally(1, 1) };
        let velocity = [((Per::Merchant, Window::Hour), tally(velocity_ago))].into();
        Facts { counters: Counters { velocity, periods: [(Period::Day, tally(period_ago))].into() }, ..facts() }
    };
    assert_eq!(look(when, &of(300, 1)), said(false, "300 seconds", "more than 300 seconds"));
    assert!(fires(when, &of(301, 1)) && fires(when, &of(1, 301)) && !fires(when, &of(-5, -5)));
    assert_eq!(look(when, &facts()), said(false, "not known", "more than 300 seconds"));
}
