//! What the sandbox does unasked: reports, and what happens by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::Utc;
use domain::channel::Channel as Name;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http_body_util::Full;
use hyper::{Method, Request, body::Bytes, header::CONTENT_TYPE};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};

use super::{
    books::{Books, News, entry::Later},
    faults::ReportFault,
    protocol::ReportBody,
    settings::{Backlog, Settings},
    signature,
    token::Token,
};
use crate::{report::Secret, wire::Wire};

/// How many reports are on their way at once.
const DELIVERIES_MAX: usize = 32;

/// How long a receiver may take, and how long an answer waits for a report that is to come before it.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Something to be done in a while, by the clerk.
enum Errand {
    Deliver(Waiting, When),
    Happen(Name, String, Later),
}

/// A report, and its place among those that may wait.
struct Waiting {
    report: ReportBody,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

#[derive(Clone, Copy)]
enum When {
    Now,
    After(Duration),
    /// After some other report, if one comes soon.
    AfterAnother(Duration),
}

pub(super) struct Mail {
    books: Arc<Books>,
    settings: Arc<Settings>,
    wire: Wire,
    seats: Semaphore,
    /// For so many more reports to wait, and so many bytes of them.
    room: (Arc<Semaphore>, Arc<Semaphore>),
    lost: AtomicU64,
    /// Some report has arrived.
    arrived: Notify,
    errands: mpsc::UnboundedSender<Errand>,
}

/// Does the errands. Dropping it leaves them undone: what is due is taken up from the books at the next start, and a
/// report that was not sent is as one that was lost.
pub(super) struct Clerk {
    mail: Arc<Mail>,
    errands: mpsc::UnboundedReceiver<Errand>,
}

impl Mail {
    pub(super) fn open(books: Arc<Books>, settings: Arc<Settings>) -> (Arc<Self>, Clerk) {
        let (errands, given) = mpsc::unbounded_channel();
        let (seats, arrived) = (Semaphore::new(DELIVERIES_MAX), Notify::new());
        let Backlog { reports_max, bytes_max } = settings.backlog;
        let room = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let (room, lost) = ((room(reports_max), room(bytes_max)), AtomicU64::new(0));
        let mail = Arc::new(Self { books, settings, wire: Wire::new(), seats, room, lost, arrived, errands });
        for (channel, key, later) in mail.books.due() {
            mail.give(Errand::Happen(channel, key, later));
        }
        (Arc::clone(&mail), Clerk { mail, errands: given })
    }

    /// Tells of it, as the token or the plan has it go wrong. What is to arrive before the answer has, after this.
    pub(super) async fn tell(&self, channel: Name, token: Token, news: News) {
        if let Some((key, later)) = news.later {
            self.give(Errand::Happen(channel, key, later));
        }
        let Some(report) = news.report.filter(|_| self.settings.report_url.is_some()) else { return };
        let fault = match token {
            Token::DuplicateReport => Some(ReportFault::Doubled),
            Token::ReportBeforeAnswer => Some(ReportFault::Early),
            Token::Approved
            | Token::Declined(_)
            | Token::Disputed
            | Token::NotReceived
            | Token::Inquiry
            | Token::EarlyFraudWarning
            | Token::RefundPending
            | Token::RefundBounces
            | Token::ThreeDSecure
            | Token::TimeoutThenApproved
            | Token::TimeoutThenAbsent
            | Token::LateSuccess
            | Token::PartialCapture
            | Token::PartialCaptureKept
            | Token::RefundRefused
            | Token::Flaky => self.settings.faults.report(&report.id),
        };
        self.send(report, fault).await;
    }

    async fn send(&self, report: ReportBody, fault: Option<ReportFault>) {
        let late = self.settings.timing.report_late;
        match fault {
            None => self.deliver_later(report, When::Now),
            Some(ReportFault::Early) => {
                if timeout(DELIVERY_TIMEOUT, self.deliver(&report, &self.settings.report_secret)).await.is_err() {
                    tracing::debug!(report.id, "an early report did not arrive in time");
                }
            }
            Some(ReportFault::Late) => self.deliver_later(report, When::After(late)),
            Some(ReportFault::Doubled) => {
                self.deliver_later(report.clone(), When::Now);
                self.deliver_later(report, When::Now);
            }
            Some(ReportFault::Forged) => {
                let amount_minor = report.amount_minor.map(|amount| amount.saturating_mul(10));
                let forged = ReportBody { amount_minor, ..report.clone() };
                let stranger = Secret::new("a stranger's");
                if timeout(DELIVERY_TIMEOUT, self.once(&forged, &stranger)).await.is_err() {
                    tracing::debug!(report.id, "a forged report did not arrive in time");
                }
                self.deliver_later(report, When::Now);
            }
            Some(ReportFault::Reordered) => self.deliver_later(report, When::AfterAnother(late)),
            Some(ReportFault::Dropped) => {}
            Some(ReportFault::WrongAmount) => {
                let amount_minor = report.amount_minor.map(|amount| amount.saturating_add(1));
                self.deliver_later(ReportBody { amount_minor, ..report }, When::Now);
            }
        }
    }

    /// Where too many wait, one more is as one that was lost on its way.
    fn deliver_later(&self, report: ReportBody, when: When) {
        let bytes = serde_json::to_vec(&report).map_or(0, |body| body.len());
        let place = Arc::clone(&self.room.0).try_acquire_owned();
        let bytes = Arc::clone(&self.room.1).try_acquire_many_owned(u32::try_from(bytes).unwrap_or(u32::MAX));
        match (place, bytes) {
            (Ok(place), Ok(bytes)) => self.give(Errand::Deliver(Waiting { report, _room: (place, bytes) }, when)),
            (Ok(_) | Err(_), Ok(_) | Err(_)) => {
                let lost_count = self.lost.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                // Of a flood of them, now and then.
                if lost_count.is_power_of_two() {
                    tracing::warn!(lost_count, "too many reports wait: this one is not sent");
                }
            }
        }
    }

    fn give(&self, errand: Errand) {
        if self.errands.send(errand).is_err() {
            tracing::debug!("the clerk has gone: nothing is sent any more");
        }
    }

    /// Until it is taken, so often and no more.
    async fn deliver(&self, report: &ReportBody, secret: &Secret) {
        let mut wait = self.settings.timing.report_retry;
        for _ in 1..self.settings.timing.report_tries.max(1) {
            if self.once(report, secret).await {
                return;
            }
            sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
        if !self.once(report, secret).await {
            tracing::warn!(report.id, "a report was never taken");
        }
    }

    async fn once(&self, report: &ReportBody, secret: &Secret) -> bool {
        let Some(url) = &self.settings.report_url else { return true };
        let (Ok(_seat), Ok(body)) = (self.seats.acquire().await, serde_json::to_vec(report)) else { return false };
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.replace("{channel}", report.channel.name()))
            .header(CONTENT_TYPE, "application/json")
            .header(signature::HEADER, signature::sign(&body, secret, Utc::now()))
            .body(Full::new(Bytes::from(body)));
        let Ok(request) = request else { return false };
        let answered = timeout(DELIVERY_TIMEOUT, self.wire.knock(request)).await;
        let taken = answered.is_ok_and(|status| status.is_some_and(|status| status.is_success()));
        if taken {
            self.arrived.notify_waiters();
        }
        taken
    }

    async fn run(&self, errand: Errand) {
        match errand {
            Errand::Deliver(waiting, when) => {
                match when {
                    When::Now => {}
                    When::After(late) => sleep(late).await,
                    When::AfterAnother(late) => {
                        let another = timeout(late, self.arrived.notified()).await;
                        tracing::trace!(came = another.is_ok(), "a report was held back for another");
                    }
                }
                self.deliver(&waiting.report, &self.settings.report_secret).await;
            }
            Errand::Happen(channel, key, later) => {
                sleep(later.at.signed_duration_since(Utc::now()).to_std().unwrap_or_default()).await;
                let Some(happened) = self.books.turn(channel, &key, later.turn, Utc::now()) else { return };
                if let Some(mut place) = happened.place
                    && !place.is_durable().await
                {
                    return;
                }
                if let Some(news) = happened.news {
                    self.tell(channel, Token::Approved, news).await;
                }
            }
        }
    }
}

impl Clerk {
    pub(super) async fn work(mut self) {
        let mut under_way: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                errand = self.errands.recv() => match errand {
                    Some(errand) => under_way.push(self.mail.run(errand).boxed()),
                    None => break,
                },
                Some(()) = under_way.next() => {}
            }
        }
    }
}
