//! What a line lets through, with a partner and a clock that do as they are told.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use channels::{
    Ask, AskRemittance, Authorise, Authorised, BreakerState, Capture, Captured, Channel, Counts, HeldBack, Limits,
    Line, NotSent, Outcome, PaidOut, PayOut, Reason, Refund, Refunded, Remitted, Said, Secret, Status, Told, Unknown,
    Unverifiable, Void, Voided, line::PAUSE_MAX,
};
use chrono::{DateTime, Utc};
use domain::{channel::Channel as Name, payment::attempt::Decline};
use hyper::HeaderMap;
use tokio::{sync::Semaphore, time::advance};

use crate::stand::{ask, charge, usd};

/// What the partner does with the next request.
enum Does {
    Says(Result<Outcome<Authorised>, NotSent>),
    Hangs,
    /// Until the test lets it.
    Waits,
}

#[derive(Clone, Default)]
struct Partner {
    next: Arc<Mutex<VecDeque<Does>>>,
    asked: Arc<AtomicUsize>,
    gate: Arc<Mutex<Option<Arc<Semaphore>>>>,
}

impl Partner {
    fn will(&self, does: impl IntoIterator<Item = Does>) {
        self.next.lock().unwrap().extend(does);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn gate(&self) -> Arc<Semaphore> {
        Arc::clone(self.gate.lock().unwrap().get_or_insert_with(|| Arc::new(Semaphore::new(0))))
    }
}

impl Channel for Partner {
    fn name(&self) -> Name {
        Name::Sandbox
    }

    fn partner(&self) -> Option<&'static str> {
        Some("a partner of this test")
    }

    fn authorise<'c>(&'c self, _: &'c Authorise) -> Said<'c, Outcome<Authorised>> {
        let does = self.next.lock().unwrap().pop_front();
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match does.unwrap_or_else(|| Does::Says(declined())) {
                Does::Says(said) => said,
                Does::Hangs => std::future::pending().await,
                Does::Waits => {
                    self.gate().acquire().await.unwrap().forget();
                    declined()
                }
            }
        })
    }

    fn capture<'c>(&'c self, _: &'c Capture) -> Said<'c, Outcome<Captured>> {
        Box::pin(std::future::pending())
    }

    fn void<'c>(&'c self, _: &'c Void) -> Said<'c, Outcome<Voided>> {
        Box::pin(std::future::pending())
    }

    fn refund<'c>(&'c self, _: &'c Refund) -> Said<'c, Outcome<Refunded>> {
        Box::pin(std::future::pending())
    }

    fn pay_out<'c>(&'c self, _: &'c PayOut) -> Said<'c, Outcome<PaidOut>> {
        Box::pin(std::future::pending())
    }

    fn status<'c>(&'c self, _: &'c Ask) -> Said<'c, Status> {
        Box::pin(std::future::pending())
    }

    fn remittance<'c>(&'c self, _: &'c AskRemittance) -> Said<'c, Remitted> {
        Box::pin(std::future::pending())
    }

    fn absent_after(&self) -> Duration {
        Duration::ZERO
    }

    fn parse_report(&self, _: &HeaderMap, _: &[u8], _: &[Secret], _: DateTime<Utc>) -> Result<Vec<Told>, Unverifiable> {
        Err(Unverifiable { why: "it never reports", hint: None })
    }
}

fn declined() -> Result<Outcome<Authorised>, NotSent> {
    Ok(Outcome::Declined(Decline::Other))
}

fn trouble() -> Does {
    Does::Says(Ok(Outcome::Unknown(Unknown::NotUnderstood("500".to_owned()))))
}

const LIMITS: Limits = Limits {
    deadline: Duration::from_secs(10),
    in_flight_max: 4,
    patience: Duration::from_secs(1),
    per_second: 1_000,
    burst: 1_000,
    failures_max: 3,
    open_for: Duration::from_secs(5),
};

fn line(limits: Limits) -> (Arc<Line>, Partner) {
    let partner = Partner::default();
    (Arc::new(Line::new(Box::new(partner.clone()), limits)), partner)
}

async fn ask_once(line: &Line) -> Result<Outcome<Authorised>, NotSent> {
    line.authorise(&charge(1, usd(1), "pm_x")).await
}

async fn open(line: &Line, partner: &Partner) {
    partner.will((0..3).map(|_| trouble()));
    for failures_count in 0..3 {
        assert_eq!(line.state().breaker, BreakerState::Closed { failures_count });
        assert!(matches!(ask_once(line).await, Ok(Outcome::Unknown(_))));
    }
    assert_eq!(line.state().breaker, BreakerState::Open { retry_in: LIMITS.open_for });
}

// covers D1
#[tokio::test(start_paused = true)]
async fn no_answer_by_the_deadline_is_unknown_whatever_was_asked() {
    let (line, partner) = line(Limits { failures_max: 100, ..LIMITS });
    partner.will([Does::Hangs]);
    assert_eq!(ask_once(&line).await, Ok(Outcome::Unknown(Unknown::NoAnswer)));
    assert_eq!(line.capture(&crate::stand::capture(1, 1, usd(1))).await, Ok(Outcome::Unknown(Unknown::NoAnswer)));
    assert_eq!(line.void(&crate::stand::void(1)).await, Ok(Outcome::Unknown(Unknown::NoAnswer)));
    assert_eq!(line.refund(&crate::stand::refund(1, 1, usd(1))).await, Ok(Outcome::Unknown(Unknown::NoAnswer)));
    assert_eq!(line.pay_out(&crate::stand::pay_out(1, usd(1))).await, Ok(Outcome::Unknown(Unknown::NoAnswer)));
    let status = line.status(&ask(channels::Kind::Refund, "k")).await;
    assert_eq!(status, Ok(Status::Found(Outcome::Unknown(Unknown::NoAnswer))));
    assert_eq!(line.state().breaker, BreakerState::Closed { failures_count: 6 });
    assert_eq!(ask_once(&line).await, declined());
    assert_eq!(line.state().breaker, BreakerState::Closed { failures_count: 0 }, "in a row, or not at all");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_sends_nothing_then_lets_one_look() {
    let (line, partner) = line(LIMITS);
    open(&line, &partner).await;
    let asked = partner.asked();
    advance(Duration::from_secs(2)).await;
    let refused = ask_once(&line).await;
    assert_eq!(refused, Err(NotSent::later(Reason::BreakerOpen, Duration::from_secs(3))));
    assert_eq!(partner.asked(), asked, "nothing left the house");

    advance(Duration::from_secs(3)).await;
    partner.will([Does::Waits]);
    let probing = tokio::spawn({
        let line = Arc::clone(&line);
        async move { ask_once(&line).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(line.state().breaker, BreakerState::HalfOpen);
    assert_eq!(ask_once(&line).await.unwrap_err().reason, Reason::BreakerOpen, "one looks, no more");
    partner.gate().add_permits(1);
    assert_eq!(probing.await.unwrap(), declined());
    assert_eq!(line.state().breaker, BreakerState::Closed { failures_count: 0 });
    assert_eq!(partner.asked(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_opens_it_again_and_one_nobody_waited_for_leaves_it_to_the_next() {
    let (line, partner) = line(LIMITS);
    open(&line, &partner).await;
    advance(LIMITS.open_for).await;
    partner.will([trouble(), Does::Hangs]);
    assert!(matches!(ask_once(&line).await, Ok(Outcome::Unknown(_))));
    assert_eq!(line.state().breaker, BreakerState::Open { retry_in: LIMITS.open_for });
    advance(LIMITS.open_for).await;
    let dropped = tokio::time::timeout(Duration::from_millis(1), ask_once(&line)).await;
    assert!(dropped.is_err());
    assert_eq!(line.state().breaker, BreakerState::Open { retry_in: Duration::ZERO });
    assert_eq!(ask_once(&line).await, declined());
    assert_eq!(line.state().breaker, BreakerState::Closed { failures_count: 0 });
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_says_nothing_of_afterwards() {
    let (line, partner) = line(LIMITS);
    partner.will([Does::Waits]);
    let slow = tokio::spawn({
        let line = Arc::clone(&line);
        async move { ask_once(&line).await }
    });
    tokio::task::yield_now().await;
    open(&line, &partner).await;
    advance(LIMITS.open_for).await;
    partner.will([Does::Waits]);
    let probing = tokio::spawn({
        let line = Arc::clone(&line);
        async move { ask_once(&line).await }
    });
    tokio::task::yield_now().await;
    partner.gate().add_permits(1);
    assert_eq!(slow.await.unwrap(), declined());
    assert_eq!(line.state().breaker, BreakerState::HalfOpen, "the one that looks is still on its way");
    partner.gate().add_permits(1);
    assert_eq!(probing.await.unwrap(), declined());
    assert_eq!(line.state().breaker, BreakerState::Closed { failures_count: 0 });
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_be_reached_is_left_alone_too_and_what_waits_is_no_trouble() {
    let (line, partner) = line(LIMITS);
    let unreachable = || NotSent::later(Reason::Unreachable("refused".to_owned()), Duration::from_secs(1));
    partner.will((0..3).map(|_| Does::Says(Err(unreachable()))));
    partner.will((0..9).map(|_| Does::Says(Ok(Outcome::Unknown(Unknown::Pending)))));
    for _ in 0..3 {
        assert_eq!(ask_once(&line).await, Err(unreachable()));
    }
    assert_eq!(line.state().breaker, BreakerState::Open { retry_in: LIMITS.open_for });
    advance(LIMITS.open_for).await;
    for _ in 0..9 {
        assert_eq!(ask_once(&line).await, Ok(Outcome::Unknown(Unknown::Pending)));
    }
    assert_eq!(line.state().breaker, BreakerState::Closed { failures_count: 0 });
}

#[tokio::test(start_paused = true)]
async fn so_many_are_under_way_and_the_next_is_not_sent() {
    let (line, partner) = line(LIMITS);
    partner.will((0..4).map(|_| Does::Waits));
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let line = Arc::clone(&line);
            tokio::spawn(async move { ask_once(&line).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!((line.state().in_flight_count, line.state().in_flight_max), (4, 4));
    assert_eq!(ask_once(&line).await, Err(NotSent::later(Reason::LineBusy, LIMITS.patience)));
    assert_eq!(partner.asked(), 4);
    let waiting = tokio::spawn({
        let line = Arc::clone(&line);
        async move { ask_once(&line).await }
    });
    tokio::task::yield_now().await;
    partner.gate().add_permits(4);
    assert_eq!(waiting.await.unwrap(), declined(), "a place became free in time");
    for one in slow {
        assert_eq!(one.await.unwrap(), declined());
    }
    assert_eq!(line.state().in_flight_count, 0);
}

#[tokio::test(start_paused = true)]
async fn no_faster_than_the_rate() {
    let (line, partner) = line(Limits { per_second: 10, burst: 5, ..LIMITS });
    for _ in 0..5 {
        assert_eq!(ask_once(&line).await, declined());
    }
    assert_eq!(ask_once(&line).await, Err(NotSent::later(Reason::TooFast, Duration::from_millis(100))));
    assert_eq!(partner.asked(), 5);
    advance(Duration::from_millis(100)).await;
    assert_eq!(ask_once(&line).await, declined());
    assert_eq!(ask_once(&line).await.unwrap_err().reason, Reason::TooFast);
}

// covers D5
#[tokio::test(start_paused = true)]
async fn a_pause_is_kept_and_then_over() {
    let (line, partner) = line(LIMITS);
    let year = Duration::from_secs(365 * 24 * 3_600);
    partner.will([Does::Says(Err(NotSent::later(Reason::Paused, year)))]);
    assert_eq!(ask_once(&line).await, Err(NotSent::later(Reason::Paused, PAUSE_MAX)));
    for _ in 0..5 {
        advance(PAUSE_MAX / 6).await;
        assert_eq!(ask_once(&line).await.unwrap_err().reason, Reason::Paused);
    }
    assert_eq!((partner.asked(), line.state().paused_for), (1, Some(PAUSE_MAX / 6)));
    advance(PAUSE_MAX / 6).await;
    assert_eq!(ask_once(&line).await, declined());
    assert_eq!((line.state().paused_for, line.state().breaker), (None, BreakerState::Closed { failures_count: 0 }));
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_sees_what_was_let_out_what_failed_and_what_was_held_back() {
    let (line, partner) = line(LIMITS);
    assert_eq!(ask_once(&line).await, declined());
    advance(Duration::from_secs(7)).await;
    open(&line, &partner).await;
    assert!(ask_once(&line).await.is_err());
    advance(LIMITS.open_for / 2).await;
    assert!(ask_once(&line).await.is_err());
    let state = line.state();
    assert_eq!(state.breaker_for, LIMITS.open_for / 2, "since it opened");
    let held_back = HeldBack { breaker_open_count: 2, ..HeldBack::default() };
    let failures_count = u64::from(LIMITS.failures_max);
    assert_eq!(state.counts, Counts { calls_count: 1 + failures_count, failures_count, held_back });
    // The one that looks whether it is back is let out, and counts.
    advance(LIMITS.open_for).await;
    assert_eq!(ask_once(&line).await, declined());
    let state = line.state();
    assert_eq!((state.breaker, state.breaker_for), (BreakerState::Closed { failures_count: 0 }, Duration::ZERO));
    assert_eq!(state.counts, Counts { calls_count: 2 + failures_count, failures_count, held_back });
}
