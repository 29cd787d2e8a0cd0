//! The server is told to end, or killed, under load: what was acknowledged is there.

use std::collections::BTreeMap;
use std::time::Duration;

use system_tests::branch::{Branch, Merchant};
use system_tests::client::Request;
use system_tests::proxy::{Fault, Proxy, Rule, Upstream};
use system_tests::server::Server;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{PAYMENTS, ask, assert_sound, payment};

const CALLERS: usize = 16;

/// Keys and what was answered to each; nothing for those that lost their connection.
type Told = BTreeMap<String, Option<(u16, String)>>;

/// Callers that ask until nobody answers any more.
fn load(server: &Server, merchant: &Merchant, acked: &mpsc::UnboundedSender<()>) -> JoinSet<Told> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (mut client, merchant, acked) = (server.client(), merchant.clone(), acked.clone());
        callers.spawn(async move {
            let mut told = Told::new();
            for turn in 0.. {
                let name = format!("end-{caller}-{turn}");
                let request = Request::post(PAYMENTS, &payment(&name)).keyed(&name).by(&merchant.test);
                // The one way to see that it was cut off: no second try on a new connection.
                let bytes = request.bytes(client.address);
                let answer = client.exchange(&bytes).await.ok();
                told.insert(name, answer.as_ref().map(|answer| (answer.status, answer.body.clone())));
                if answer.is_none() {
                    break;
                }
                if acked.send(()).is_err() {
                    break;
                }
            }
            told
        });
    }
    callers
}

/// Ends a server after so many answers; what everybody was told, and the status it ended with.
async fn end_under_load(branch: &Branch, merchant: &Merchant, signal: &str) -> (Told, Option<i32>) {
    let mut server = Server::start(branch.ledger.superuser_url(), &[]).await.unwrap();
    let (acked, mut answers) = mpsc::unbounded_channel();
    let callers = load(&server, merchant, &acked);
    for _answer in 0..800 {
        answers.recv().await.unwrap();
    }
    server.signal(signal).unwrap();
    let told = callers.join_all().await.into_iter().flatten().collect();
    let status = tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
    (told, status.code())
}

/// Everything acknowledged is in the log; asked again with the same key, every answer is the one that was given.
/// Returns how many were done and never answered.
async fn assert_kept(branch: &Branch, merchant: &Merchant, told: &Told) -> usize {
    let mut unanswered = 0;
    let mut client = branch.client();
    for (name, answer) in told {
        let again = ask(&mut client, &merchant.test, PAYMENTS, name, &payment(name)).await;
        assert_eq!(again.status, 200, "{again:?}");
        if let Some((status, body)) = answer {
            assert_eq!((*status, body), (200, &again.body), "{name}");
            assert_eq!(again.header("idempotency-replayed"), Some("true"), "{name} was acknowledged and is lost");
        } else if again.header("idempotency-replayed").is_some() {
            unanswered += 1;
        }
    }
    let mut log = branch.ledger.superuser().await.unwrap();
    assert_sound(&mut log).await;
    unanswered
}

// covers C2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_told_to_end_under_load_answers_what_it_took_and_ends_well() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let (told, status) = end_under_load(branch, &merchant, "TERM").await;
    assert_eq!(status, Some(0));
    assert!(told.len() >= 800);
    let unanswered = assert_kept(branch, &merchant, &told).await;
    assert_eq!(unanswered, 0, "what it took it must answer; what it did not take it must not do");
}

// covers C2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_when_a_server_is_told_to_end_is_answered_first() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let direct = branch.ledger.superuser_url();
    let proxy = Proxy::start(Upstream::from_url(direct).unwrap(), 1).await.unwrap();
    let mut server = Server::start(&proxy.url_for(direct).unwrap(), &[]).await.unwrap();
    assert_eq!(ask(&mut server.client(), &merchant.test, PAYMENTS, "warm", &payment("warm")).await.status, 200);
    proxy.faults().add(Rule::once("log.append", Fault::HoldAnswer));
    let (mut client, asking) = (server.client(), merchant.clone());
    let under_way =
        tokio::spawn(async move { ask(&mut client, &asking.test, PAYMENTS, "last", &payment("last")).await });
    proxy.faults().until(|counts| counts.answers_held == 1).await;
    server.signal("TERM").unwrap();
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    while TcpStream::connect(server.address).await.is_ok() {
        looks.tick().await;
    }
    proxy.faults().release();
    let answer = under_way.await.unwrap();
    assert_eq!((answer.status, answer.data("order_no").as_str()), (200, "last"), "{answer:?}");
    let status = tokio::task::spawn_blocking(move || server.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

// covers A10, C1 at the level of HTTP
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_has_kept_what_it_acknowledged() {
    let branch = Branch::of_all().await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let (told, status) = end_under_load(branch, &merchant, "KILL").await;
    assert_eq!(status, Some(128 + 9));
    assert!(told.values().filter(|answer| answer.is_none()).count() > 0);
    assert_kept(branch, &merchant, &told).await;
}
