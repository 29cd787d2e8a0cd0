//! Callers that ask again as soon as they are answered, and what they saw.

use std::future::Future;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
pub use load::Seen;
use tokio::task::JoinSet;

/// So many callers for so long; each call says whether it counts.
///
/// # Errors
/// Where a caller could not be joined or the measured times could not be added up.
pub async fn closed_loop<F, C>(
    callers: usize,
    duration: Duration,
    call: C,
) -> Result<Seen, Box<dyn std::error::Error + Send + Sync>>
where
    C: Fn(usize, u64) -> F + Clone + Send + 'static,
    F: Future<Output = bool> + Send,
{
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let call = call.clone();
        tasks.spawn(async move {
            let mut latency_us = Histogram::<u64>::new(3)?;
            let mut turn = 0;
            while begin.elapsed() < duration {
                let asked = Instant::now();
                if call(caller, turn).await {
                    latency_us.record(u64::try_from(asked.elapsed().as_micros())?)?;
                }
                turn = turn.saturating_add(1);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(latency_us)
        });
    }
    let mut latency_us = Histogram::new(3)?;
    while let Some(done) = tasks.join_next().await {
        latency_us.add(&done??)?;
    }
    Ok(Seen::of(latency_us, begin.elapsed()))
}
