//! For every process, what makes it work: each prepared, begun, and known by how it ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgConnection;
use system_tests::branch::{Branch, Merchant, fresh};
use system_tests::client::{Client, Request};

use super::{PAYMENTS, REFUNDS};

pub(super) const WITHIN: Duration = Duration::from_secs(60);

/// What happens outside, from a merchant or a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    Taken,
    Declined,
    Captured,
    Cancelled,
    Refunded,
    RefundRefused,
    RefundBounced,
    PartCaptured,
    AuthorisedLate,
    PaidAfterCancelling,
    NeverCaptured,
    WeekEnded,
    PayoutRefused,
    RefundedAfterSettling,
}

/// A process at work in a story.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) process: &'static str,
    pub(super) story: Story,
    /// Turns it takes at least; each is a step forward, or back.
    pub(super) turns: usize,
    /// Calls of a channel it makes at least.
    pub(super) calls: usize,
}

const fn of(process: &'static str, story: Story, turns: usize, calls: usize) -> Scenario {
    Scenario { process, story, turns, calls }
}

/// At least one for each process; those that go back, too.
pub(super) const SCENARIOS: [Scenario; 16] = [
    of("take_payment", Story::Taken, 2, 1),
    of("take_payment", Story::Declined, 2, 1),
    of("capture_payment", Story::Captured, 2, 1),
    of("cancel_payment", Story::Cancelled, 2, 1),
    of("refund_payment", Story::Refunded, 2, 1),
    of("refund_payment", Story::RefundRefused, 2, 1),
    of("refund_payment", Story::RefundBounced, 3, 1),
    of("return_suspense", Story::PartCaptured, 2, 1),
    of("release_late", Story::AuthorisedLate, 2, 1),
    of("give_back", Story::PaidAfterCancelling, 2, 0),
    of("expire_authorisation", Story::NeverCaptured, 3, 1),
    of("open_settlement", Story::WeekEnded, 1, 0),
    of("settle", Story::WeekEnded, 2, 0),
    of("pay_out", Story::WeekEnded, 2, 1),
    of("pay_out", Story::PayoutRefused, 2, 1),
    of("record_funds", Story::RefundedAfterSettling, 1, 0),
];

/// It remembers nothing and begins nothing: it asks once, and tells what it heard as a report would. Where it dies, whatever
/// it was to find out is still to be found out. `reports.rs` and `remittances.rs` show what it does.
const WITHOUT_STEPS: [&str; 1] = ["look_into"];

#[test]
fn every_process_has_a_scenario() {
    let shown: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.process).collect();
    let all: BTreeSet<&str> = processes::NAMES.iter().copied().filter(|name| !WITHOUT_STEPS.contains(name)).collect();
    assert_eq!(shown, all, "a process without a scenario is not shown to survive anything: add one here");
}

/// A merchant of its own, with what was there before.
pub(super) struct Ready {
    pub(super) story: Story,
    pub(super) merchant: Merchant,
    asks: Vec<Request>,
}

/// How a story ends: with one event of this type, or of another that comes to the same.
const fn end(story: Story) -> &'static [&'static str] {
    match story {
        Story::Taken | Story::Captured => &["captured"],
        Story::Declined => &["failed"],
        Story::Cancelled | Story::NeverCaptured => &["cancelled"],
        Story::Refunded | Story::PaidAfterCancelling => &["refund_confirmed"],
        Story::RefundRefused => &["refund_released"],
        // Who first hears that it came back never says that it went.
        Story::RefundBounced => &["refund_bounced", "refund_released"],
        Story::PartCaptured => &["suspense_returned"],
        Story::AuthorisedLate => &["late_authorisation_released"],
        Story::WeekEnded => &["paid_out"],
        Story::PayoutRefused => &["payout_failed"],
        Story::RefundedAfterSettling => &["debited"],
    }
}

/// All that has to be there before the process begins.
pub(super) async fn prepare(branch: &Branch, books: &mut PgConnection, story: Story) -> Ready {
    let merchant = branch.merchant().await.unwrap();
    let mut ready = Ready { story, merchant, asks: Vec::new() };
    let client = &mut branch.client();
    match story {
        Story::Taken => ready.plan_to_pay("visa", "automatic", 10_000),
        Story::Declined => ready.plan_to_pay("declined", "automatic", 10_000),
        Story::PartCaptured => ready.plan_to_pay("partial_capture", "automatic", 10_000),
        Story::AuthorisedLate => ready.plan_to_pay("late_success", "manual", 10_000),
        Story::NeverCaptured => ready.plan_to_pay("visa", "manual", 10_000),
        Story::Captured | Story::Cancelled | Story::PaidAfterCancelling => {
            let (payment, order_no) = ready.pay(client, "visa", "manual", 10_000).await;
            until(books, &ready.merchant, "authorised", 1).await;
            if story == Story::PaidAfterCancelling {
                ready.ask(client, &format!("/api/v1/orders/{order_no}/cancel"), &json!({})).await;
            }
            let what = if story == Story::Cancelled { "cancel" } else { "capture" };
            ready.plan_to_ask(&format!("{PAYMENTS}/{payment}/{what}"), &json!({}));
        }
        Story::Refunded | Story::RefundRefused | Story::RefundBounced => {
            let token = if story == Story::RefundRefused {
                "refund_refused"
            } else if story == Story::RefundBounced {
                "refund_fails_after_success"
            } else {
                "visa"
            };
            let (payment, _) = ready.pay(client, token, "automatic", 10_000).await;
            until(books, &ready.merchant, "captured", 1).await;
            ready.plan_to_ask(REFUNDS, &json!({ "payment_no": payment, "amount": 2_500, "reason": "returned" }));
        }
        Story::WeekEnded | Story::RefundedAfterSettling => {
            let (payment, _) = ready.to_settle(branch, books, &[10_000]).await.remove(0);
            if story == Story::RefundedAfterSettling {
                a_week_passes(books, &ready.merchant).await;
                until(books, &ready.merchant, "paid_out", 1).await;
                ready.plan_to_ask(REFUNDS, &json!({ "payment_no": payment, "amount": 2_500, "reason": "returned" }));
            }
        }
        // More than the sandbox pays.
        Story::PayoutRefused => drop(ready.to_settle(branch, books, &[600_000_000_000_000; 2]).await),
    }
    ready
}

impl Ready {
    fn payment(&self, token: &str, capture: &str, amount: i64) -> (String, Value) {
        let order_no = fresh("story");
        let body = json!({ "order_no": order_no, "amount": amount, "currency": "USD", "channel": "stripe",
                           "pay_method": format!("pm_sandbox_{token}"), "capture": capture });
        (order_no, body)
    }

    fn plan_to_pay(&mut self, token: &str, capture: &str, amount: i64) {
        let (_order_no, body) = self.payment(token, capture, amount);
        self.plan_to_ask(PAYMENTS, &body);
    }

    fn plan_to_ask(&mut self, path: &str, body: &Value) {
        self.asks.push(Request::post(path, body).keyed(fresh("story")).by(&self.merchant.test));
    }

    async fn pay(&self, client: &mut Client, token: &str, capture: &str, amount: i64) -> (String, String) {
        let (order_no, body) = self.payment(token, capture, amount);
        (self.ask(client, PAYMENTS, &body).await, order_no)
    }

    async fn ask(&self, client: &mut Client, path: &str, body: &Value) -> String {
        super::post(client, &self.merchant.test, path, &fresh("story"), body).await.data("payment_no")
    }

    /// Captured payments of a merchant that is settled by a schedule.
    async fn to_settle(&self, branch: &Branch, books: &mut PgConnection, amounts: &[i64]) -> Vec<(String, String)> {
        let schedule = json!({ "delay_business_days": 1, "time_zone": "UTC", "two_people": false });
        branch.operate(&format!("/api/v1/merchants/{}/schedule", self.merchant.id), &schedule).await.unwrap();
        let mut payments = Vec::new();
        for amount in amounts {
            payments.push(self.pay(&mut branch.client(), "visa", "automatic", *amount).await);
        }
        let waiting = "select count(*) from work.unsettled where merchant_id = $1::uuid and starts_with(stream, $2)";
        let count = i64::try_from(amounts.len()).unwrap();
        until_so_many(books, waiting, &self.merchant, "PAY", count).await;
        payments
    }

    /// What makes the process begin, while no server runs.
    pub(super) async fn begin_unseen(&self, books: &mut PgConnection) {
        if matches!(self.story, Story::WeekEnded | Story::PayoutRefused) {
            a_week_passes(books, &self.merchant).await;
        }
    }

    /// A server that slept while its database ended its sessions says "not now", and is asked until it does not.
    pub(super) async fn until_awake(&self, client: &mut Client) {
        let (begun, mut status) = (Instant::now(), 503);
        while status == 503 && begun.elapsed() < WITHIN {
            tokio::time::sleep(Duration::from_millis(100)).await;
            for ask in &self.asks {
                status = client.send(ask).await.unwrap().status;
            }
        }
    }

    /// What makes the process begin. Asked again it is the same; a server may die of it.
    pub(super) async fn begin(&self, client: &mut Client) -> std::io::Result<()> {
        for ask in &self.asks {
            let answer = client.send(ask).await?;
            assert_eq!(answer.status, 200, "{:?}: {answer:?}", self.story);
        }
        Ok(())
    }

    pub(super) async fn has_ended(&self, books: &mut PgConnection) -> bool {
        let mut told = 0;
        for event_type in end(self.story) {
            told += count(books, EVENTS, &self.merchant, event_type).await;
        }
        told == 1 && idle(books, &self.merchant).await
    }

    pub(super) async fn until_ended(&self, books: &mut PgConnection) {
        let begun = Instant::now();
        while !self.has_ended(books).await {
            assert!(begun.elapsed() < WITHIN, "{:?} has not ended: {}", self.story, left(books, &self.merchant).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

const EVENTS: &str = "select count(*) from log.events where merchant_id = $1::uuid and event_type = $2";

/// Nothing of this merchant is to be looked at soon, and no saga of it goes on by itself.
async fn idle(books: &mut PgConnection, merchant: &Merchant) -> bool {
    left(books, merchant).await.is_empty()
}

/// What keeps a merchant's story from its end; a payout that was refused waits for a person.
async fn left(books: &mut PgConnection, merchant: &Merchant) -> String {
    let left = "select coalesce(string_agg(told, ', '), '') from ( \
        select process || ' of ' || business || ' is due' as told from work.due \
        where merchant_id = $1::uuid and process <> 'open_settlement' and due_at < now() + interval '10 minutes' \
        union all \
        select 'the processes are behind' from log.followers \
        where name = 'processes' and position < (select max(position) from log.events) \
        union all \
        select s.payload -> 'started' ->> 'process' || ' of ' || (s.payload -> 'started' ->> 'business_id') || ' goes on' \
        from log.events s where s.aggregate_type = 'saga' and s.event_type = 'started' and s.merchant_id = $1::uuid \
        and not exists (select from log.events e where e.aggregate_type = 'saga' and e.aggregate_id = s.aggregate_id \
                        and e.event_type in ('completed', 'compensated', 'attention_needed')) \
        and not exists (select from work.due d where d.process = s.payload -> 'started' ->> 'process' \
                        and d.business = s.payload -> 'started' ->> 'business_id' \
                        and d.due_at > now() + interval '10 minutes')) x";
    sqlx::query_scalar(left).bind(uuid(merchant)).fetch_one(books).await.unwrap()
}

fn uuid(merchant: &Merchant) -> &str {
    merchant.id.trim_start_matches("MER")
}

async fn count(books: &mut PgConnection, question: &str, merchant: &Merchant, of: &str) -> i64 {
    sqlx::query_scalar(question).bind(uuid(merchant)).bind(of).fetch_one(books).await.unwrap()
}

async fn until(books: &mut PgConnection, merchant: &Merchant, event_type: &str, wanted: i64) {
    until_so_many(books, EVENTS, merchant, event_type, wanted).await;
}

async fn until_so_many(books: &mut PgConnection, question: &str, merchant: &Merchant, of: &str, wanted: i64) {
    let begun = Instant::now();
    loop {
        let is = count(books, question, merchant, of).await;
        if is == wanted {
            return;
        }
        assert!(begun.elapsed() < WITHIN, "{is} of {of}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// As if all that waits to be settled of this merchant had come last week.
async fn a_week_passes(books: &mut PgConnection, merchant: &Merchant) {
    for change in [
        "update work.unsettled set since = since - interval '7 days' where merchant_id = $1::uuid",
        "update work.due set due_at = now(), heard = heard + 1 \
         where process = 'open_settlement' and merchant_id = $1::uuid",
    ] {
        sqlx::query(change).bind(uuid(merchant)).execute(&mut *books).await.unwrap();
    }
}
