//! The server dies around every turn and call of every process: each is finished, once.

use std::time::{Duration, Instant};

use event_store::crash;
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Client, Request};
use system_tests::say::say;
use system_tests::server::Server;
use system_tests::times::times;

use super::{DUE, Outside, PAYMENTS, REFUNDS, assert_true, merchant, pay, until_all, until_sql};
use channels::sandbox::FaultPlan;

const SOON: Duration = Duration::from_secs(40);

/// How often each point is passed by the four processes below: each has two turns and one call at least.
const TURNS: usize = 8;
const CALLS: usize = 4;

fn deaths() -> Vec<String> {
    let times = |point: &str| if point.ends_with("call") { CALLS } else { TURNS };
    let all = crash::OF_A_PROCESS.iter().flat_map(|point| (1..=times(point)).map(move |n| format!("{point}:{n}")));
    all.collect()
}

/// One of each kind of business, ready to be asked for.
struct Ready {
    paid: String,
    authorised: [String; 2],
}

// covers D6, D13, A10, C1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_at_any_turn_or_call_is_followed_by_one_that_finishes_it_once() {
    let outside = Outside::new(FaultPlan::default()).await;
    let deaths = deaths();
    let most = times("DAYBOOK_REACTION_DEATHS", 24);
    // In a stride, so that a small sample has some of every kind.
    let stride = deaths.len().div_ceil(most.max(1)).max(1);
    let chosen: Vec<&String> = deaths.iter().step_by(stride).collect();
    let environment: Vec<(String, String)> =
        outside.environment().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut branch = Branch::own(&environment).await.unwrap();
    let (merchant, mut client) = merchant(&branch).await;
    for trap in &chosen {
        let begun = Instant::now();
        let ready = prepare(&branch, &mut client, &merchant).await;
        branch.server.signal("TERM").unwrap();
        let mut ended = branch.server;
        tokio::task::spawn_blocking(move || ended.wait().unwrap()).await.unwrap();

        let mut trapped = environment.clone();
        trapped.push(("DAYBOOK_CRASH_AT", trap));
        let asks = asks(&merchant, &ready);
        let server = Server::start(branch.ledger.superuser_url(), &trapped).await.unwrap();
        let mut dying = server.client();
        for ask in &asks {
            if dying.exchange(&ask.bytes(dying.address)).await.is_err() {
                break;
            }
        }
        until_dead(server, trap).await;

        branch.server = Server::start(branch.ledger.superuser_url(), &environment).await.unwrap();
        client = branch.client();
        let mut created = String::new();
        for ask in &asks {
            let answer = client.send(ask).await.unwrap();
            assert_eq!(answer.status, 200, "{trap}: {answer:?}");
            if ask.path == PAYMENTS {
                created = answer.data("payment_no");
            }
        }
        let [captured, cancelled] = ready.authorised;
        let ends =
            [(created, "success"), (ready.paid, "partially_refunded"), (captured, "success"), (cancelled, "cancelled")];
        until_all(&mut client, &merchant.test, &ends, SOON).await;
        let open = "select count(*) from read.saga_instances where status not in ('completed', 'compensated')";
        until_sql(&branch, open, 0, SOON).await;
        until_sql(&branch, DUE, 0, SOON).await;
        assert_true(&branch, &outside).await;
        say(&format!("died at {trap} and was finished, in {:.1?}", begun.elapsed()));
    }
    say(&format!("a server died {} of {} times between what processes do", chosen.len(), deaths.len()));
}

async fn prepare(branch: &Branch, client: &mut Client, merchant: &Merchant) -> Ready {
    let manual = || json!({ "capture": "manual" });
    let paid = pay(client, &merchant.test, "pm_sandbox_visa", json!({})).await;
    let authorised = [
        pay(client, &merchant.test, "pm_sandbox_visa", manual()).await,
        pay(client, &merchant.test, "pm_sandbox_visa", manual()).await,
    ];
    until_all(client, &merchant.test, &[(paid.clone(), "success")], SOON).await;
    let are_authorised = "select count(*) from read.payment_attempts where phase = 'authorised'";
    until_sql(branch, are_authorised, 2, SOON).await;
    until_sql(branch, DUE, 0, SOON).await;
    Ready { paid, authorised }
}

/// One request for each process, each under a key of its own.
fn asks(merchant: &Merchant, ready: &Ready) -> Vec<Request> {
    let order_no = fresh("death");
    let [captured, cancelled] = &ready.authorised;
    let payment = json!({ "order_no": order_no, "amount": 10_000, "currency": "USD", "channel": "stripe" });
    let refund = json!({ "payment_no": ready.paid, "amount": 2_500, "reason": "returned" });
    let asks: [(String, Value); 4] = [
        (PAYMENTS.to_owned(), payment),
        (REFUNDS.to_owned(), refund),
        (format!("{PAYMENTS}/{captured}/capture"), json!({})),
        (format!("{PAYMENTS}/{cancelled}/cancel"), json!({})),
    ];
    asks.iter().map(|(path, body)| Request::post(path, body).keyed(fresh("death")).by(&merchant.test)).collect()
}

async fn until_dead(mut server: Server, trap: &str) {
    let begun = Instant::now();
    while server.is_running() {
        assert!(begun.elapsed() < SOON, "{trap} was never passed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
}
