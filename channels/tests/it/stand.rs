//! A sandbox on loopback, lines to it for every channel, and an inbox for its reports.

use std::{path::Path, sync::Arc, time::Duration};

use channels::{
    Ask, Authorise, Capture, Done, Kind, Limits, Line, Outcome, Partners, PayOut, Refund, SandboxAddress, Secret,
    Status, Void,
    sandbox::{Books, Listing, RemittanceLine, Settings, Timing, serve},
};
use chrono::NaiveDate;
use domain::{
    channel::Channel as Name,
    id::{CaptureId, MerchantId, PaymentId, PayoutId, RefundId},
    money::Money,
};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{interval, timeout},
};
use uuid::Uuid;

use crate::inbox::{DEADLINE, Inbox};

pub(crate) struct Stand {
    pub(crate) partners: Partners,
    pub(crate) books: Arc<Books>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) secret: Secret,
    pub(crate) url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Ends with the stand.
    tasks: JoinSet<()>,
}

/// As short as can be told apart from at once.
pub(crate) const TIMING: Timing = Timing {
    late: Duration::from_millis(60),
    hang: Duration::from_secs(5),
    afterwards: Duration::from_millis(80),
    status_lag: Duration::from_millis(200),
    report_late: Duration::from_millis(100),
    report_retry: Duration::from_millis(10),
    report_tries: 5,
    authentication: Duration::from_millis(400),
    authorisation: Duration::from_secs(60),
};

pub(crate) fn limits() -> Limits {
    Limits { deadline: Duration::from_millis(400), failures_max: 1_000, ..Limits::default() }
}

impl Stand {
    pub(crate) async fn up() -> Self {
        Self::with(Books::in_memory(), |_settings| {}).await
    }

    pub(crate) async fn on(directory: &Path) -> Self {
        Self::with(Books::open(directory).unwrap(), |_settings| {}).await
    }

    pub(crate) async fn with(books: Books, change: impl FnOnce(&mut Settings)) -> Self {
        Self::reporting_to(books, 0, change).await
    }

    pub(crate) async fn reporting_to(books: Books, turned_away: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let mut tasks = JoinSet::new();
        let (inbox, report_url) = Inbox::open(turned_away, &mut tasks).await;
        let secret = Secret::new("a secret of this test");
        let mut settings = Settings::new(secret.clone());
        settings.report_url = Some(report_url);
        settings.timing = TIMING;
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let books = Arc::new(books);
        tasks.spawn(serve(listener, Arc::clone(&books), settings, std::future::pending()));
        let absent_after = TIMING.status_lag + Duration::from_millis(100);
        let partners = Partners::new(&SandboxAddress { url: url.clone(), absent_after }, &limits());
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { partners, books, inbox, secret, url, client, tasks }
    }

    /// Ends as if killed, and waits until nobody keeps the books any more.
    pub(crate) async fn down(mut self) {
        self.tasks.shutdown().await;
        while Arc::strong_count(&self.books) > 1 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn line(&self, name: Name) -> &Line {
        self.partners.line(name, false)
    }

    /// Every channel in the list of partners that somebody plays, each to be held to the same contract. A new partner is
    /// held to it as soon as it is in the list: it needs a stand of its own beside this one.
    pub(crate) fn played(&self) -> Vec<Name> {
        let lines = self.partners.lines().filter_map(|(name, livemode, line)| Some((name, livemode, line.partner()?)));
        let played: Vec<Name> = lines
            .map(|(name, livemode, partner)| {
                let of = format!("{name}, {}", if livemode { "real money" } else { "test" });
                assert_eq!(
                    (partner, livemode),
                    ("sandbox", false),
                    "{of}: no stand to hold this partner to its contract"
                );
                name
            })
            .collect();
        assert_eq!(played, Name::ALL, "in test mode every channel is played");
        played
    }

    /// How often the request with this key had its effect.
    pub(crate) fn effects(&self, name: Name, key: &str) -> u32 {
        let listing = self.books.listing();
        let lines = listing.effects.iter().filter(|line| line.channel == name && line.key == key);
        lines.map(|line| line.count).sum()
    }

    pub(crate) async fn http(&self, method: Method, path: &str, body: String) -> (StatusCode, Bytes) {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url)).body(Full::from(body));
        let answer = self.client.request(request.unwrap()).await.unwrap();
        (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn turn(&self, name: Name, key: &str, turn: &str) -> StatusCode {
        let body = format!(r#"{{"key":"{key}","turn":{turn}}}"#);
        self.http(Method::POST, &format!("/{name}/turns"), body).await.0
    }

    pub(crate) async fn listed(&self) -> Listing {
        serde_json::from_slice(&self.http(Method::GET, "/books", String::new()).await.1).unwrap()
    }

    pub(crate) async fn remitted(&self, date: &str) -> Vec<RemittanceLine> {
        let path = format!("/remittances?date={date}");
        serde_json::from_slice(&self.http(Method::GET, &path, String::new()).await.1).unwrap()
    }

    /// Ends a day there before its time.
    pub(crate) async fn close(&self, name: Name, date: NaiveDate) -> StatusCode {
        self.http(Method::POST, &format!("/{name}/remittances"), format!(r#"{{"date":"{date}"}}"#)).await.0
    }

    pub(crate) async fn status(&self, name: Name, kind: Kind, key: &str) -> Status {
        self.line(name).status(&ask(kind, key)).await.unwrap()
    }

    /// Until the status is as expected.
    pub(crate) async fn until(&self, name: Name, kind: Kind, key: &str, enough: impl Fn(&Status) -> bool) -> Status {
        let waiting = async {
            let mut ticks = interval(Duration::from_millis(10));
            loop {
                ticks.tick().await;
                let status = self.status(name, kind, key).await;
                if enough(&status) {
                    return status;
                }
            }
        };
        timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("the status of {key} never came to be as expected"))
    }
}

pub(crate) fn usd(amount_minor: i64) -> Money {
    Money::new(amount_minor, "USD".parse().unwrap())
}

pub(crate) fn payment(number: u128) -> PaymentId {
    PaymentId::new(Uuid::from_u128(number))
}

/// Captured at once.
pub(crate) fn charge(number: u128, amount: Money, method: &str) -> Authorise {
    let payment_id = payment(number);
    Authorise {
        key: format!("{payment_id}/1/authorise"),
        payment_id,
        attempt: 1,
        amount,
        capture: Some(CaptureId::derive(payment_id, 1)),
        method: Some(method.to_owned()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    }
}

pub(crate) fn hold(number: u128, amount: Money, method: &str) -> Authorise {
    Authorise { capture: None, ..charge(number, amount, method) }
}

pub(crate) fn capture(number: u128, part: u32, amount: Money) -> Capture {
    let payment_id = payment(number);
    Capture {
        key: format!("{payment_id}/1/capture-{part}"),
        payment_id,
        attempt: 1,
        capture_id: CaptureId::new(Uuid::from_u128(number * 100 + u128::from(part))),
        channel_trade_no: None,
        amount,
        traceparent: None,
    }
}

pub(crate) fn void(number: u128) -> Void {
    let payment_id = payment(number);
    Void { key: format!("{payment_id}/1/void"), payment_id, attempt: 1, channel_trade_no: None, traceparent: None }
}

pub(crate) fn refund(number: u128, part: u32, amount: Money) -> Refund {
    let (payment_id, refund_id) = (payment(number), RefundId::new(Uuid::from_u128(number * 100 + u128::from(part))));
    Refund {
        key: format!("{refund_id}/refund"),
        payment_id,
        attempt: 1,
        refund_id,
        channel_trade_no: None,
        amount,
        traceparent: None,
    }
}

pub(crate) fn pay_out(number: u128, amount: Money) -> PayOut {
    let payout_id = PayoutId::new(Uuid::from_u128(number));
    let merchant_id = MerchantId::new(Uuid::from_u128(7));
    PayOut { key: format!("{payout_id}/pay"), payout_id, merchant_id, amount, traceparent: None }
}

pub(crate) fn ask(kind: Kind, key: &str) -> Ask {
    Ask { key: key.to_owned(), kind, traceparent: None }
}

pub(crate) fn settled<T: std::fmt::Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Settled(done) => done,
        Outcome::Declined(_) | Outcome::Unknown(_) => panic!("{outcome:?}"),
    }
}

pub(crate) const fn is_settled(status: &Status) -> bool {
    matches!(status, Status::Found(Outcome::Settled(_)))
}

pub(crate) fn done(status: Status) -> Done {
    match status {
        Status::Found(outcome) => settled(outcome),
        Status::NotFound => panic!("not found"),
    }
}
