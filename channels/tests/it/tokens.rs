//! Every token does what the document says.

use channels::{
    Done, Evidence, Kind, Outcome, Status, Unknown,
    report::dispute_id,
    sandbox::{Books, Token},
};
use domain::{
    channel::Channel as Name,
    payment::{Report, attempt::Decline, dispute::DisputeOutcome},
    payout,
};
use hyper::{Method, StatusCode};

use crate::stand::{Stand, capture, charge, done, hold, is_settled, pay_out, refund, settled, usd, void};

const STRIPE: Name = Name::Stripe;

fn evidence(stand: &Stand) -> Vec<Evidence> {
    let read = stand.inbox.read(&stand.partners, &stand.secret);
    read.into_iter().filter_map(Result::ok).map(|told| told.evidence).collect()
}

async fn until_told(stand: &Stand, enough: impl Fn(&[Evidence]) -> bool) {
    stand.inbox.until(|_raw| enough(&evidence(stand))).await;
}

const fn is_captured(evidence: &Evidence) -> bool {
    matches!(evidence, Evidence::Attempt { report: Report::Captured { .. }, .. })
}

#[test]
fn the_document_is_the_table() {
    let rows = Token::TABLE.iter().map(|(name, _, does)| format!("| `{name}` | {does} |\n"));
    let table: String = rows.collect();
    let document = include_str!("../../../docs/sandbox.md");
    assert!(
        document.contains(&table),
        "docs/sandbox.md is to contain:\n\n| token | what it does |\n|---|---|\n{table}"
    );
}

#[tokio::test]
async fn a_declined_one_is_declined_with_its_reason_and_a_report() {
    let stand = Stand::up().await;
    for (number, (name, token, _)) in (1..).zip(Token::TABLE) {
        if let Token::Declined(decline) = *token {
            for request in [charge(number, usd(500), name), hold(number + 100, usd(500), name)] {
                let answer = stand.line(STRIPE).authorise(&request).await;
                assert_eq!(answer, Ok(Outcome::Declined(decline)), "{name}");
                assert_eq!(stand.effects(STRIPE, &request.key), 0);
            }
        }
    }
    until_told(&stand, |told| {
        told.iter()
            .filter(|evidence| matches!(evidence, Evidence::Attempt { report: Report::Declined { .. }, .. }))
            .count()
            == 16
    })
    .await;
}

#[tokio::test]
async fn all_others_are_approved_in_the_end_but_the_one_that_is_never_received() {
    let stand = Stand::up().await;
    for (number, (name, token, _)) in (1..).zip(Token::TABLE) {
        if matches!(token, Token::Declined(_) | Token::TimeoutThenAbsent | Token::ThreeDSecure) {
            continue;
        }
        let request = charge(number, usd(500), name);
        let first = stand.line(STRIPE).authorise(&request).await.unwrap();
        if *token == Token::Flaky {
            assert!(matches!(first, Outcome::Unknown(_)));
            assert!(matches!(stand.line(STRIPE).authorise(&request).await, Ok(Outcome::Unknown(Unknown::Broken(_)))));
        }
        let found = stand.until(STRIPE, Kind::Authorise, &request.key, is_settled).await;
        assert!(matches!(done(found), Done::Authorised(_)), "{name}");
        assert_eq!(stand.effects(STRIPE, &request.key), 1, "{name}");
    }
}

#[tokio::test]
async fn a_disputed_one_is_disputed_until_it_is_won_or_lost() {
    let stand = Stand::up().await;
    for (number, name) in [(1, "pm_sandbox_disputed"), (2, "pm_sandbox_not_received")] {
        settled(stand.line(STRIPE).authorise(&charge(number, usd(500), name)).await.unwrap());
    }
    let opened = |told: &[Evidence]| {
        told.iter()
            .filter_map(|evidence| match evidence {
                Evidence::DisputeOpened { dispute_id, amount, .. } => Some((*dispute_id, *amount)),
                Evidence::Attempt { .. } | Evidence::RefundSucceeded { .. } | Evidence::RefundFailed { .. } => None,
                Evidence::Payout { .. } | Evidence::DisputeClosed { .. } | Evidence::Notice { .. } => None,
            })
            .collect::<Vec<_>>()
    };
    until_told(&stand, |told| opened(told).len() == 2).await;
    let told = opened(&evidence(&stand));
    assert!(told.iter().all(|(_, amount)| *amount == usd(500)) && told[0].0 != told[1].0);
    assert_eq!(stand.line(STRIPE).refund(&refund(1, 1, usd(1))).await, Ok(Outcome::Declined(Decline::Other)));
    assert_eq!(stand.turn(STRIPE, &charge(1, usd(500), "").key, r#""dispute_lost""#).await, StatusCode::OK);
    assert_eq!(stand.turn(STRIPE, &charge(2, usd(500), "").key, r#""dispute_won""#).await, StatusCode::OK);
    assert_eq!(stand.turn(STRIPE, &charge(2, usd(500), "").key, r#""dispute_lost""#).await, StatusCode::CONFLICT);
    let closed = |told: &[Evidence], how: DisputeOutcome| {
        told.iter().any(|one| matches!(one, Evidence::DisputeClosed { outcome, .. } if *outcome == how))
    };
    until_told(&stand, |told| closed(told, DisputeOutcome::Won) && closed(told, DisputeOutcome::Lost)).await;
    assert_eq!(stand.books.listing().totals[0].disputed_minor, 500);
    assert_ne!(dispute_id(STRIPE, "dsp_1"), dispute_id(Name::Paypal, "dsp_1"));
}

#[tokio::test]
async fn an_inquiry_and_a_warning_are_told_and_move_nothing() {
    let stand = Stand::up().await;
    settled(stand.line(STRIPE).authorise(&hold(1, usd(500), "pm_sandbox_inquiry")).await.unwrap());
    settled(stand.line(STRIPE).capture(&capture(1, 1, usd(500))).await.unwrap());
    settled(stand.line(STRIPE).authorise(&charge(2, usd(500), "pm_sandbox_early_fraud_warning")).await.unwrap());
    let noticed = |told: &[Evidence], what: &str| {
        told.iter().any(|one| matches!(one, Evidence::Notice { notice, .. } if notice == what))
    };
    until_told(&stand, |told| noticed(told, "inquiry") && noticed(told, "early_fraud_warning")).await;
    let totals = &stand.books.listing().totals[0];
    assert_eq!((totals.captured_minor, totals.disputed_minor), (1_000, 0));
}

#[tokio::test]
async fn a_refund_that_is_refused_moves_nothing() {
    let stand = Stand::up().await;
    for (number, (name, captured)) in
        (1..).zip([("pm_sandbox_refund_refused", 500), ("pm_sandbox_partial_capture_kept", 250)])
    {
        settled(stand.line(STRIPE).authorise(&charge(number, usd(500), name)).await.unwrap());
        let before = stand.books.listing().totals[0].captured_minor;
        assert_eq!(before, if number == 1 { captured } else { 500 + captured }, "{name}");
        let answer = stand.line(STRIPE).refund(&refund(number, 1, usd(100))).await;
        assert_eq!(answer, Ok(Outcome::Declined(Decline::Other)), "{name}");
    }
    assert_eq!(stand.books.listing().totals[0].refunded_minor, 0);
}

#[tokio::test]
async fn a_refund_that_is_pending_succeeds_afterwards() {
    let stand = Stand::up().await;
    let name = "pm_sandbox_refund_pending_then_succeeds";
    settled(stand.line(STRIPE).authorise(&charge(1, usd(500), name)).await.unwrap());
    let request = refund(1, 1, usd(500));
    assert_eq!(stand.line(STRIPE).refund(&request).await, Ok(Outcome::Unknown(Unknown::Pending)));
    assert_eq!(stand.effects(STRIPE, &request.key), 0);
    let more = stand.line(STRIPE).refund(&refund(1, 2, usd(1))).await;
    assert_eq!(more, Ok(Outcome::Declined(Decline::Other)), "what is pending is set aside");
    stand.until(STRIPE, Kind::Refund, &request.key, is_settled).await;
    assert_eq!(stand.books.listing().totals[0].refunded_minor, 500);
    until_told(&stand, |told| told.iter().any(|one| matches!(one, Evidence::RefundSucceeded { .. }))).await;
}

#[tokio::test]
async fn a_refund_that_bounces_is_declined_afterwards_and_the_money_is_back() {
    let stand = Stand::up().await;
    let name = "pm_sandbox_refund_fails_after_success";
    settled(stand.line(STRIPE).authorise(&charge(1, usd(500), name)).await.unwrap());
    let request = refund(1, 1, usd(200));
    settled(stand.line(STRIPE).refund(&request).await.unwrap());
    until_told(&stand, |told| told.iter().any(|one| matches!(one, Evidence::RefundFailed { .. }))).await;
    let status = stand.status(STRIPE, Kind::Refund, &request.key).await;
    assert_eq!(status, Status::Found(Outcome::Declined(Decline::Other)));
    assert_eq!(stand.books.listing().totals[0].refunded_minor, 0);
}

#[tokio::test]
async fn a_customer_who_must_act_does_or_does_not() {
    let stand = Stand::up().await;
    let name = "pm_sandbox_three_d_secure_required";
    let [passes, fails, sleeps, voided] = [1, 2, 3, 4].map(|number| charge(number, usd(500), name));
    for (request, how) in [(&passes, "passed"), (&fails, "failed")] {
        let answer = stand.line(STRIPE).authorise(request).await.unwrap();
        let Outcome::Unknown(Unknown::CustomerMustAct { url }) = answer else { panic!("{answer:?}") };
        let path = url.strip_prefix(&stand.url).unwrap();
        assert_eq!(stand.http(Method::GET, path, String::new()).await.0, StatusCode::OK);
        let status = stand.http(Method::POST, &format!("{path}/{how}"), String::new()).await.0;
        assert_eq!(status, StatusCode::OK);
        let again = stand.http(Method::POST, &format!("{path}/{how}"), String::new()).await.0;
        assert_eq!(again, StatusCode::CONFLICT);
    }
    assert!(is_settled(&stand.status(STRIPE, Kind::Authorise, &passes.key).await));
    for request in [&sleeps, &voided] {
        assert!(matches!(stand.line(STRIPE).authorise(request).await, Ok(Outcome::Unknown(_))));
    }
    settled(stand.line(STRIPE).void(&void(4)).await.unwrap());
    for request in [&fails, &sleeps, &voided] {
        let failed = Status::Found(Outcome::Declined(Decline::AuthenticationFailed));
        stand.until(STRIPE, Kind::Authorise, &request.key, |status| *status == failed).await;
        assert_eq!(stand.effects(STRIPE, &request.key), 0);
    }
    until_told(&stand, |told| told.iter().any(is_captured)).await;
}

// covers D1
#[tokio::test]
async fn an_answer_that_never_comes_is_found_by_asking() {
    let stand = Stand::up().await;
    let request = charge(1, usd(500), "pm_sandbox_timeout_then_approved");
    let lost = stand.line(STRIPE).authorise(&request).await;
    assert_eq!(lost, Ok(Outcome::Unknown(Unknown::NoAnswer)));
    assert!(is_settled(&stand.status(STRIPE, Kind::Authorise, &request.key).await));
    settled(stand.line(STRIPE).authorise(&request).await.unwrap());
    assert_eq!(stand.effects(STRIPE, &request.key), 1);
}

// covers D2
#[tokio::test]
async fn what_was_never_received_is_not_found_however_often_it_is_sent() {
    let stand = Stand::up().await;
    let request = charge(1, usd(500), "pm_sandbox_timeout_then_absent");
    for _ in 0..2 {
        assert_eq!(stand.line(STRIPE).authorise(&request).await, Ok(Outcome::Unknown(Unknown::NoAnswer)));
        assert_eq!(stand.status(STRIPE, Kind::Authorise, &request.key).await, Status::NotFound);
    }
    assert!(stand.books.listing().totals.is_empty());
    assert!(stand.line(STRIPE).absent_after() > crate::stand::TIMING.status_lag);
}

// covers D8
#[tokio::test]
async fn a_report_comes_twice_with_one_id() {
    let stand = Stand::up().await;
    settled(stand.line(STRIPE).authorise(&charge(1, usd(500), "pm_sandbox_duplicate_report")).await.unwrap());
    stand.inbox.until(|raw| raw.len() == 2).await;
    let read = stand.inbox.read(&stand.partners, &stand.secret);
    assert_eq!(read[0].as_ref().unwrap(), read[1].as_ref().unwrap());
}

// covers D7
#[tokio::test]
async fn a_report_comes_before_the_answer() {
    let stand = Stand::up().await;
    settled(stand.line(STRIPE).authorise(&charge(1, usd(500), "pm_sandbox_report_before_answer")).await.unwrap());
    assert_eq!(stand.inbox.raw().len(), 1);
}

// covers D10
#[tokio::test]
async fn a_declined_one_succeeds_late() {
    let stand = Stand::up().await;
    let request = charge(1, usd(500), "pm_sandbox_late_success");
    assert_eq!(stand.line(STRIPE).authorise(&request).await, Ok(Outcome::Declined(Decline::ProcessingError)));
    stand.until(STRIPE, Kind::Authorise, &request.key, is_settled).await;
    until_told(&stand, |told| told.iter().any(is_captured)).await;
    settled(stand.line(STRIPE).refund(&refund(1, 1, usd(500))).await.unwrap());
}

// covers D9
#[tokio::test]
async fn half_is_captured() {
    let stand = Stand::up().await;
    let name = "pm_sandbox_partial_capture";
    let whole = settled(stand.line(STRIPE).authorise(&charge(1, usd(501), name)).await.unwrap());
    assert_eq!((whole.amount, whole.captured.unwrap().amount), (usd(501), usd(251)));
    settled(stand.line(STRIPE).authorise(&hold(2, usd(500), name)).await.unwrap());
    assert_eq!(settled(stand.line(STRIPE).capture(&capture(2, 1, usd(500))).await.unwrap()).amount, usd(250));
}

#[tokio::test]
async fn an_authorisation_nobody_captures_expires() {
    let stand =
        Stand::with(Books::in_memory(), |settings| settings.timing.authorisation = settings.timing.afterwards).await;
    settled(stand.line(STRIPE).authorise(&hold(1, usd(500), "pm_x")).await.unwrap());
    until_told(&stand, |told| {
        told.iter().any(|one| matches!(one, Evidence::Attempt { report: Report::Expired { .. }, .. }))
    })
    .await;
    assert_eq!(stand.line(STRIPE).capture(&capture(1, 1, usd(1))).await, Ok(Outcome::Declined(Decline::Other)));
}

#[tokio::test]
async fn a_payout_can_come_back() {
    let stand = Stand::up().await;
    let request = pay_out(1, usd(500));
    settled(stand.line(STRIPE).pay_out(&request).await.unwrap());
    assert_eq!(stand.turn(STRIPE, &request.key, r#""returned""#).await, StatusCode::OK);
    let returned = |one: &Evidence| matches!(one, Evidence::Payout { evidence: payout::Evidence::Returned, .. });
    until_told(&stand, |told| told.iter().any(returned)).await;
    assert_eq!(stand.books.listing().totals[0].paid_out_minor, 0);
}
