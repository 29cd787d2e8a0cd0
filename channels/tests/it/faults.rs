//! Everything goes wrong, by seed: asking until there is evidence ends with true books.

use std::{collections::BTreeMap, time::Duration};

use channels::{
    Captured, Kind, Line, NotSent, Outcome, Status,
    sandbox::{Books, FaultPlan, Listing},
};
use domain::{channel::Channel as Name, id::PaymentId, payment::Report};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, interval_at, timeout};

use crate::stand::{Stand, ask, capture, charge, hold, pay_out, refund, usd, void};

const PAYMENTS: u128 = 300;
const AT_ONCE: usize = 48;

/// What the client believes, in minor units of dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct View {
    captured: i64,
    refunded: i64,
    paid_out: i64,
}

/// Sends until the answer is evidence, asking for the status in between. `Some` is what was done, `None` declined.
async fn settle<T, F>(line: &Line, kind: Kind, key: &str, send: impl Fn() -> F) -> Option<()>
where
    F: Future<Output = Result<Outcome<T>, NotSent>>,
{
    loop {
        match send().await {
            Ok(Outcome::Settled(_)) => return Some(()),
            Ok(Outcome::Declined(_)) => return None,
            Ok(Outcome::Unknown(_)) => {}
            Err(not_sent) => {
                wait(not_sent.retry_after.unwrap()).await;
                continue;
            }
        }
        let sent_at = Instant::now();
        loop {
            match line.status(&ask(kind, key)).await {
                Ok(Status::Found(Outcome::Settled(_))) => return Some(()),
                Ok(Status::Found(Outcome::Declined(_))) => return None,
                Ok(Status::NotFound) if sent_at.elapsed() > line.absent_after() => break,
                Ok(Status::Found(Outcome::Unknown(_)) | Status::NotFound) => wait(Duration::from_millis(20)).await,
                Err(not_sent) => wait(not_sent.retry_after.unwrap()).await,
            }
        }
    }
}

/// The time a partner or a plan demands, never a guess at how long something takes.
async fn wait(time: Duration) {
    interval_at(Instant::now() + time, Duration::from_secs(1)).tick().await;
}

async fn one_payment(stand: &Stand, name: Name, number: u128) -> View {
    let (line, mut view) = (stand.line(name), View::default());
    let amount = i64::try_from(number % 50).unwrap() + 100;
    if number.is_multiple_of(3) {
        let (held, part) = (hold(number, usd(amount), "pm_x"), capture(number, 1, usd(amount - 40)));
        settle(line, Kind::Authorise, &held.key, || line.authorise(&held)).await.unwrap();
        if number.is_multiple_of(2) {
            settle(line, Kind::Capture, &part.key, || line.capture(&part)).await.unwrap();
            view.captured += amount - 40;
        }
        let void = void(number);
        settle(line, Kind::Void, &void.key, || line.void(&void)).await.unwrap();
    } else {
        let method = if number.is_multiple_of(7) { "pm_sandbox_insufficient_funds" } else { "pm_sandbox_visa" };
        let charged = charge(number, usd(amount), method);
        match settle(line, Kind::Authorise, &charged.key, || line.authorise(&charged)).await {
            Some(()) => view.captured += amount,
            None => assert!(number.is_multiple_of(7)),
        }
    }
    if view.captured > 0 && number.is_multiple_of(4) {
        let refund = refund(number, 1, usd(30));
        settle(line, Kind::Refund, &refund.key, || line.refund(&refund)).await.unwrap();
        view.refunded += 30;
    }
    if number.is_multiple_of(10) {
        let payout = pay_out(number, usd(25));
        settle(line, Kind::PayOut, &payout.key, || line.pay_out(&payout)).await.unwrap();
        view.paid_out += 25;
    }
    view
}

fn compare(views: &BTreeMap<Name, View>, listing: &Listing, seed: u64) {
    for effect in &listing.effects {
        assert!(effect.count <= 1, "seed {seed}: {effect:?}");
    }
    for trade in &listing.payments {
        assert!(trade.captures.iter().all(|(_, count)| *count == 1), "seed {seed}: {trade:?}");
    }
    for (name, view) in views {
        let books = listing.totals.iter().find(|totals| totals.channel == *name).unwrap();
        let (captured, refunded, paid_out) = (books.captured_minor, books.refunded_minor, books.paid_out_minor);
        assert_eq!(*view, View { captured, refunded, paid_out }, "seed {seed}, {name}");
    }
}

async fn run(seed: u64) {
    let stand = Stand::with(Books::in_memory(), |settings| settings.faults = FaultPlan::rough(seed)).await;
    let payments = stream::iter(1..=PAYMENTS).map(|number| {
        let name = Name::ALL[usize::try_from(number).unwrap() % Name::ALL.len()];
        let stand = &stand;
        async move { (name, one_payment(stand, name, number).await) }
    });
    let settled: Vec<_> =
        timeout(Duration::from_secs(300), payments.buffer_unordered(AT_ONCE).collect()).await.unwrap();
    let mut views: BTreeMap<Name, View> = BTreeMap::new();
    for (name, view) in settled {
        let sum = views.entry(name).or_default();
        sum.captured += view.captured;
        sum.refunded += view.refunded;
        sum.paid_out += view.paid_out;
    }
    compare(&views, &stand.listed().await, seed);
    reports_are_true_or_hints(&stand, seed);
}

/// What is signed is of a trade in the books; of another amount only where the plan says so.
fn reports_are_true_or_hints(stand: &Stand, seed: u64) {
    let listing = stand.books.listing();
    let captured = |payment_id: PaymentId| {
        listing.payments.iter().find(|trade| trade.payment_id == payment_id).map(|trade| trade.captured_minor)
    };
    let (mut true_count, mut wrong_count, mut forged_count) = (0, 0, 0);
    for read in stand.inbox.read(&stand.partners, &stand.secret) {
        match read {
            Ok(told) => {
                if let channels::Evidence::Attempt { payment_id, report: Report::Captured { amount, .. }, .. } =
                    told.evidence
                {
                    let booked = captured(payment_id).unwrap();
                    if amount.amount_minor == booked { true_count += 1 } else { wrong_count += 1 }
                }
            }
            Err(unverifiable) => {
                assert!(unverifiable.hint.is_some(), "seed {seed}");
                forged_count += 1;
            }
        }
    }
    assert!(true_count > 100 && wrong_count < 20 && forged_count > 5, "{true_count} {wrong_count} {forged_count}");
}

// covers D1, D2, D3, D4, D7, D8, D9, D20, I20, I21
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_until_there_is_evidence_ends_with_the_books_of_the_sandbox() {
    for seed in [1, 20_261_128] {
        run(seed).await;
    }
}

// covers D3
#[tokio::test]
async fn what_is_not_found_for_a_while_is_found_within_the_window() {
    let stand = Stand::with(Books::in_memory(), |settings| settings.faults.status_lags = 1_000).await;
    let (line, request) = (stand.line(Name::Stripe), charge(1, usd(500), "pm_x"));
    assert!(matches!(line.authorise(&request).await, Ok(Outcome::Settled(_))));
    let sent_at = Instant::now();
    assert_eq!(stand.status(Name::Stripe, Kind::Authorise, &request.key).await, Status::NotFound);
    stand.until(Name::Stripe, Kind::Authorise, &request.key, crate::stand::is_settled).await;
    assert!(sent_at.elapsed() < line.absent_after() + Duration::from_secs(1));
    let again: Captured = match line.authorise(&request).await {
        Ok(Outcome::Settled(authorised)) => authorised.captured.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!((again.amount, stand.effects(Name::Stripe, &request.key)), (usd(500), 1));
}
