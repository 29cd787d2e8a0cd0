//! Customers of a soak: they pay, change their minds, want money back, ask how it stands.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use system_tests::branch::fresh;
use system_tests::client::{Answer, Caller, Client, Request};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::told::{Ask, BULK, Heard, Told};
use crate::kills::Seeded;

const PAYMENTS: &str = "/api/v1/payments";
/// From one thing a customer does to the next.
const PACE: Duration = Duration::from_millis(700);
/// And between two tries of one thing.
const AGAIN: Duration = Duration::from_millis(150);
/// A server that was paused does not hold up its customers for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// What they remember, to come back to.
const REMEMBERED: usize = 40;

/// Where all of them go, and what was said there.
pub(super) struct Street {
    pub(super) merchants: Vec<Caller>,
    pub(super) operator: Caller,
    pub(super) at: watch::Receiver<SocketAddr>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) told: Mutex<Told>,
}

impl Street {
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap()
    }

    fn is_over(&self) -> bool {
        *self.stop.borrow()
    }
}

pub(super) struct Customer {
    street: Arc<Street>,
    chance: Seeded,
    client: Client,
    /// Whose, and which payment; the second kind waits to be captured or let go.
    paid: Vec<(Caller, String)>,
    held: Vec<(Caller, String)>,
    asked: Vec<Ask>,
}

impl Customer {
    pub(super) fn new(street: &Arc<Street>, seed: u64) -> Self {
        let client = Client::new(*street.at.borrow());
        let (paid, held, asked) = (Vec::new(), Vec::new(), Vec::new());
        Self { street: Arc::clone(street), chance: Seeded(seed), client, paid, held, asked }
    }

    /// Until the load is over.
    pub(super) async fn live(mut self) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.street.is_over() {
            pace.tick().await;
            match self.chance.below(100) {
                0..35 => self.buy("automatic").await,
                35..47 => self.buy("manual").await,
                47..53 => self.buy_many().await,
                53..65 => self.want_back().await,
                65..75 => self.decide().await,
                75..85 => self.ask_once_more().await,
                _ => self.look().await,
            }
        }
    }

    fn someone(&mut self) -> Caller {
        let merchants = &self.street.merchants;
        merchants[self.chance.below(merchants.len())].clone()
    }

    fn body(&mut self, capture: &str) -> Value {
        let method = ["visa", "visa", "visa", "visa", "visa", "declined", "duplicate_report"][self.chance.below(7)];
        json!({ "order_no": fresh("soak"), "amount": 1_000 + self.chance.below(9_000), "currency": "USD",
                "channel": "stripe", "pay_method": format!("pm_sandbox_{method}"), "capture": capture })
    }

    async fn buy(&mut self, capture: &str) {
        let (caller, body) = (self.someone(), self.body(capture));
        let Some(answer) = self.ask(&caller, PAYMENTS, body).await else { return };
        if answer.status == 200 {
            let of = if capture == "manual" { &mut self.held } else { &mut self.paid };
            remember(of, (caller, answer.data("payment_no")));
        }
    }

    async fn buy_many(&mut self) {
        let caller = self.someone();
        let mut items = Vec::new();
        for _item in 0..5 {
            let mut body = self.body("automatic");
            body["idempotency_key"] = fresh("soak-item").into();
            items.push(body);
        }
        self.ask(&caller, BULK, json!({ "payments": items })).await;
    }

    /// Some of it, once or again; where too much was wanted back, it is refused.
    async fn want_back(&mut self) {
        let Some((caller, payment)) = self.one_of() else { return };
        let body = json!({ "payment_no": payment, "amount": 100 + self.chance.below(900), "reason": "returned" });
        self.ask(&caller, "/api/v1/refunds", body).await;
    }

    /// What was only held is taken, in part or whole, or let go: once, for what is so already leaves no event.
    async fn decide(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let nth = self.chance.below(self.held.len());
        let (caller, payment) = self.held.swap_remove(nth);
        let (what, body) = match self.chance.below(3) {
            0 => ("capture", json!({ "amount": 600 })),
            1 => ("capture", json!({})),
            _ => ("cancel", json!({ "reason": "changed their mind" })),
        };
        self.ask(&caller, &format!("{PAYMENTS}/{payment}/{what}"), body).await;
    }

    fn one_of(&mut self) -> Option<(Caller, String)> {
        (!self.paid.is_empty()).then(|| self.paid[self.chance.below(self.paid.len())].clone())
    }

    async fn ask_once_more(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let ask = self.asked[self.chance.below(self.asked.len())].clone();
        let is_left = self.street.told().left.contains(&ask.key);
        if !is_left {
            self.until_settled(&ask).await;
        }
    }

    /// A question has an answer, or it is said that it has none now.
    async fn look(&mut self) {
        let (mut path, mut caller) = (PAYMENTS.to_owned(), self.someone());
        match self.chance.below(3) {
            0 => (path, caller) = ("/api/v1/ledger/balances".to_owned(), self.street.operator.clone()),
            1 => {
                if let Some((whose, payment)) = self.one_of() {
                    (path, caller) = (format!("{PAYMENTS}/{payment}"), whose);
                }
            }
            _ => {}
        }
        let Some(answer) = self.send(&Request::get(&path).by(&caller)).await else { return };
        // Read models come after the log: one that is behind has not heard of what was just said.
        let is_good = matches!(answer.status, 200 | 404) || answer.header("retry-after").is_some();
        if !is_good || (500..503).contains(&answer.status) {
            self.street.told().wrong.push(format!("{path}: {answer:?}"));
        }
    }

    /// Something new; its answer, unless the load was over before there was one.
    async fn ask(&mut self, caller: &Caller, path: &str, body: Value) -> Option<Answer> {
        let ask = Ask { caller: caller.clone(), path: path.to_owned(), key: fresh("soak"), body };
        self.street.told().asks(&ask);
        remember(&mut self.asked, ask.clone());
        self.until_settled(&ask).await
    }

    async fn until_settled(&mut self, ask: &Ask) -> Option<Answer> {
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            again.tick().await;
            let answer = self.send(&ask.request()).await;
            let heard = self.street.told().hears(ask, answer.as_ref());
            match heard {
                Heard::Settled => return answer,
                // One in five believes it and goes away: then it must never have been done. The others come again.
                Heard::Denied if ask.path != BULK && self.chance.below(5) == 0 => {
                    self.street.told().leaves(ask);
                    return None;
                }
                Heard::Denied | Heard::Nothing if self.street.is_over() => return None,
                Heard::Denied | Heard::Nothing => {}
            }
        }
    }

    /// To the server there is now; nothing where there is no answer.
    async fn send(&mut self, request: &Request) -> Option<Answer> {
        let at = *self.street.at.borrow();
        if self.client.address != at {
            self.client = Client::new(at);
        }
        // No second try on a new connection: whoever was cut off cannot know.
        let bytes = request.bytes(at);
        match timeout(PATIENCE, self.client.exchange(&bytes)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(_cut_off)) => None,
            Err(_elapsed) => {
                self.client = Client::new(at);
                None
            }
        }
    }
}

fn remember<T>(what: &mut Vec<T>, one: T) {
    if what.len() == REMEMBERED {
        what.remove(0);
    }
    what.push(one);
}
