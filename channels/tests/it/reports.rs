//! Reports: true ones are read, forged ones are hints, and none is given up at once.

use std::time::Duration;

use channels::{
    Evidence, Secret, Subject,
    sandbox::{Books, ReportFault, SIGNATURE_HEADER, sign},
};
use chrono::Utc;
use domain::{channel::Channel as Name, id::CaptureId, payment::Report};
use hyper::HeaderMap;

use crate::stand::{Stand, capture, charge, hold, pay_out, payment, refund, settled, usd, void};

// covers D19
#[tokio::test]
async fn what_every_channel_reports_is_read_as_it_was_answered() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let (line, before) = (stand.line(name), stand.inbox.raw().len());
        let charged = settled(line.authorise(&charge(1, usd(500), "pm_x")).await.unwrap());
        settled(line.authorise(&hold(2, usd(900), "pm_x")).await.unwrap());
        settled(line.capture(&capture(2, 1, usd(400))).await.unwrap());
        settled(line.void(&void(2)).await.unwrap());
        let refunded = settled(line.refund(&refund(1, 1, usd(100))).await.unwrap());
        settled(line.pay_out(&pay_out(3, usd(50))).await.unwrap());
        stand.inbox.until(|raw| raw.len() == before + 6).await;
        let read = stand.inbox.read(&stand.partners, &stand.secret);
        let told: Vec<Evidence> = read.into_iter().skip(before).map(|told| told.unwrap().evidence).collect();
        let captured = charged.captured.unwrap();
        let report = Report::Captured {
            capture_id: CaptureId::derive(payment(1), 1),
            amount: captured.amount,
            channel_trade_no: captured.channel_trade_no,
            effective_at: captured.effective_at,
        };
        assert!(told.contains(&Evidence::Attempt { payment_id: payment(1), attempt: 1, report }), "{name}: {told:?}");
        let (refund_id, channel_refund_no) = (refund(1, 1, usd(100)).refund_id, refunded.channel_refund_no);
        assert!(told.contains(&Evidence::RefundSucceeded { refund_id, channel_refund_no, amount: usd(100) }), "{name}");
    }
}

// covers D19
#[tokio::test]
async fn a_forged_report_is_a_hint_and_never_a_fact() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let before = stand.inbox.raw().len();
        settled(stand.line(name).authorise(&charge(1, usd(500), "pm_x")).await.unwrap());
        stand.inbox.until(|raw| raw.len() > before).await;
        let raw = stand.inbox.raw().pop().unwrap();
        let (now, other) = (Utc::now(), Secret::new("another secret"));
        let secrets = [stand.secret.clone()];
        let parse = |headers: &HeaderMap, body: &[u8], secrets: &[Secret], now| {
            stand.line(name).parse_report(headers, body, secrets, now)
        };
        assert!(parse(&raw.headers, &raw.body, &secrets, now).is_ok());
        assert!(parse(&raw.headers, &raw.body, &[other.clone(), stand.secret.clone()], now).is_ok(), "rotation");

        let hint = Some(Subject::Attempt { payment_id: payment(1), attempt: 1 });
        let mut forged = raw.body.to_vec();
        let at = forged.windows(3).position(|window| window == b"500").unwrap();
        forged[at] = b'9';
        assert_eq!(parse(&raw.headers, &forged, &secrets, now).unwrap_err().hint, hint, "altered");
        assert_eq!(
            parse(&raw.headers, &raw.body, std::slice::from_ref(&other), now).unwrap_err().hint,
            hint,
            "of a stranger"
        );
        assert_eq!(parse(&HeaderMap::new(), &raw.body, &secrets, now).unwrap_err().hint, hint, "unsigned");
        let old = now + chrono::Duration::seconds(301);
        assert_eq!(parse(&raw.headers, &raw.body, &secrets, old).unwrap_err().hint, hint, "old");
        let mut twice = raw.headers.clone();
        twice.append(SIGNATURE_HEADER, sign(&raw.body, &other, now).parse().unwrap());
        assert!(parse(&twice, &raw.body, &secrets, now).is_err(), "signed twice");
        assert!(parse(&raw.headers, b"<html>", &secrets, now).is_err());

        let another = Name::ALL.iter().copied().find(|other| *other != name).unwrap();
        let replayed = stand.line(another).parse_report(&raw.headers, &raw.body, &secrets, now);
        assert_eq!(replayed.unwrap_err().hint, hint, "told to another channel");
        let real = stand.partners.line(name, true).parse_report(&raw.headers, &raw.body, &secrets, now);
        assert!(real.is_err(), "of a trial, where real money moves");
    }
}

#[tokio::test]
async fn a_report_that_is_not_complete_is_no_fact_even_if_it_is_signed() {
    let stand = Stand::up().await;
    let said = |rest: &str| format!(r#"{{"id":"rep_1","channel":"stripe","at":"2026-01-01T00:00:00Z",{rest}}}"#);
    for body in [
        said(r#""what":"payment.captured","payment_id":"PAY00000000000000000000000000000001","attempt":1"#),
        said(r#""what":"payment.unheard_of""#),
        said(r#""what":"refund.succeeded","no":"rfd_1","amount_minor":1,"currency":"USD""#),
        said(
            r#""what":"dispute.opened","no":"d","payment_id":"PAY00000000000000000000000000000001","attempt":1,"amount_minor":1,"currency":"XXX""#,
        ),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE_HEADER, sign(body.as_bytes(), &stand.secret, Utc::now()).parse().unwrap());
        let secrets = [stand.secret.clone()];
        assert!(
            stand.line(Name::Stripe).parse_report(&headers, body.as_bytes(), &secrets, Utc::now()).is_err(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_report_is_sent_until_it_is_taken() {
    let stand = Stand::reporting_to(Books::in_memory(), 4, |_settings| {}).await;
    settled(stand.line(Name::Stripe).authorise(&charge(1, usd(500), "pm_x")).await.unwrap());
    stand.inbox.until(|raw| raw.len() == 1).await;
}

#[tokio::test]
async fn without_an_address_nothing_is_reported() {
    let stand = Stand::with(Books::in_memory(), |settings| {
        settings.report_url = None;
        settings.timing.late = Duration::ZERO;
    })
    .await;
    settled(stand.line(Name::Stripe).authorise(&charge(1, usd(500), "pm_sandbox_report_before_answer")).await.unwrap());
    assert!(stand.inbox.raw().is_empty());
}

#[tokio::test]
async fn so_many_reports_wait_and_of_more_nothing_is_kept() {
    let stand = Stand::with(Books::in_memory(), |settings| {
        settings.faults.reports = [(ReportFault::Late, 1_000)].into();
        settings.timing.report_late = Duration::from_millis(300);
        settings.backlog.reports_max = 5;
    })
    .await;
    let line = stand.line(Name::Stripe);
    for number in 1..=20 {
        settled(line.authorise(&charge(number, usd(500), "pm_x")).await.unwrap());
    }
    stand.inbox.until(|raw| raw.len() >= 5).await;
    // Those that were taken made room.
    settled(line.authorise(&charge(21, usd(500), "pm_x")).await.unwrap());
    let last = payment(21).to_string();
    let is_last = |raw: &crate::inbox::Raw| String::from_utf8_lossy(&raw.body).contains(&last);
    stand.inbox.until(|raw| raw.iter().any(is_last)).await;
    assert!(stand.inbox.raw().len() <= 11, "{} of 21 were to wait", stand.inbox.raw().len());
    assert_eq!(stand.books.listing().payments.len(), 21, "what was done was done");

    let none = Stand::with(Books::in_memory(), |settings| settings.backlog.bytes_max = 100).await;
    settled(none.line(Name::Stripe).authorise(&charge(1, usd(500), "pm_x")).await.unwrap());
    // One that comes before the answer waits for nobody, and shows that the other would have come by now.
    let early = charge(2, usd(500), "pm_sandbox_report_before_answer");
    settled(none.line(Name::Stripe).authorise(&early).await.unwrap());
    assert_eq!(none.inbox.raw().len(), 1, "a report is more than a hundred bytes");
}
