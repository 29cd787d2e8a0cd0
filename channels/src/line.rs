//! The line to one partner: deadline, breaker, bulkhead and rate around what it is asked.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::channel::Channel as Name;
use hyper::HeaderMap;
use meters::{Histogram, SECONDS};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    channel::{Channel, Said},
    outcome::{Authorised, Captured, NotSent, Outcome, PaidOut, Reason, Refunded, Status, Unknown, Voided},
    remittance::{AskRemittance, Remitted},
    report::{Secret, Told, Unverifiable},
    request::{Ask, Authorise, Capture, PayOut, Refund, Void},
};

mod breaker;
mod counts;
mod rate;

pub use breaker::BreakerState;
use breaker::{Breaker, Showed};
use counts::Counting;
pub use counts::{Counts, HeldBack};
use rate::Rate;

/// However long a partner asks us to pause, we look again after this.
pub const PAUSE_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// In nanoseconds: partners answer in milliseconds or in seconds.
const LATENCIES: [u64; 12] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// What a line lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For one request, from leaving to its answer.
    pub deadline: Duration,
    pub in_flight_max: usize,
    /// For a place among them.
    pub patience: Duration,
    pub per_second: u32,
    pub burst: u32,
    /// In a row, until the partner is left alone.
    pub failures_max: u32,
    pub open_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            in_flight_max: 128,
            patience: Duration::from_secs(2),
            per_second: 5_000,
            burst: 1_000,
            failures_max: 20,
            open_for: Duration::from_secs(5),
        }
    }
}

/// How a line stands, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineState {
    pub breaker: BreakerState,
    /// How long the breaker has been as it is.
    pub breaker_for: Duration,
    pub paused_for: Option<Duration>,
    pub in_flight_count: usize,
    pub in_flight_max: usize,
    pub per_second_max: u32,
    pub counts: Counts,
}

pub struct Line {
    channel: Box<dyn Channel>,
    limits: Limits,
    seats: Semaphore,
    rate: Rate,
    breaker: Breaker,
    paused_until: Mutex<Option<Instant>>,
    counting: Counting,
    latency: Histogram,
}

impl Line {
    #[must_use]
    pub fn new(channel: Box<dyn Channel>, limits: Limits) -> Self {
        let seats = Semaphore::new(limits.in_flight_max.clamp(1, Semaphore::MAX_PERMITS));
        let rate = Rate::new(limits.per_second, limits.burst);
        let breaker = Breaker::new(limits.failures_max, limits.open_for);
        let (counting, latency) = (Counting::default(), Histogram::new(&LATENCIES, SECONDS));
        Self { channel, limits, seats, rate, breaker, paused_until: Mutex::default(), counting, latency }
    }

    #[must_use]
    pub fn name(&self) -> Name {
        self.channel.name()
    }

    /// See [`Channel::partner`].
    #[must_use]
    pub fn partner(&self) -> Option<&'static str> {
        self.channel.partner()
    }

    /// See [`Channel::absent_after`].
    #[must_use]
    pub fn absent_after(&self) -> Duration {
        self.channel.absent_after()
    }

    #[must_use]
    pub fn state(&self) -> LineState {
        let (now, in_flight_max) = (Instant::now(), self.limits.in_flight_max.max(1));
        LineState {
            breaker: self.breaker.state(now),
            breaker_for: self.breaker.stands_for(now),
            paused_for: self.paused_for(now),
            in_flight_count: in_flight_max.saturating_sub(self.seats.available_permits()),
            in_flight_max,
            per_second_max: self.limits.per_second.max(1),
            counts: self.counting.counts(),
        }
    }

    /// How long calls took that were let out.
    #[must_use]
    pub const fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// # Errors
    /// This try did nothing at the partner.
    pub async fn authorise(&self, request: &Authorise) -> Result<Outcome<Authorised>, NotSent> {
        self.ask(|| self.channel.authorise(request)).await
    }

    /// # Errors
    /// This try did nothing at the partner.
    pub async fn capture(&self, request: &Capture) -> Result<Outcome<Captured>, NotSent> {
        self.ask(|| self.channel.capture(request)).await
    }

    /// # Errors
    /// This try did nothing at the partner.
    pub async fn void(&self, request: &Void) -> Result<Outcome<Voided>, NotSent> {
        self.ask(|| self.channel.void(request)).await
    }

    /// # Errors
    /// This try did nothing at the partner.
    pub async fn refund(&self, request: &Refund) -> Result<Outcome<Refunded>, NotSent> {
        self.ask(|| self.channel.refund(request)).await
    }

    /// # Errors
    /// This try did nothing at the partner.
    pub async fn pay_out(&self, request: &PayOut) -> Result<Outcome<PaidOut>, NotSent> {
        self.ask(|| self.channel.pay_out(request)).await
    }

    /// # Errors
    /// The partner was not asked.
    pub async fn status(&self, request: &Ask) -> Result<Status, NotSent> {
        self.ask(|| self.channel.status(request)).await
    }

    /// # Errors
    /// The partner was not asked.
    pub async fn remittance(&self, request: &AskRemittance) -> Result<Remitted, NotSent> {
        self.ask(|| self.channel.remittance(request)).await
    }

    /// See [`Channel::parse_report`]: no limit holds back what comes in.
    ///
    /// # Errors
    /// It is a hint to ask, never a fact.
    pub fn parse_report(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        secrets: &[Secret],
        now: DateTime<Utc>,
    ) -> Result<Vec<Told>, Unverifiable> {
        self.channel.parse_report(headers, body, secrets, now)
    }

    async fn ask<'l, T: Heard>(&'l self, send: impl FnOnce() -> Said<'l, T>) -> Result<T, NotSent> {
        let seat = timeout(self.limits.patience, self.seats.acquire()).await;
        let Ok(Ok(_seat)) = seat else {
            return Err(self.held_back(Reason::LineBusy, self.limits.patience));
        };
        let now = Instant::now();
        if let Some(left) = self.paused_for(now) {
            return Err(self.held_back(Reason::Paused, left));
        }
        self.rate.take(now).map_err(|wait| self.held_back(Reason::TooFast, wait))?;
        let pass = self.breaker.enter(now).map_err(|wait| self.held_back(Reason::BreakerOpen, wait))?;
        let said = match timeout(self.limits.deadline, send()).await {
            Ok(said) => said.map_err(|not_sent| self.capped(not_sent)),
            // It may have got there all the same.
            Err(_elapsed) => Ok(T::unknown(Unknown::NoAnswer)),
        };
        let showed = showed(&said);
        if self.counting.let_out(showed) {
            self.latency.took(now.elapsed());
        }
        pass.end(showed);
        said
    }

    fn held_back(&self, why: Reason, retry_after: Duration) -> NotSent {
        self.counting.hold_back(&why);
        NotSent::later(why, retry_after)
    }

    /// A pause is kept by the line as well, whoever asks next.
    fn capped(&self, mut not_sent: NotSent) -> NotSent {
        if not_sent.reason == Reason::Paused {
            let pause = not_sent.retry_after.unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
            let until = Instant::now() + pause;
            let mut paused_until = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
            *paused_until = Some(paused_until.map_or(until, |known| known.max(until)));
            not_sent.retry_after = Some(pause);
        }
        not_sent
    }

    fn paused_for(&self, now: Instant) -> Option<Duration> {
        let until = (*self.paused_until.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

fn showed<T: Heard>(said: &Result<T, NotSent>) -> Showed {
    match said {
        Ok(heard) if heard.is_trouble() => Showed::Trouble,
        Ok(_) => Showed::Health,
        Err(not_sent) => match not_sent.reason {
            Reason::Unreachable(_) => Showed::Trouble,
            // Whoever asks for a pause is there.
            Reason::Paused => Showed::Health,
            Reason::NoPartner(_) | Reason::AmountNotExpressible(_) | Reason::KeyNotExpressible => Showed::Nothing,
            Reason::BreakerOpen | Reason::LineBusy | Reason::TooFast => Showed::Nothing,
        },
    }
}

/// What can be unknown.
trait Heard {
    fn unknown(why: Unknown) -> Self;
    fn is_trouble(&self) -> bool;
}

impl<T> Heard for Outcome<T> {
    fn unknown(why: Unknown) -> Self {
        Self::Unknown(why)
    }

    fn is_trouble(&self) -> bool {
        match self {
            Self::Settled(_) | Self::Declined(_) => false,
            Self::Unknown(why) => why.is_trouble(),
        }
    }
}

impl Heard for Status {
    fn unknown(why: Unknown) -> Self {
        Self::Found(Outcome::Unknown(why))
    }

    fn is_trouble(&self) -> bool {
        match self {
            Self::Found(outcome) => outcome.is_trouble(),
            Self::NotFound => false,
        }
    }
}

impl Heard for Remitted {
    fn unknown(why: Unknown) -> Self {
        Self::Unknown(why)
    }

    fn is_trouble(&self) -> bool {
        match self {
            Self::Found(_) | Self::NotYet => false,
            Self::Unknown(why) => why.is_trouble(),
        }
    }
}
