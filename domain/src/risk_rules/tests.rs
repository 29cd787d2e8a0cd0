//! Risk rules: published in versions, sound or refused; lists that fill up.

use uuid::Uuid;

use super::*;
use crate::{
    risk::{
        RiskDecision, Score,
        engine::assess,
        rule::{Condition, Place, Rule},
        tests::{facts, rule},
    },
    scenario::Story,
};

type Told = Story<RiskRules>;

fn by() -> OperatorId {
    OperatorId::new(Uuid::from_u128(1))
}

fn why() -> FreeText {
    FreeText::parse("seen in chargebacks").unwrap()
}

fn publish(rules: &RuleSet) -> RiskRulesCommand {
    RiskRulesCommand::Publish { rules: Box::new(rules.clone()), by: by(), reason: why() }
}

fn address(number: usize) -> Entry {
    Entry::Ip(format!("10.0.{}.{}", number / 256, number % 256).parse().unwrap())
}

fn block(entry: &Entry) -> RiskRulesCommand {
    RiskRulesCommand::Block { entry: entry.clone(), by: by(), reason: why() }
}

fn unblock(entry: &Entry) -> RiskRulesCommand {
    RiskRulesCommand::Unblock { entry: entry.clone(), by: by(), reason: why() }
}

fn allow(entry: &Entry) -> RiskRulesCommand {
    RiskRulesCommand::Allow { entry: entry.clone(), by: by(), reason: why() }
}

fn disallow(entry: &Entry) -> RiskRulesCommand {
    RiskRulesCommand::Disallow { entry: entry.clone(), by: by(), reason: why() }
}

fn with(more: Rule) -> RuleSet {
    let mut rules = RuleSet::by_default(true);
    rules.rules.push(more);
    rules
}

fn refused(rules: &RuleSet, refusal: RiskRulesRefusal) {
    Told::untold().when(&publish(rules)).then_refused(refusal);
}

fn refused_rule(json: &str, refusal: RiskRulesRefusal) {
    refused(&with(rule(json)), refusal);
}

#[test]
fn every_publication_that_differs_is_the_next_version() {
    let (live, test) = (RuleSet::by_default(true), RuleSet::by_default(false));
    let version = |told: &Told| told.state.rulebook(&live).version;
    let first = Told::untold().when(&publish(&live)).then(&["published"]);
    assert_eq!(version(&first), 1);
    let same = first.when(&publish(&live)).then_nothing();
    let second = same.when(&publish(&test)).then(&["published"]);
    assert_eq!(version(&second), 2);
    let third = second.when(&publish(&live)).then(&["published"]);
    assert_eq!((version(&third), third.state.rulebook(&test).rules), (3, &live));
}

#[test]
fn until_rules_are_published_those_of_the_mode_decide_as_version_0() {
    let rules = RuleSet::by_default(true);
    let told = Told::untold().given(&block(&Entry::Country("AQ".parse().unwrap())));
    let mut facts = facts();
    assert_eq!(assess(&told.state.rulebook(&rules), &facts).decision, RiskDecision::Approve);
    facts.payer.card_country = "AQ".parse().ok();
    let rejected = assess(&told.state.rulebook(&rules), &facts);
    assert_eq!((rejected.decision, rejected.rules_version), (RiskDecision::Reject, 0));
}

#[test]
fn entries_come_and_go_and_the_blocklist_stands_above() {
    let entry = address(1);
    let blocked = Told::untold().when(&block(&entry)).then(&["blocked"]);
    blocked.clone().when(&allow(&entry)).then_refused(RiskRulesRefusal::EntryBlocked);
    let free = blocked.when(&unblock(&entry)).then(&["unblocked"]).when(&unblock(&entry)).then_nothing();
    let allowed = free.when(&allow(&entry)).then(&["allowed"]);
    // Who blocks in a hurry takes nothing off another list first.
    let both = allowed.when(&block(&entry)).then(&["blocked"]);
    let by_default = RuleSet::by_default(true);
    let book = both.state.rulebook(&by_default);
    assert!(book.blocked.contains(&entry) && book.allowed.contains(&entry));
    both.when(&disallow(&entry)).then(&["disallowed"]).when(&disallow(&entry)).then_nothing();
}

#[test]
fn a_list_has_an_end() {
    let full: BTreeSet<Entry> = (0..RiskRules::ENTRIES_MAX).map(address).collect();
    let state = RiskRules { blocked: full.clone(), allowed: full, ..RiskRules::default() };
    let more = address(RiskRules::ENTRIES_MAX);
    assert_eq!(state.decide(&block(&more)), Err(RiskRulesRefusal::ListFull));
    assert_eq!(state.decide(&allow(&more)), Err(RiskRulesRefusal::ListFull));
    assert_eq!(state.decide(&block(&address(0))), Ok(Vec::new()));
    let mut room = state;
    for event in room.decide(&unblock(&address(0))).unwrap() {
        room.apply(&event);
    }
    assert_eq!(room.decide(&block(&more)).map(|events| events.len()), Ok(1));
}

#[test]
fn rules_have_an_end_and_ids_of_their_own() {
    let numbered = |number: usize| rule(&format!(r#"{{"id":"r{number}","score":1,"when":"blocked"}}"#));
    let allowed = rule(r#"{"id":"allowlist","score":0,"when":"allowed"}"#);
    let of = |count: usize| {
        let rules = std::iter::once(allowed.clone()).chain((1..count).map(numbered)).collect();
        RuleSet { rules, ..RuleSet::by_default(true) }
    };
    assert_eq!(check(&of(200)), Ok(()));
    refused(&of(201), RiskRulesRefusal::RulesTooMany);
    refused_rule(r#"{"id":"night","score":1,"when":"blocked"}"#, RiskRulesRefusal::RuleIdRepeated);
}

#[test]
fn review_begins_no_later_than_rejection() {
    let of = |review: u8, reject: u8| {
        let (review_at, reject_at) = (Score::new(review).unwrap(), Score::new(reject).unwrap());
        RuleSet { review_at, reject_at, ..RuleSet::by_default(true) }
    };
    assert_eq!(check(&of(60, 60)), Ok(()));
    refused(&of(61, 60), RiskRulesRefusal::ThresholdsCrossed);
}

#[test]
fn a_rule_that_can_never_fire_or_always_would_is_refused() {
    for when in [
        r#"{"amount_above":{"amounts_minor":{}}}"#,
        r#"{"sum_above":{"per":"ip","window":"1h","amounts_minor":{}}}"#,
        r#"{"new_merchant":{"younger_than_days":1,"amounts_minor":{}}}"#,
        r#"{"country_in":{"place":"ip","countries":[]}}"#,
        r#"{"method_token":{"tokens":[]}}"#,
        r#"{"channel_in":{"channels":[]}}"#,
        r#"{"standing_in":{"standings":[]}}"#,
    ] {
        refused_rule(&format!(r#"{{"id":"x","score":1,"when":{when}}}"#), RiskRulesRefusal::RuleNamesNothing);
    }
    let mismatch = Condition::CountryMismatch { one: Place::Ip, other: Place::Ip };
    let same = Rule { when: mismatch, ..rule(r#"{"id":"x","score":1,"when":"blocked"}"#) };
    refused(&with(same), RiskRulesRefusal::PlacesEqual);
    for (from, until, sound) in [(0, 23, true), (23, 0, true), (5, 5, false), (24, 1, false), (1, 24, false)] {
        let when = format!(r#"{{"night_hours":{{"from_hour":{from},"until_hour":{until}}}}}"#);
        let night = rule(&format!(r#"{{"id":"x","score":1,"when":{when}}}"#));
        let refusal = if sound { Ok(()) } else { Err(RiskRulesRefusal::HoursMalformed) };
        assert_eq!(check(&with(night)), refusal, "{from} {until}");
    }
}

#[test]
fn thresholds_and_tokens_are_within_bounds() {
    for (minor, refusal) in [(0, Ok(())), (-1, Err(RiskRulesRefusal::ThresholdNegative))] {
        let when = format!(r#"{{"amount_above":{{"amounts_minor":{{"EUR":1,"USD":{minor}}}}}}}"#);
        assert_eq!(check(&with(rule(&format!(r#"{{"id":"x","score":1,"when":{when}}}"#)))), refusal);
    }
    for (count, refusal) in [(100, Ok(())), (101, Err(RiskRulesRefusal::TokensTooMany))] {
        let tokens = (0..count).map(|number| format!("pm_sandbox_t{number}").parse().unwrap()).collect();
        let named =
            Rule { when: Condition::MethodToken { tokens }, ..rule(r#"{"id":"x","score":1,"when":"blocked"}"#) };
        assert_eq!(check(&with(named)), refusal);
    }
}

#[test]
fn a_list_decides_as_its_name_says_and_is_never_passed_over() {
    let limit = r#"{"limit_exceeded":{"period":"day"}}"#;
    for (decision, when, sound) in [
        ("approve", r#""blocked""#, false),
        ("review", r#""blocked""#, true),
        ("approve", r#""allowed""#, true),
        ("review", r#""allowed""#, false),
        ("reject", r#""allowed""#, false),
        ("approve", limit, false),
        ("review", limit, true),
        ("approve", r#"{"counters_older_than":{"seconds":1}}"#, true),
    ] {
        let decided = rule(&format!(r#"{{"id":"x","score":1,"decision":"{decision}","when":{when}}}"#));
        let refusal = if sound { Ok(()) } else { Err(RiskRulesRefusal::DecisionContradictsRule) };
        assert_eq!(check(&with(decided)), refusal, "{decision} {when}");
    }
    for list in [Condition::Blocked, Condition::Allowed] {
        let mut rules = RuleSet::by_default(true);
        rules.rules.retain(|rule| rule.when != list);
        refused(&rules, RiskRulesRefusal::ListsPassedOver);
    }
}

#[test]
fn the_default_rules_are_sound() {
    for livemode in [false, true] {
        assert_eq!(check(&RuleSet::by_default(livemode)), Ok(()));
    }
}

#[test]
fn a_review_takes_some_time_and_no_more_than_a_month() {
    use crate::risk::rule_set::{ReviewPolicy, Unreviewed};
    let lasting = |within_seconds| {
        let review = Some(ReviewPolicy { within_seconds, then: Unreviewed::Reject });
        RuleSet { review, ..RuleSet::by_default(true) }
    };
    for wrong in [0, ReviewPolicy::WITHIN_SECONDS_MAX + 1] {
        refused(&lasting(wrong), RiskRulesRefusal::ReviewPeriodMalformed);
    }
    for right in [1, ReviewPolicy::WITHIN_SECONDS_MAX] {
        Told::untold().when(&publish(&lasting(right))).then(&["published"]);
    }
    assert_eq!(RuleSet::by_default(true).review_policy().within_seconds, 86_400);
    assert_eq!(RuleSet::by_default(true).review_policy().then, Unreviewed::CallSomebody);
}

#[test]
fn an_address_is_found_on_either_list_the_narrowest_entry_first() {
    let entry = |text: &str| Entry::Ip(text.parse().unwrap());
    let told = Told::untold()
        .given(&block(&entry("192.0.2.0/24")))
        .given(&allow(&entry("192.0.2.7")))
        .given(&block(&entry("198.51.100.0/24")));
    let listed = |address: &str| {
        let networks = told.state.listed(address.parse().unwrap());
        networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listed("192.0.2.7"), ["192.0.2.7", "192.0.2.0/24"]);
    assert_eq!(listed("::ffff:192.0.2.8"), ["192.0.2.0/24"]);
    assert_eq!(listed("203.0.113.1"), [""; 0]);
}
