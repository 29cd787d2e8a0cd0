//! Clocks that jump by a day, of Postgres and of two servers: no effect hangs on them.

use std::time::Duration;

use channels::sandbox::FaultPlan;
use chrono::Utc;
use serde_json::{Value, json};
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Answer, Request};
use system_tests::say::say;
use system_tests::server::Server;

use super::by_hand::{ByHand, Shim};
use crate::operations::{until, until_well};
use crate::reactions::Outside;
use crate::reactions::holding::all_holds;

const DAY: i64 = 86_400;
const WITHIN: Duration = Duration::from_secs(60);
/// How wrong the clocks are, one after the other: of one server, of the other, of Postgres.
const WRONG: [[i64; 3]; 6] =
    [[0, 0, 0], [DAY, -DAY, 0], [-DAY, DAY, DAY], [0, DAY, -DAY], [3_600, -1, -DAY], [0, 0, 0]];

/// A server and the clock it has.
struct Node {
    server: Server,
    clock: Shim,
    wrong_by: i64,
}

impl Node {
    async fn start(name: &str, postgres: &ByHand, outside: &Outside) -> Self {
        let clock = postgres.shim.another(name);
        clock.say("0");
        let own = clock.environment();
        let mut environment = outside.environment().to_vec();
        environment.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
        let server = Server::start(postgres.ledger.superuser_url(), &environment).await.unwrap();
        Self { server, clock, wrong_by: 0 }
    }

    fn set(&mut self, wrong_by: i64) {
        self.clock.say(&wrong_by.to_string());
        self.wrong_by = wrong_by;
    }

    /// Signed by the time the server has: who asks with another is turned away, and nothing is done.
    async fn ask(&self, merchant: &Merchant, path: &str, key: &str, body: &Value) -> Answer {
        let request = Request::post(path, body).keyed(key);
        let at = Utc::now().timestamp() + self.wrong_by;
        self.server.client().send(&request.by_at(&merchant.test, at)).await.unwrap()
    }

    async fn status(&self, merchant: &Merchant, payment: &str) -> String {
        let request = Request::get(format!("/api/v1/payments/{payment}"));
        let at = Utc::now().timestamp() + self.wrong_by;
        self.server.client().send(&request.by_at(&merchant.test, at)).await.unwrap().data("status")
    }
}

fn payment(capture: &str) -> Value {
    json!({ "order_no": fresh("clock"), "amount": 10_000, "currency": "USD", "channel": "stripe",
            "pay_method": "pm_sandbox_visa", "capture": capture })
}

/// By one server, and then again by the other: the same answer, once done.
async fn twice(nodes: &[Node; 2], first: usize, merchant: &Merchant, path: &str, body: &Value) -> String {
    let (key, other) = (fresh("clock"), 1 - first);
    let answer = nodes[first].ask(merchant, path, &key, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let again = nodes[other].ask(merchant, path, &key, body).await;
    assert_eq!((again.status, &again.body), (200, &answer.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
    answer.data("payment_no")
}

// covers B13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_jump_by_a_day_change_no_order_no_effect_and_no_answer() {
    let postgres = ByHand::start("clock", "DAYBOOK_CLOCK_SWITCH").await;
    let outside = Outside::new(FaultPlan::default()).await;
    let branch = Branch::on(postgres.ledger.clone(), &[]).await.unwrap();
    let merchant = branch.merchant().await.unwrap();
    let mut nodes = [Node::start("one", &postgres, &outside).await, Node::start("other", &postgres, &outside).await];
    let (mut paid, mut held) = (Vec::new(), Vec::new());
    for [one, other, of_postgres] in WRONG {
        nodes[0].set(one);
        nodes[1].set(other);
        postgres.shim.say(&of_postgres.to_string());
        until_well("both have their time", WITHIN, async || are_set(&nodes, &merchant).await).await;
        for first in [0, 1] {
            paid.push(twice(&nodes, first, &merchant, "/api/v1/payments", &payment("automatic")).await);
            held.push(twice(&nodes, first, &merchant, "/api/v1/payments", &payment("manual")).await);
        }
        for payment in &paid[paid.len() - 2..] {
            until("it is paid", WITHIN, async || {
                (nodes[0].status(&merchant, payment).await == "success").then_some(())
            })
            .await;
            let body = json!({ "payment_no": payment, "amount": 2_500, "reason": "returned" });
            twice(&nodes, 1, &merchant, "/api/v1/refunds", &body).await;
            until("it is given back", WITHIN, async || {
                (nodes[1].status(&merchant, payment).await == "partially_refunded").then_some(())
            })
            .await;
        }
        let is_old = nodes[0].server.client();
        let stale = Request::post("/api/v1/payments", &payment("automatic")).keyed(fresh("stale"));
        let at = Utc::now().timestamp() + one + 3_000;
        let mut client = is_old;
        let turned_away = client.send(&stale.by_at(&merchant.test, at)).await.unwrap();
        assert_eq!(turned_away.verdict(), "401 signature_expired", "each server goes by its own clock");
    }
    all_holds(&branch, Some(&outside)).await;
    let mut log = branch.ledger.superuser().await.unwrap();
    let (out_of_order, ended, days): (i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where recorded_at < before), \
                count(*) filter (where aggregate_type = 'payment' and event_type in ('cancelled', 'expired', 'failed')), \
                extract(epoch from max(recorded_at) - min(recorded_at))::bigint / 86400 \
         from (select *, lag(recorded_at) over (order by position) as before from log.events) e",
    )
    .fetch_one(&mut log)
    .await
    .unwrap();
    assert_eq!((out_of_order, ended, days), (0, 0, 1), "the log's own time goes on, and nothing ran out");
    for (payment, wanted) in
        paid.iter().map(|paid| (paid, "captured")).chain(held.iter().map(|held| (held, "authorised")))
    {
        let told = "select count(*) from log.events where aggregate_id = $1 and event_type = $2";
        let count: i64 = sqlx::query_scalar(told).bind(payment).bind(wanted).fetch_one(&mut log).await.unwrap();
        assert_eq!(count, 1, "{payment} {wanted}");
    }
    say(&format!("{} jumps of three clocks: {} payments, each once", WRONG.len() - 1, paid.len() + held.len()));
}

/// What is signed by its own time is let in by each.
async fn are_set(nodes: &[Node; 2], merchant: &Merchant) -> Result<(), String> {
    for node in nodes {
        let request = Request::get("/api/v1/payments");
        let at = Utc::now().timestamp() + node.wrong_by;
        let answer = node.server.client().send(&request.by_at(&merchant.test, at)).await.unwrap();
        if answer.status != 200 {
            let log = node.server.log().unwrap();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            return Err(format!("wrong by {}: {}: {last:#?}", node.wrong_by, answer.verdict()));
        }
    }
    Ok(())
}
