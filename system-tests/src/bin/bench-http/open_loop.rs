//! Payments at a steady rate, every one of which must be taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use load::{Payments, Plan, Seen};

use crate::Problem;

pub(crate) async fn run(
    address: &str,
    payments: &Payments,
    connections: usize,
    per_second: f64,
    duration: Duration,
) -> Result<Seen, Problem> {
    let (payments, not_taken) = (payments.clone(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&not_taken);
    let write = move |n, request: &mut Vec<u8>| payments.one(n, request);
    let hear = move |_n, reply: &load::Reply<'_>| {
        if reply.expect(false).is_err() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let plan = Plan::of(connections, per_second, duration);
    let seen = load::run(address, plan, write, hear, &Arc::default()).await?;
    match not_taken.load(Ordering::Relaxed).saturating_add(seen.unanswered) {
        0 => Ok(seen),
        count => Err(format!("{count} of {} payments were not taken", plan.count).into()),
    }
}
