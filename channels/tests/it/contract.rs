//! What every channel in the list keeps to, whoever plays it.

use channels::{AskRemittance, Counts, Done, Kind, NotSent, Outcome, Reason, Status, Unknown, partners::exponents};
use chrono::Utc;
use domain::{channel::Channel as Name, currency::Currency, id::CaptureId, money::Money, payment::attempt::Decline};

use tokio::time::Instant;

use crate::stand::{Stand, ask, capture, charge, done, hold, limits, pay_out, payment, refund, settled, usd, void};

// covers D2, I21
#[tokio::test]
async fn a_repeat_under_the_same_key_is_one_effect_and_the_same_answer() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        let (charge, hold, captured) =
            (charge(1, usd(1_000), "pm_sandbox_visa"), hold(2, usd(900), "pm_x"), capture(2, 1, usd(400)));
        let (void, refund, payout) = (void(2), refund(1, 1, usd(300)), pay_out(3, usd(50)));
        for _ in 0..3 {
            assert_eq!(line.authorise(&charge).await, line.authorise(&charge).await);
            assert_eq!(line.authorise(&hold).await, line.authorise(&hold).await);
            assert_eq!(line.capture(&captured).await, line.capture(&captured).await);
            assert_eq!(line.void(&void).await, line.void(&void).await);
            assert_eq!(line.refund(&refund).await, line.refund(&refund).await);
            assert_eq!(line.pay_out(&payout).await, line.pay_out(&payout).await);
        }
        for key in [&charge.key, &hold.key, &captured.key, &void.key, &refund.key, &payout.key] {
            assert_eq!(stand.effects(name, key), 1, "{name} {key}");
        }
        let listing = stand.listed().await;
        let totals = listing.totals.iter().find(|totals| totals.channel == name).unwrap();
        let sums = (totals.captured_minor, totals.refunded_minor, totals.paid_out_minor, totals.fees_minor);
        assert_eq!(sums, (1_400, 300, 50, 14 + 6), "{name}");
        let held = listing.payments.iter().find(|line| line.channel == name && line.payment_id == payment(2)).unwrap();
        assert!(held.released && held.captured_minor == 400 && held.captures == [(captured.capture_id, 1)], "{held:?}");
    }
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_one_effect() {
    let stand = Stand::up().await;
    let (line, charge) = (stand.line(Name::Stripe), charge(1, usd(1_000), "pm_sandbox_visa"));
    let answers = futures_util::future::join_all((0..32).map(|_| line.authorise(&charge))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(stand.effects(Name::Stripe, &charge.key), 1);
}

#[tokio::test]
async fn a_key_used_for_something_else_does_nothing_and_tells_nothing() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        let first = charge(1, usd(1_000), "pm_sandbox_visa");
        settled(line.authorise(&first).await.unwrap());
        let dearer = channels::Authorise { amount: usd(1_001), ..first.clone() };
        assert!(matches!(line.authorise(&dearer).await, Ok(Outcome::Unknown(Unknown::NotUnderstood(_)))));
        let refund = channels::Refund { key: first.key.clone(), ..refund(1, 1, usd(10)) };
        assert!(matches!(line.refund(&refund).await, Ok(Outcome::Unknown(Unknown::NotUnderstood(_)))));
        assert_eq!(stand.effects(name, &first.key), 1);
    }
}

#[tokio::test]
async fn the_number_of_the_trade_may_become_known_between_two_tries() {
    let stand = Stand::up().await;
    let line = stand.line(Name::Paypal);
    let authorised = settled(line.authorise(&hold(1, usd(900), "pm_x")).await.unwrap());
    let unnumbered = capture(1, 1, usd(900));
    let numbered = channels::Capture { channel_trade_no: Some(authorised.channel_trade_no), ..unnumbered.clone() };
    assert_eq!(line.capture(&unnumbered).await, line.capture(&numbered).await);
    assert_eq!(stand.effects(Name::Paypal, &unnumbered.key), 1);
}

// covers D6
#[tokio::test]
async fn the_status_finds_what_was_done_as_it_was_done() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        let (charge, hold, captured) =
            (charge(1, usd(1_000), "pm_sandbox_visa"), hold(2, usd(900), "pm_x"), capture(2, 1, usd(400)));
        let (void, refund, payout) = (void(2), refund(1, 1, usd(300)), pay_out(3, usd(50)));
        let refused = crate::stand::charge(4, usd(5), "pm_sandbox_expired_card");
        for kind in Kind::ALL {
            assert_eq!(stand.status(name, kind, &charge.key).await, Status::NotFound);
        }
        let asked = [
            Done::Authorised(settled(line.authorise(&charge).await.unwrap())),
            Done::Authorised(settled(line.authorise(&hold).await.unwrap())),
            Done::Captured(settled(line.capture(&captured).await.unwrap())),
            Done::Voided(settled(line.void(&void).await.unwrap())),
            Done::Refunded(settled(line.refund(&refund).await.unwrap())),
            Done::PaidOut(settled(line.pay_out(&payout).await.unwrap())),
        ];
        let keys = [
            (Kind::Authorise, &charge.key),
            (Kind::Authorise, &hold.key),
            (Kind::Capture, &captured.key),
            (Kind::Void, &void.key),
            (Kind::Refund, &refund.key),
            (Kind::PayOut, &payout.key),
        ];
        for (answered, (kind, key)) in asked.into_iter().zip(keys) {
            assert_eq!(done(stand.status(name, kind, key).await), answered, "{name}");
        }
        assert_eq!(stand.status(name, Kind::Capture, &charge.key).await, Status::NotFound, "of another kind");
        assert_eq!(line.authorise(&refused).await, Ok(Outcome::Declined(Decline::ExpiredCard)));
        let declined = stand.status(name, Kind::Authorise, &refused.key).await;
        assert_eq!(declined, Status::Found(Outcome::Declined(Decline::ExpiredCard)));
    }
}

#[tokio::test]
async fn an_answer_says_what_was_asked_for() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        let whole = settled(line.authorise(&charge(1, usd(1_000), "pm_card_visa")).await.unwrap());
        assert_eq!((whole.amount, whole.captured.map(|captured| captured.amount)), (usd(1_000), Some(usd(1_000))));
        let held = settled(line.authorise(&hold(2, usd(900), "pm_card_visa")).await.unwrap());
        assert_eq!((held.amount, held.captured), (usd(900), None));
        let none = channels::Authorise { method: None, ..charge(3, usd(1), "") };
        settled(line.authorise(&none).await.unwrap());
        let part = settled(line.capture(&capture(2, 1, usd(500))).await.unwrap());
        assert_eq!((part.amount, &part.channel_trade_no), (usd(500), &held.channel_trade_no));
    }
}

#[tokio::test]
async fn what_cannot_be_is_declined_and_moves_nothing() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        settled(line.authorise(&hold(1, usd(900), "pm_x")).await.unwrap());
        let no = Ok(Outcome::Declined(Decline::Other));
        assert_eq!(line.capture(&capture(1, 1, usd(901))).await, no, "more than authorised");
        assert_eq!(line.capture(&capture(9, 1, usd(1))).await, no, "of no trade");
        let euros = Money::new(100, "EUR".parse().unwrap());
        assert_eq!(line.capture(&capture(1, 2, euros)).await, no, "of another currency");
        assert_eq!(line.refund(&refund(1, 1, usd(1))).await, Ok(Outcome::Declined(Decline::Other)), "not captured");
        settled(line.capture(&capture(1, 3, usd(900))).await.unwrap());
        assert_eq!(line.void(&void(1)).await, Ok(Outcome::Declined(Decline::Other)), "captured whole");
        settled(line.refund(&refund(1, 2, usd(600))).await.unwrap());
        assert_eq!(line.refund(&refund(1, 3, usd(301))).await, Ok(Outcome::Declined(Decline::Other)), "beyond it");
        let totals = stand.books.listing().totals.into_iter().find(|totals| totals.channel == name).unwrap();
        assert_eq!((totals.captured_minor, totals.refunded_minor), (900, 600));
    }
}

// Each channel keeps exponents of its own.
#[tokio::test]
async fn every_currency_goes_there_and_back_or_is_refused() {
    let stand = Stand::up().await;
    for name in stand.played() {
        for (number, currency) in (100..).zip(Currency::all()) {
            for (try_no, amount_minor) in [(0, 12_300), (1, 12_345)] {
                let money = Money::new(amount_minor, currency);
                let request = charge(number * 10 + try_no, money, "pm_sandbox_visa");
                match stand.line(name).authorise(&request).await {
                    Ok(outcome) => assert_eq!(settled(outcome).captured.unwrap().amount, money, "{name}"),
                    Err(not_sent) => {
                        assert_eq!(not_sent, NotSent::never(Reason::AmountNotExpressible(money)));
                        assert!(exponents(name).of(currency) < currency.exponent() && amount_minor == 12_345);
                        assert_eq!(stand.status(name, Kind::Authorise, &request.key).await, Status::NotFound);
                    }
                }
            }
        }
    }
    let counted = |currency: &str| {
        let totals = stand.books.listing().totals;
        let of = totals.into_iter().find(|totals| totals.channel == Name::Stripe && totals.currency == currency);
        of.unwrap().captured_minor
    };
    assert_eq!((counted("MGA"), counted("ISK"), counted("UGX")), (123, 2_464_500, 2_464_500));
}

#[tokio::test]
async fn where_nobody_plays_a_channel_nothing_is_sent() {
    let stand = Stand::up().await;
    let nobodys: Vec<_> = stand.partners.lines().filter(|(.., line)| line.partner().is_none()).collect();
    assert!(nobodys.iter().all(|(_, livemode, _)| *livemode), "in test mode every channel is played");
    for (name, _, line) in nobodys {
        assert_eq!(line.name(), name);
        let nobody = NotSent::never(Reason::NoPartner(name));
        assert_eq!(nobody.to_string(), format!("no partner is configured for {name}"));
        assert_eq!(line.authorise(&charge(1, usd(1), "pm_x")).await, Err(nobody.clone()));
        assert_eq!(line.capture(&capture(1, 1, usd(1))).await, Err(nobody.clone()));
        assert_eq!(line.void(&void(1)).await, Err(nobody.clone()));
        assert_eq!(line.refund(&refund(1, 1, usd(1))).await, Err(nobody.clone()));
        assert_eq!(line.pay_out(&pay_out(1, usd(1))).await, Err(nobody.clone()));
        assert_eq!(line.status(&ask(Kind::Authorise, "k")).await, Err(nobody.clone()));
        let day = AskRemittance { date: Utc::now().date_naive(), after: 0 };
        assert_eq!(line.remittance(&day).await, Err(nobody));
        assert_eq!(line.state().counts, Counts::default(), "nothing was let out");
    }
    assert!(stand.books.listing().effects.is_empty());
    assert_eq!(stand.partners.lines().count(), Name::ALL.len() * 2);
}

#[tokio::test]
async fn a_key_that_no_header_takes_is_not_sent() {
    let stand = Stand::up().await;
    for key in ["", "two\nlines"] {
        let request = channels::Authorise { key: key.to_owned(), ..charge(1, usd(1), "pm_x") };
        let refused = stand.line(Name::Stripe).authorise(&request).await;
        assert_eq!(refused, Err(NotSent::never(Reason::KeyNotExpressible)));
    }
    assert_eq!(CaptureId::derive(payment(1), 1), charge(1, usd(1), "pm_x").capture.unwrap());
}

// covers D1
#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_unknown_and_the_status_finds_what_was_done() {
    let stand = Stand::up().await;
    for name in stand.played() {
        let line = stand.line(name);
        let (request, begun) = (charge(1, usd(1_000), "pm_sandbox_timeout_then_approved"), Instant::now());
        assert_eq!(line.authorise(&request).await, Ok(Outcome::Unknown(Unknown::NoAnswer)), "{name}");
        assert!(begun.elapsed() >= limits().deadline, "{name}: given up before its time");
        let found = done(stand.status(name, Kind::Authorise, &request.key).await);
        let Done::Authorised(authorised) = &found else { panic!("{name}: {found:?}") };
        assert_eq!((authorised.amount, authorised.captured.as_ref().unwrap().amount), (usd(1_000), usd(1_000)));
        // Sent again under its key, it is what it was.
        assert_eq!(Done::Authorised(settled(line.authorise(&request).await.unwrap())), found, "{name}");
        assert_eq!(stand.effects(name, &request.key), 1, "{name}");
        let counts = line.state().counts;
        assert_eq!((counts.calls_count, counts.failures_count), (3, 1), "{name}");
    }
}
