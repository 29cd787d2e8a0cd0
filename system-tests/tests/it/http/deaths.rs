//! The server dies at every named point of a write: asking again finishes it, once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::MerchantId;
use domain::merchant::event::Limits;
use domain::merchant::{Merchant as Trader, MerchantCommand};
use event_store::{Act, Answer as Told, Outcome, Verdict, crash};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Caller, Request};
use system_tests::proxy::{Ending, Fault, Proxy, Rule, Upstream};
use system_tests::say::say;
use system_tests::server::Server;
use system_tests::times::times;

use super::captured::captured;
use super::{PAYMENTS, REFUNDS, ask, assert_sound, payment};

/// What a shell tells of a program that was aborted.
const ABORTED: i32 = 128 + 6;
/// So many of one kind are asked before the server must have died.
const ASKED: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Payment,
    Bulk,
    Cancel,
    Refund,
    Order,
    Remittance,
    Registration,
    Limits,
}

const WRITES: [Write; 8] = [
    Write::Payment,
    Write::Bulk,
    Write::Cancel,
    Write::Refund,
    Write::Order,
    Write::Remittance,
    Write::Registration,
    Write::Limits,
];

/// One request, and how many events it comes to.
struct Ask {
    caller: Caller,
    path: String,
    key: String,
    body: Value,
    events: i64,
}

impl Ask {
    fn request(&self) -> Request {
        Request::post(&self.path, &self.body).keyed(&self.key).by(&self.caller)
    }
}

/// Every point with every write: first each point once, with one write after the other, then with the next.
fn deaths() -> impl Iterator<Item = (&'static str, Write)> {
    let points = || crash::OF_A_REQUEST.iter().chain(crash::POINTS).enumerate();
    (0..WRITES.len()).flat_map(move |turn| {
        points().map(move |(n, point)| {
            (*point, if is_of_snapshots(point) { Write::Limits } else { WRITES[(n + turn) % WRITES.len()] })
        })
    })
}

/// Only a stream that passes a mark gets one.
fn is_of_snapshots(point: &str) -> bool {
    point.starts_with("snapshot")
}

// covers A10, C1, I7, I33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_at_any_point_of_a_write_is_finished_by_asking_again() {
    let count = times("DAYBOOK_HTTP_DEATHS", crash::OF_A_REQUEST.len() + crash::POINTS.len());
    let deaths: Vec<(&str, Write)> = deaths().take(count).collect();
    let lanes = [0, 1].map(|lane| deaths.iter().copied().skip(lane).step_by(2).collect::<Vec<_>>());
    let died: Vec<usize> = stream::iter(lanes).map(die_one_after_the_other).buffer_unordered(2).collect().await;
    say(&format!("a server died {} times while it served a write", died.iter().sum::<usize>()));
}

/// The server that finishes what the last one left is the one that prepares the next death.
async fn die_one_after_the_other(deaths: Vec<(&'static str, Write)>) -> usize {
    let mut branch = Branch::own(&[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    for (point, write) in &deaths {
        branch = die_at(branch, &merchant, point, *write).await;
    }
    let mut log = branch.ledger.superuser().await.unwrap();
    assert_sound(&mut log).await;
    deaths.len()
}

async fn die_at(mut branch: Branch, merchant: &Merchant, point: &str, write: Write) -> Branch {
    let (what, begun) = (format!("{point} {write:?}"), Instant::now());
    let asks = asks(&branch, merchant, write).await;
    if is_of_snapshots(point) {
        lengthen(&branch, merchant).await;
    }
    let before = head(&branch).await;
    let mut told: Vec<Option<Answer>> = asks.iter().map(|_ask| None).collect();
    if point.starts_with("settle") {
        // Where nothing is as it was presumed, the log is looked at: these keys are used.
        for (ask, told) in asks.iter().zip(&mut told) {
            *told = Some(branch.client().send(&ask.request()).await.unwrap());
        }
    }
    // Its followers let go of the log, so that those of the next server run.
    branch.server.signal("TERM").unwrap();
    let mut ended = branch.server;
    tokio::task::spawn_blocking(move || ended.wait().unwrap()).await.unwrap();

    // What died before has its lease for a while; it is as if that while had passed.
    let mut log = branch.ledger.superuser().await.unwrap();
    sqlx::query("update log.followers set lease_until = now() - interval '1 second'").execute(&mut log).await.unwrap();
    let direct = branch.ledger.superuser_url().to_owned();
    let proxy = Proxy::start(Upstream::from_url(&direct).unwrap(), 1).await.unwrap();
    if point.contains("find_own") {
        proxy.faults().add(Rule::once("log.append", Fault::LoseAnswer(Ending::Close)));
    }
    let trap = format!("{point}:1");
    // One that is passed on the way to readiness is never ready.
    if let Ok(server) = Server::start(&proxy.url_for(&direct).unwrap(), &[("DAYBOOK_CRASH_AT", &trap)]).await {
        let mut client = server.client();
        for (ask, told) in asks.iter().zip(&mut told) {
            // The one way to see that it was cut off: no second try on a new connection.
            let bytes = ask.request().bytes(client.address);
            let Ok(answer) = client.exchange(&bytes).await else { break };
            assert_eq!(answer.status, 200, "{what}: {answer:?}");
            *told = Some(answer);
        }
        assert_aborted(server, &what).await;
    }

    branch.server = Server::start(&direct, &[]).await.unwrap();
    let mut client = branch.client();
    for (ask, told) in asks.iter().zip(&told) {
        let [again, once_more] =
            [client.send(&ask.request()).await.unwrap(), client.send(&ask.request()).await.unwrap()];
        assert_eq!(again.status, 200, "{what}: {again:?}");
        assert_eq!(kept(&again), kept(&once_more), "{what}");
        if let Some(told) = told {
            assert_eq!(kept(told), kept(&again), "{what}: it was acknowledged");
        }
    }
    let events: i64 = asks.iter().map(|ask| ask.events).sum();
    assert_eq!(head(&branch).await - before, events, "{what}: not each one once");
    say(&format!("died at {what} and was finished, in {:.1?}", begun.elapsed()));
    branch
}

/// It dies of the trap and of nothing else: at once, or when what it does besides comes to it.
async fn assert_aborted(mut server: Server, what: &str) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let dying = async {
        while server.is_running() {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), dying).await.is_ok(), "{what} was never passed");
    let status = tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(ABORTED), "{what}");
}

/// What every answer to one request has alike: secrets are shown once, and a bulk says of each item if it is a repeat.
fn kept(answer: &Answer) -> Value {
    let mut told = answer.json();
    if let Some(told) = told.as_object_mut() {
        told.remove("shown_once");
    }
    let items = told.pointer_mut("/data/items").and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|item| {
        item.remove("replayed");
    });
    told
}

async fn head(branch: &Branch) -> i64 {
    let mut log = branch.ledger.superuser().await.unwrap();
    sqlx::query_scalar("select coalesce(max(position), 0) from log.events").fetch_one(&mut log).await.unwrap()
}

/// Requests of one kind, with what they need prepared.
async fn asks(branch: &Branch, merchant: &Merchant, write: Write) -> Vec<Ask> {
    let paid = if write == Write::Refund { captured(branch, merchant, &fresh("order")).await } else { String::new() };
    let mut asks = Vec::new();
    for n in 0..ASKED {
        let (name, operator) = (fresh("death"), branch.operator.clone());
        let (caller, path, body, events) = match write {
            Write::Payment => (merchant.test.clone(), PAYMENTS.to_owned(), payment(&name), 1),
            Write::Bulk => (merchant.test.clone(), format!("{PAYMENTS}/bulk"), bulk(&name), 3),
            Write::Cancel => {
                let started = ask(&mut branch.client(), &merchant.test, PAYMENTS, &name, &payment(&name)).await;
                let path = format!("{PAYMENTS}/{}/cancel", started.data("payment_no"));
                (merchant.test.clone(), path, json!({ "reason": "a test" }), 1)
            }
            Write::Refund => {
                let body = json!({ "payment_no": paid, "amount": 10, "reason": "returned" });
                (merchant.test.clone(), REFUNDS.to_owned(), body, 1)
            }
            Write::Order => {
                let items = json!([{ "name": "Ticket", "quantity": 1, "unit_price": 100 }]);
                let body = json!({ "order_no": name, "currency": "USD", "total": 100, "items": items });
                (merchant.test.clone(), "/api/v1/orders".to_owned(), body, 1)
            }
            Write::Remittance => {
                let body = json!({ "channel": "stripe", "currency": "USD", "gross": 1_000, "fee": 30, "net": 970,
                                   "effective_at": "2026-01-31T00:00:00Z", "livemode": false });
                (operator, "/api/v1/remittances".to_owned(), body, 1)
            }
            Write::Registration => {
                let body = json!({ "name": "Corner Theatre", "email": format!("{name}@example.com") });
                (operator, "/api/v1/merchants".to_owned(), body, 1)
            }
            Write::Limits => {
                let body = json!({ "currency": "USD", "per_day": 1_000_000 + n });
                (operator, format!("/api/v1/merchants/{}/limits", merchant.id), body, 1)
            }
        };
        asks.push(Ask { caller, path, key: fresh("key"), body, events });
    }
    asks
}

fn bulk(name: &str) -> Value {
    let item = |n: usize| {
        let mut item = payment(&format!("{name}-{n}"));
        item["idempotency_key"] = format!("{name}-{n}").into();
        item
    };
    json!({ "payments": (0..3).map(item).collect::<Vec<Value>>() })
}

/// Brings the merchant's stream to a few events before the next mark.
async fn lengthen(branch: &Branch, merchant: &Merchant) {
    let store = branch.ledger.store().unwrap();
    let id: Arc<str> = merchant.id.as_str().into();
    let by = domain::actor::Actor::Process;
    let tenant: MerchantId = merchant.id.parse().unwrap();
    let act = Act::deciding(move |books| {
        let mut version = books.version::<Trader>(&id)?;
        while version % 256 != 250 {
            let limits = Limits { per_month_minor: Some(version), ..Limits::default() };
            let command = MerchantCommand::AgreeLimits { currency: "JPY".parse().unwrap(), limits, by };
            assert!(books.tell::<Trader>(&id, &command)?.is_ok());
            version += 1;
        }
        Ok(Verdict::Accepted(Told::default()))
    });
    let tenant = event_store::Tenant { merchant_id: Some(tenant.uuid()), livemode: None };
    let outcome = store.execute(Act { tenant, ..act }).await.unwrap();
    assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    store.close().await;
}
