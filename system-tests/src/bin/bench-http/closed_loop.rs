//! Callers that ask again as soon as they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use load::{Payments, Seen, Wire};
use tokio::task::JoinSet;

use crate::Problem;

/// What is asked for, from the n-th on, by so many connections.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) connections: usize,
    /// Payments in a request; `None`: one, by its own route.
    pub(crate) items: Option<u64>,
    /// The first request, and the one after the last.
    pub(crate) numbers: (u64, u64),
    /// Whether all of it was asked before.
    pub(crate) is_replay: bool,
}

impl Asked {
    /// New payments without end.
    pub(crate) const fn new(connections: usize) -> Self {
        Self { connections, items: None, numbers: (0, u64::MAX), is_replay: false }
    }
}

/// Asks for so long, or until all was asked. Anything but the answer that is due ends it.
pub(crate) async fn run(address: &str, payments: &Payments, asked: Asked, duration: Duration) -> Result<Seen, Problem> {
    let (payments, next) = (Arc::new(payments.clone()), Arc::new(AtomicU64::new(asked.numbers.0)));
    let mut wires = Vec::new();
    for _connection in 0..asked.connections {
        wires.push(Wire::open(address).await?);
    }
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for wire in wires {
        callers.spawn(one_caller(wire, Arc::clone(&payments), Arc::clone(&next), asked, begin + duration));
    }
    let mut latency_us = Histogram::new(3)?;
    while let Some(done) = callers.join_next().await {
        latency_us.add(&done??)?;
    }
    Ok(Seen::of(latency_us, begin.elapsed()))
}

async fn one_caller(
    mut wire: Wire,
    payments: Arc<Payments>,
    next: Arc<AtomicU64>,
    asked: Asked,
    until: Instant,
) -> Result<Histogram<u64>, Problem> {
    let mut latency_us = Histogram::new(3)?;
    loop {
        let begin = Instant::now();
        let n = next.fetch_add(1, Ordering::Relaxed);
        if begin >= until || n >= asked.numbers.1 {
            return Ok(latency_us);
        }
        match asked.items {
            None => payments.one(n, &mut wire.request),
            Some(items) => payments.many(n, items, &mut wire.request),
        }
        let sent = Instant::now();
        let reply = wire.ask().await?;
        latency_us.record(u64::try_from(sent.elapsed().as_micros())?)?;
        match asked.items {
            None => drop(reply.expect(asked.is_replay)?),
            Some(items) => all_done(reply.expect(false)?, items)?,
        }
    }
}

/// Every item of a bulk answer was taken.
fn all_done(body: &[u8], items: u64) -> Result<(), Problem> {
    const TAKEN: &[u8] = b"{\"status\":200,\"replayed\":false,";
    let taken = body.windows(TAKEN.len()).filter(|window| *window == TAKEN).count();
    if u64::try_from(taken)? == items { Ok(()) } else { Err(format!("{taken} of {items} items were taken").into()) }
}
