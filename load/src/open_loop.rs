//! Callers that come when they come: time counts from when a request was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::{Reply, Seen, Trouble, Wire};

/// A thread sleeps this exactly; the runtime's timer only to the millisecond.
const STEP: Duration = Duration::from_micros(200);

/// How many requests, how fast, over how many connections.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub connections: usize,
    /// Between two requests.
    pub period: Duration,
    pub count: u64,
}

impl Plan {
    /// At this rate for so long.
    pub fn of(connections: usize, per_second: f64, duration: Duration) -> Self {
        let period = Duration::from_secs_f64(1.0 / per_second.max(1e-3));
        let count = duration.as_nanos().checked_div(period.as_nanos()).unwrap_or_default();
        Self { connections, period, count: u64::try_from(count).unwrap_or(u64::MAX) }
    }
}

/// How it goes, for whoever watches; and a way to have it end early.
#[derive(Debug, Default)]
pub struct Progress {
    pub due: AtomicU64,
    pub answered: AtomicU64,
    pub not_taken: AtomicU64,
    is_over: AtomicBool,
}

impl Progress {
    /// What is due from now on is not sent; what is under way is waited for.
    pub fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The requests of a steady rate: which is due when, and how many may be sent.
struct Schedule {
    begin: Instant,
    plan: Plan,
    next: AtomicU64,
    due: Semaphore,
    progress: Arc<Progress>,
}

/// Nobody waits any more where nobody listens.
struct Closing(Arc<Schedule>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.due.close();
    }
}

/// Sends what `write` writes, when it is due, and hands each answer to `hear`. Every request has a place of its own in what
/// was seen: answered by status, or unanswered. A connection that broke is opened again.
///
/// # Errors
/// At first, there is no connection. Later nothing is: it is counted.
pub async fn run<W, H>(address: &str, plan: Plan, write: W, hear: H, progress: &Arc<Progress>) -> Result<Seen, Trouble>
where
    W: Fn(u64, &mut Vec<u8>) + Send + Sync + 'static,
    H: Fn(u64, &Reply<'_>) + Send + Sync + 'static,
{
    let mut wires = Vec::new();
    for _connection in 0..plan.connections.max(1) {
        wires.push(Wire::open(address).await?);
    }
    let progress = Arc::clone(progress);
    let (next, due) = (AtomicU64::new(0), Semaphore::new(0));
    let schedule = Arc::new(Schedule { begin: Instant::now(), plan, next, due, progress });
    let closing = Closing(Arc::clone(&schedule));
    let pacing = tokio::task::spawn_blocking({
        let schedule = Arc::clone(&schedule);
        move || pace(&schedule)
    });
    let asking = Arc::new((write, hear, address.to_owned()));
    let mut callers = JoinSet::new();
    for wire in wires {
        callers.spawn(one_caller(wire, Arc::clone(&asking), Arc::clone(&schedule)));
    }
    let mut seen = Seen::nothing()?;
    while let Some(done) = callers.join_next().await {
        seen.add(&done.map_err(|_panic| Trouble::Times)??)?;
    }
    drop(closing);
    pacing.await.map_err(|_panic| Trouble::Times)?;
    seen.elapsed = schedule.begin.elapsed();
    Ok(seen)
}

/// Lets go as many requests as have become due, until all have; then sends the callers home.
fn pace(schedule: &Schedule) {
    let Schedule { begin, plan, due, progress, .. } = schedule;
    let mut released: u64 = 0;
    while released < plan.count && !due.is_closed() {
        if progress.is_over.load(Ordering::Relaxed) {
            due.close();
            return;
        }
        std::thread::sleep(STEP);
        let passed = begin.elapsed().as_nanos().checked_div(plan.period.as_nanos()).unwrap_or(u128::MAX);
        let are_due = u64::try_from(passed).unwrap_or(u64::MAX).min(plan.count);
        due.add_permits(usize::try_from(are_due.saturating_sub(released)).unwrap_or(0));
        progress.due.store(are_due, Ordering::Relaxed);
        released = are_due;
    }
    if plan.count == 0 {
        due.close();
    }
}

async fn one_caller<W, H>(wire: Wire, asking: Arc<(W, H, String)>, schedule: Arc<Schedule>) -> Result<Seen, Trouble>
where
    W: Fn(u64, &mut Vec<u8>) + Send + Sync,
    H: Fn(u64, &Reply<'_>) + Send + Sync,
{
    let (write, hear, address) = &*asking;
    let Schedule { begin, plan, next, due, progress } = &*schedule;
    let (mut seen, mut wire) = (Seen::nothing()?, Some(wire));
    while let Ok(permit) = due.acquire().await {
        permit.forget();
        let n = next.fetch_add(1, Ordering::Relaxed);
        let was_due = plan.period.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
        if wire.is_none() {
            wire = Wire::open(address).await.ok();
        }
        let status = match &mut wire {
            Some(open) => {
                write(n, &mut open.request);
                open.ask().await.ok().map(|reply| {
                    hear(n, &reply);
                    reply.status
                })
            }
            None => None,
        };
        match status {
            Some(status) => {
                seen.answered(status, begin.elapsed().saturating_sub(was_due))?;
                progress.answered.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                seen.unanswered = seen.unanswered.saturating_add(1);
                wire = None;
            }
        }
        if status.is_none_or(|status| !(200..300).contains(&status)) {
            progress.not_taken.fetch_add(1, Ordering::Relaxed);
        }
        if n.saturating_add(1) >= plan.count {
            due.close();
        }
    }
    Ok(seen)
}
