//! Which word counts: a list's, a limit's, a rule's own or the score's.

use super::*;

const BLOCKED: &str = r#"{"id":"blocklist","score":0,"when":"blocked"}"#;
const ALLOWED: &str = r#"{"id":"allowlist","score":0,"when":"allowed"}"#;
const DAY: &str = r#"{"id":"day","score":0,"when":{"limit_exceeded":{"period":"day"}}}"#;
const ENTRY: &str = r#"{"merchant":"MER00000000000000000000000000000001"}"#;

/// A rule that fires, with a score and perhaps a decision.
fn fired(id: &str, score: u8, decision: &str) -> Rule {
    let decision = if decision.is_empty() { String::new() } else { format!(r#""decision":"{decision}","#) };
    rule(&format!(r#"{{"id":"{id}","score":{score},{decision}"when":{{"channel_in":{{"channels":["stripe"]}}}}}}"#))
}

fn told(told: &Explanation) -> (RiskDecision, u8, String) {
    let ground = match &told.ground {
        Ground::Rule(id) => id.to_string(),
        Ground::Score => "score".to_owned(),
    };
    (told.assessment.decision, told.assessment.score.into(), ground)
}

fn word(decision: RiskDecision, score: u8, ground: &str) -> (RiskDecision, u8, String) {
    (decision, score, ground.to_owned())
}

#[test]
fn the_score_is_the_capped_sum_and_decides_at_its_thresholds() {
    use RiskDecision::{Approve, Reject, Review};
    let of = |scores: &[u8]| {
        let named = scores.iter().enumerate().map(|(at, score)| fired(&format!("r{at}"), *score, ""));
        told(&judged(&rules(named.collect()), &facts()))
    };
    assert_eq!(of(&[]), word(Approve, 0, "score"));
    assert_eq!(of(&[49]), word(Approve, 49, "score"));
    assert_eq!(of(&[25, 25]), word(Review, 50, "score"));
    assert_eq!(of(&[50, 39]), word(Review, 89, "score"));
    assert_eq!(of(&[50, 40]), word(Reject, 90, "score"));
    assert_eq!(of(&[100, 100, 100]), word(Reject, 100, "score"));
}

#[test]
fn the_strictest_word_counts_and_the_first_that_said_it_is_the_ground() {
    use RiskDecision::{Reject, Review};
    let of = |named: Vec<Rule>| told(&judged(&rules(named), &facts()));
    assert_eq!(of(vec![fired("a", 0, "review"), fired("b", 0, "review")]), word(Review, 0, "a"));
    assert_eq!(of(vec![fired("a", 0, "review"), fired("b", 0, "reject")]), word(Reject, 0, "b"));
    assert_eq!(of(vec![fired("a", 95, ""), fired("b", 0, "review")]), word(Reject, 95, "score"));
    assert_eq!(of(vec![fired("a", 60, ""), fired("b", 0, "review")]), word(Review, 60, "score"));
}

#[test]
fn what_is_allowed_is_approved_unless_it_is_blocked_or_beyond_a_limit() {
    use RiskDecision::{Approve, Reject, Review};
    let set = rules(vec![rule(ALLOWED), fired("a", 95, "reject"), rule(DAY), rule(BLOCKED)]);
    assert_eq!(told(&judged_by_lists(&set, &facts(), &[], &[ENTRY])), word(Approve, 95, "allowlist"));
    assert_eq!(told(&judged_by_lists(&set, &facts(), &[ENTRY], &[ENTRY])).0, Reject);
    let blocked_alone = rules(vec![rule(ALLOWED), rule(BLOCKED)]);
    assert_eq!(told(&judged_by_lists(&blocked_alone, &facts(), &[ENTRY], &[ENTRY])), word(Reject, 0, "blocklist"));
    let limits = Limits { per_day_minor: Some(9_999), ..Limits::default() };
    let beyond = Facts { merchant: MerchantFacts { limits, ..facts().merchant }, ..facts() };
    let limit_alone = rules(vec![rule(ALLOWED), rule(DAY)]);
    assert_eq!(told(&judged_by_lists(&limit_alone, &beyond, &[], &[ENTRY])), word(Reject, 0, "day"));
    // A limit may ask for a person instead, and still no approval stands against it.
    let asking = rule(&DAY.replace(r#""score":0"#, r#""score":0,"decision":"review""#));
    let asked = rules(vec![rule(ALLOWED), asking, fired("a", 0, "approve")]);
    assert_eq!(told(&judged_by_lists(&asked, &beyond, &[], &[ENTRY])), word(Review, 0, "day"));
}

#[test]
fn reasons_are_the_rules_that_fired_in_their_order_and_all_are_explained() {
    let quiet = rule(r#"{"id":"quiet","score":50,"when":{"channel_in":{"channels":["crypto"]}}}"#);
    let explanation = judged(&rules(vec![fired("z", 1, ""), quiet, fired("a", 2, "")]), &facts());
    assert_eq!(explanation.assessment.reasons, ["z", "a"]);
    assert_eq!(explanation.assessment.rules_version, 3);
    let all: Vec<_> = explanation.findings.iter().map(|found| (found.rule.to_string(), found.fired)).collect();
    assert_eq!(all, [("z".into(), true), ("quiet".into(), false), ("a".into(), true)]);
}

/// What the default rules of a mode say.
fn by_default(livemode: bool, facts: &Facts) -> (RiskDecision, Vec<String>) {
    let assessment = judged(&RuleSet::by_default(livemode), facts).assessment;
    (assessment.decision, assessment.reasons)
}

#[test]
fn ordinary_payments_pass_by_default_in_every_currency_and_channel() {
    for livemode in [false, true] {
        for currency in Currency::all() {
            // A hundred of whatever it is: no more than the large amount, were it dollars or coins of a chain.
            let hundred = Money::new(100 * 10_i64.pow(u32::from(currency.exponent().min(4))), currency);
            for channel in Channel::ALL.iter().copied().filter(|channel| !livemode || channel.is_real()) {
                let (decision, reasons) = by_default(livemode, &Facts { amount: hundred, channel, ..facts() });
                assert_eq!((decision, reasons), (RiskDecision::Approve, Vec::new()), "{hundred} {channel}");
            }
        }
    }
}

#[test]
fn test_mode_answers_by_its_tokens_and_is_never_tired() {
    let with = |token: &str| Facts {
        payer: Payer { sandbox_token: token.parse().ok(), card_token: Some(index('a')), ..Payer::default() },
        amount: usd(1_000_000_000),
        counters: Counters {
            velocity: [((Per::CardToken, Window::Minute), tally(1_000_000, 0))].into(),
            ..Counters::default()
        },
        ..facts()
    };
    assert_eq!(by_default(false, &with("pm_sandbox_visa")), (RiskDecision::Approve, vec![]));
    let rejected = (RiskDecision::Reject, vec!["sandbox_reject".to_owned()]);
    assert_eq!(by_default(false, &with("pm_sandbox_blocked_by_risk")), rejected);
    let reviewed = (RiskDecision::Review, vec!["sandbox_review".to_owned()]);
    assert_eq!(by_default(false, &with("pm_sandbox_elevated_risk")), reviewed);
}

#[test]
fn by_default_a_live_payment_waits_for_a_person_when_signals_meet() {
    let of = |amount_minor, age_days, local_hour| {
        let merchant = MerchantFacts { age_days, local_hour: Some(local_hour), ..facts().merchant };
        by_default(true, &Facts { amount: usd(amount_minor), merchant, ..facts() }).0
    };
    assert_eq!(of(1_000_001, 400, 12), RiskDecision::Approve);
    assert_eq!(of(200_001, 1, 3), RiskDecision::Approve);
    assert_eq!(of(1_000_001, 1, 3), RiskDecision::Review);
    assert_eq!(of(5_000_000, 400, 3), RiskDecision::Approve);
    assert_eq!(of(5_000_001, 400, 12), RiskDecision::Review);
}

#[test]
fn by_default_a_limit_agreed_with_the_merchant_is_a_no() {
    for livemode in [false, true] {
        let limits = Limits { per_day_minor: Some(9_999), per_month_minor: Some(9_999), ..Limits::default() };
        let beyond = Facts { merchant: MerchantFacts { limits, ..facts().merchant }, ..facts() };
        let reasons = vec!["daily_limit".to_owned(), "monthly_limit".to_owned()];
        assert_eq!(by_default(livemode, &beyond), (RiskDecision::Reject, reasons));
    }
}

#[test]
fn what_could_not_be_counted_waits_for_a_person_unless_it_is_a_no() {
    for (decision, then) in [
        (RiskDecision::Approve, RiskDecision::Review),
        (RiskDecision::Review, RiskDecision::Review),
        (RiskDecision::Reject, RiskDecision::Reject),
    ] {
        let assessment = Assessment { score: Score::capped(7), decision, reasons: vec!["x".into()], rules_version: 2 };
        let told = engine::uncounted(assessment);
        assert_eq!((told.decision, told.score, told.rules_version), (then, Score::capped(7), 2));
        assert_eq!(told.reasons, ["x", engine::UNCOUNTED]);
    }
}

#[test]
fn counters_are_looked_at_only_where_they_may_change_something() {
    let none = BTreeSet::new();
    let looks = |set: &RuleSet, facts: &Facts| {
        Rulebook { version: 1, rules: set, blocked: &none, allowed: &none }.looks_at_counters(facts)
    };
    let (live, test) = (RuleSet::by_default(true), RuleSet::by_default(false));
    assert!(!looks(&live, &facts()) && !looks(&test, &facts()), "nobody is known and nothing agreed");
    let known = Facts { payer: Payer { card_token: Some(index('a')), ..Payer::default() }, ..facts() };
    assert!(looks(&live, &known) && !looks(&test, &known));
    let limited = Limits { per_month_minor: Some(1), ..Limits::default() };
    let limited = Facts { merchant: MerchantFacts { limits: limited, ..facts().merchant }, ..facts() };
    assert!(looks(&live, &limited) && looks(&test, &limited));
}
