//! From accepted to paid and back: real servers, a real sandbox, its books as the truth.

mod deaths;
mod expire;
pub(crate) mod faulted;
mod give_back;
mod given_away;
pub(crate) mod holding;
pub(crate) mod looking;
mod partner;
mod paused;
mod pay_out;
mod poison;
mod racing;
mod remittances;
mod reports;
mod return_suspense;
mod risk;
mod roles;
mod same_funds;
mod scenarios;
mod settle;
mod stuck;
mod tokens;
mod twice;
mod upgraded;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use channels::Secret;
use channels::sandbox::{self, Books, FaultPlan, Settings, Timing};
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Client, Request};
use system_tests::relay::Relay;
use system_tests::server::Server;
use system_tests::traffic::vault;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const PAYMENTS: &str = "/api/v1/payments";
const REFUNDS: &str = "/api/v1/refunds";
/// What is to be looked at soon; authorisations wait for days, and so do settlements.
const DUE: &str = "select count(*) from work.due where process not in ('expire_authorisation', 'open_settlement')";
/// With the processes on, and a sandbox of its own.
const REACTING: [(&str, &str); 1] = [("DAYBOOK_WITHOUT_PROCESSES", "false")];

/// A sandbox that outlives the servers that ask it.
pub(crate) struct Outside {
    url: String,
    books: Arc<Books>,
    /// Where it reports to, if it does.
    relay: Option<Relay>,
    _stop: oneshot::Sender<()>,
}

impl Outside {
    /// One that never reports: what it did is found by asking.
    pub(crate) async fn new(faults: FaultPlan) -> Self {
        Self::open(faults, None).await
    }

    /// One that reports to the server it is told of last.
    async fn reporting() -> Self {
        Self::open(FaultPlan::default(), Some(Relay::open().await.unwrap())).await
    }

    pub(crate) fn report_to(&self, server: &Server) {
        self.relay.as_ref().unwrap().point_at(server.address);
    }

    pub(crate) async fn open(faults: FaultPlan, relay: Option<Relay>) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.unwrap(), faults, relay)
    }

    fn at(listener: TcpListener, faults: FaultPlan, relay: Option<Relay>) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let books = Arc::new(Books::in_memory());
        let secret = Secret::new(vault().unwrap().sandbox_secret().as_str());
        // Nothing takes long here.
        let timing = Timing {
            late: Duration::from_millis(100),
            hang: Duration::from_secs(3),
            afterwards: Duration::from_millis(200),
            status_lag: Duration::from_secs(1),
            ..Timing::default()
        };
        let report_url = relay.as_ref().map(|relay| format!("{}/api/v1/webhooks/{{channel}}", relay.url));
        let settings = Settings { faults, timing, report_url, ..Settings::new(secret) };
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            stopped.await.ok();
        };
        tokio::spawn(sandbox::serve(listener, Arc::clone(&books), settings, shutdown));
        Self { url, books, relay, _stop: stop }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn environment(&self) -> [(&str, &str); 5] {
        asking(&self.url)
    }
}

/// For a server that asks a partner there, and is less patient than others are.
fn asking(url: &str) -> [(&str, &str); 5] {
    [
        ("DAYBOOK_WITHOUT_PROCESSES", "false"),
        ("DAYBOOK_SANDBOX_URL", url),
        ("DAYBOOK_CHANNEL_DEADLINE_MS", "1000"),
        ("DAYBOOK_CHANNEL_RETRY_AFTER_MS", "100"),
        ("DAYBOOK_CHANNEL_ABSENT_AFTER_MS", "4000"),
    ]
}

/// What a command of the operator's says of this ledger.
pub(crate) fn said(branch: &Branch, arguments: &[&str]) -> String {
    let mut command = system_tests::server::daybook().unwrap();
    let output = command.args(arguments).env("DATABASE_URL", branch.ledger.superuser_url()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A metric of the server, of stripe in test mode.
async fn metric(branch: &Branch, name: &str) -> i64 {
    let shown = branch.client().send(&Request::get("/metrics")).await.unwrap().body;
    let series = format!("{name}{{channel=\"stripe\",mode=\"test\"}} ");
    let value = shown.lines().find_map(|line| line.strip_prefix(&series));
    value.unwrap_or_else(|| panic!("no {series} in {shown}")).parse().unwrap()
}

/// Starts a payment of 100.00 USD; its number.
async fn pay(client: &mut Client, caller: &Caller, method: &str, more: Value) -> String {
    let order_no = fresh("reacting");
    let mut body = json!({ "order_no": order_no, "amount": 10_000, "currency": "USD", "channel": "stripe",
                           "pay_method": method });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    post(client, caller, PAYMENTS, &order_no, &body).await.data("payment_no")
}

async fn refund(client: &mut Client, caller: &Caller, payment_no: &str, amount: i64) -> String {
    let body = json!({ "payment_no": payment_no, "amount": amount, "reason": "returned" });
    post(client, caller, REFUNDS, &fresh("refund"), &body).await.data("refund_no")
}

async fn post(client: &mut Client, caller: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    let answer = client.send(&Request::post(path, body).keyed(key).by(caller)).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer
}

async fn status(client: &mut Client, caller: &Caller, payment_no: &str) -> String {
    let answer = client.send(&Request::get(format!("{PAYMENTS}/{payment_no}")).by(caller)).await.unwrap();
    if answer.status == 200 { answer.data("status") } else { answer.verdict() }
}

/// Waits until every payment has come to the status it should.
async fn until_all(client: &mut Client, caller: &Caller, wanted: &[(String, &str)], within: Duration) {
    let begun = Instant::now();
    let mut seen = BTreeMap::new();
    while begun.elapsed() < within {
        seen.clear();
        for (payment_no, wanted) in wanted {
            let is = status(client, caller, payment_no).await;
            if is != *wanted {
                seen.insert(payment_no.clone(), (is, *wanted));
            }
        }
        if seen.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not as they should be in time, with what they should be: {seen:#?}");
}

/// Waits until a question to the database has this answer.
async fn until_sql(branch: &Branch, question: &str, wanted: i64, within: Duration) {
    let mut books = branch.ledger.superuser().await.unwrap();
    let begun = Instant::now();
    let mut is = -1;
    while begun.elapsed() < within {
        is = sqlx::query_scalar(question).fetch_one(&mut books).await.unwrap();
        if is == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let due = "select coalesce(string_agg(concat_ws(' ', process, business, due_at, failures, reason), '; '), '') from work.due";
    let due: String = sqlx::query_scalar(due).fetch_one(&mut books).await.unwrap();
    panic!("{question}: {is}, not {wanted}; due: {due}");
}

async fn merchant(branch: &Branch) -> (Merchant, Client) {
    (branch.merchant().await.unwrap(), branch.client())
}
