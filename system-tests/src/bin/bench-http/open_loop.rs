//! Callers that come when they come: time counts from when a request was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use system_tests::load::Seen;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Problem;
use crate::payments::Payments;
use crate::wire::Wire;

/// A thread sleeps this exactly; the runtime's timer only to the millisecond.
const STEP: Duration = Duration::from_micros(200);

/// The requests of a steady rate: which is due when, and how many may be sent.
struct Schedule {
    begin: Instant,
    period: Duration,
    count: u64,
    next: AtomicU64,
    due: Semaphore,
}

pub(crate) async fn run(
    address: &str,
    payments: &Payments,
    connections: usize,
    per_second: f64,
    duration: Duration,
) -> Result<Seen, Problem> {
    let mut wires = Vec::new();
    for _connection in 0..connections {
        wires.push(Wire::open(address).await?);
    }
    let period = Duration::from_secs_f64(1.0 / per_second);
    let schedule = Arc::new(Schedule {
        begin: Instant::now(),
        period,
        count: u64::try_from(duration.as_nanos() / period.as_nanos().max(1))?,
        next: AtomicU64::new(0),
        due: Semaphore::new(0),
    });
    let pacing = std::thread::spawn({
        let schedule = Arc::clone(&schedule);
        move || pace(&schedule)
    });
    let payments = Arc::new(payments.clone());
    let mut callers = JoinSet::new();
    for wire in wires {
        callers.spawn(one_caller(wire, Arc::clone(&payments), Arc::clone(&schedule)));
    }
    let mut latency_us = Histogram::new(3)?;
    while let Some(done) = callers.join_next().await {
        latency_us.add(&done??)?;
    }
    pacing.join().map_err(|_panic| "the pace was lost")?;
    Ok(Seen::of(latency_us, schedule.begin.elapsed()))
}

/// Lets go as many requests as have become due, until all have; then sends the callers home.
fn pace(schedule: &Schedule) {
    let mut released: u64 = 0;
    while released < schedule.count && !schedule.due.is_closed() {
        std::thread::sleep(STEP);
        let passed = schedule.begin.elapsed().as_nanos() / schedule.period.as_nanos().max(1);
        let due = u64::try_from(passed).unwrap_or(u64::MAX).min(schedule.count);
        let more = due.saturating_sub(released);
        schedule.due.add_permits(usize::try_from(more).unwrap_or(0));
        released = due;
    }
}

async fn one_caller(
    mut wire: Wire,
    payments: Arc<Payments>,
    schedule: Arc<Schedule>,
) -> Result<Histogram<u64>, Problem> {
    let mut latency_us = Histogram::new(3)?;
    while let Ok(permit) = schedule.due.acquire().await {
        permit.forget();
        let n = schedule.next.fetch_add(1, Ordering::Relaxed);
        let was_due = schedule.period.saturating_mul(u32::try_from(n)?);
        payments.one(n, &mut wire.request)?;
        wire.ask().await?.expect(false)?;
        let waited = schedule.begin.elapsed().saturating_sub(was_due);
        latency_us.record(u64::try_from(waited.as_micros())?)?;
        if n.saturating_add(1) >= schedule.count {
            schedule.due.close();
        }
    }
    Ok(latency_us)
}
