//! Payments at a steady rate, and what people do about some of them afterwards.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use load::{Caller, Plan, Progress, Seen};
use serde_json::{Value, json};

use super::{
    desk::{Answer, Desk},
    kinds::{Follow, Kind},
    shops::Shop,
};
use crate::failure::{Failure, Result};

const CONNECTIONS: usize = 16;
/// One request in so many is the same as one before, under the same key.
const AGAIN_EVERY: u64 = 40;
/// One in so many asks for an order that was asked for before, under another key.
const DUPLICATE_EVERY: u64 = 50;
/// So long before that it has its answer.
const BEFORE: u64 = 30;
const FOLLOWED_WITHIN: Duration = Duration::from_secs(20);
const BREATH: Duration = Duration::from_millis(50);

/// A payment somebody will do something about.
pub(super) struct Due {
    payment_no: String,
    n: u64,
}

/// What was done, and what was refused as it should be.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) done: u64,
    pub(super) refused: u64,
    /// Not possible in time.
    pub(super) left: u64,
}

/// What the n-th request asks for.
struct Asked {
    key: String,
    order: u64,
}

fn asked(n: u64) -> Asked {
    let (again, duplicate) = (n % AGAIN_EVERY == AGAIN_EVERY - 1, n % DUPLICATE_EVERY == DUPLICATE_EVERY - 1);
    match n.checked_sub(BEFORE) {
        Some(before) if again => asked(before),
        Some(before) if duplicate => Asked { key: format!("demo-{n}"), order: before },
        Some(_) | None => Asked { key: format!("demo-{n}"), order: n },
    }
}

/// Whether it is the first request for its order.
fn is_first(n: u64) -> bool {
    asked(n).order == n
}

/// In minor units.
fn amount(order: u64, cent: i64) -> i64 {
    let cents = 500_u64.saturating_add(order.wrapping_mul(104_729) % 45_000);
    i64::try_from(cents).unwrap_or(500).saturating_mul(cent)
}

fn shop_of(n: u64, shops: &[Shop]) -> Option<&Shop> {
    shops.get(usize::try_from(n).ok()?.checked_rem(shops.len())?)
}

/// Sends all of them, each when it is due.
pub(super) async fn pay(
    address: &str,
    shops: &[Shop],
    count: u64,
    rate: u32,
    progress: &Arc<Progress>,
) -> Result<(Seen, Vec<Due>)> {
    let callers: Vec<_> =
        shops.iter().map(|shop| (shop.caller.clone(), shop.channel, shop.currency, shop.cent)).collect();
    let write = move |n: u64, request: &mut Vec<u8>| {
        let Asked { key, order } = asked(n);
        let at = usize::try_from(order).unwrap_or_default().checked_rem(callers.len()).unwrap_or_default();
        let Some((caller, channel, currency, cent)) = callers.get(at) else { return };
        let kind = Kind::of(order);
        let amount = amount(order, *cent);
        let capture = if kind.is_held() { "manual" } else { "automatic" };
        let body = json!({ "order_no": format!("DEMO-{order:06}"), "amount": amount, "currency": currency,
                           "channel": channel, "pay_method": kind.pay_method, "capture": capture });
        caller.write("POST", "/api/v1/payments", &key, body.to_string().as_bytes(), request);
    };
    let follow = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&follow);
    let hear = move |n: u64, reply: &load::Reply<'_>| {
        if !is_first(n) || Kind::of(n).follow == Follow::Nothing {
            return;
        }
        let told: Value = serde_json::from_slice(reply.body).unwrap_or_default();
        if let Some(payment_no) = told.pointer("/data/payment_no").and_then(Value::as_str) {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(Due { payment_no: payment_no.to_owned(), n });
        }
    };
    let plan = Plan { connections: CONNECTIONS, period: Duration::from_secs(1) / rate.max(1), count };
    let seen = load::run(address, plan, write, hear, progress).await;
    let seen = seen.map_err(|trouble| Failure::NotThere(format!("the payments could not be sent: {trouble}")))?;
    let follow = std::mem::take(&mut *follow.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((seen, follow))
}

/// Does what is to be done about each; what cannot be done yet is tried again a little later.
pub(super) async fn follow(desk: &mut Desk, shops: &[Shop], operator: &Caller, due: Vec<Due>) -> Result<Followed> {
    let (mut followed, begun) = (Followed::default(), Instant::now());
    let mut waiting: VecDeque<Due> = due.into();
    let mut since_progress = 0;
    while let Some(next) = waiting.pop_front() {
        let Some(shop) = shop_of(next.n, shops) else { continue };
        let answer = act(desk, shop, operator, &next).await?;
        let is_expected = Kind::of(next.n).follow == Follow::RefundTooMuch && code(&answer) == "refund_amount_exceeded";
        match answer.status {
            200 => followed.done = followed.done.saturating_add(1),
            422 if is_expected => followed.refused = followed.refused.saturating_add(1),
            // It is not as far yet.
            409 if begun.elapsed() < FOLLOWED_WITHIN => {
                waiting.push_back(next);
                since_progress += 1;
                if since_progress >= waiting.len() {
                    since_progress = 0;
                    tokio::time::sleep(BREATH).await;
                }
            }
            _other => followed.left = followed.left.saturating_add(1),
        }
    }
    Ok(followed)
}

fn code(answer: &Answer) -> String {
    answer.body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
}

async fn act(desk: &mut Desk, shop: &Shop, operator: &Caller, due: &Due) -> Result<Answer> {
    let (payment_no, all) = (&due.payment_no, amount(due.n, shop.cent));
    let half = all.checked_div(2).unwrap_or(all);
    let refund = |amount: i64| json!({ "payment_no": payment_no, "amount": amount, "reason": "returned" });
    let of_payment = |verb: &str| format!("/api/v1/payments/{payment_no}/{verb}");
    let (by, path, body) = match Kind::of(due.n).follow {
        Follow::Capture | Follow::Nothing => (&shop.caller, of_payment("capture"), json!({})),
        Follow::CaptureHalf => (&shop.caller, of_payment("capture"), json!({ "amount": half })),
        Follow::Cancel => (&shop.caller, of_payment("cancel"), json!({ "reason": "changed their mind" })),
        Follow::Approve => (operator, format!("/api/v1/reviews/{payment_no}/approve"), json!({ "reason": "known" })),
        Follow::Reject => (operator, format!("/api/v1/reviews/{payment_no}/reject"), json!({ "reason": "unknown" })),
        Follow::RefundHalf => (&shop.caller, "/api/v1/refunds".to_owned(), refund(half)),
        Follow::RefundAll => (&shop.caller, "/api/v1/refunds".to_owned(), refund(all)),
        Follow::RefundTooMuch => (&shop.caller, "/api/v1/refunds".to_owned(), refund(all.saturating_add(1))),
    };
    desk.ask(by, &path, &body).await
}
