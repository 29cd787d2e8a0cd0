//! Callers that ask again as soon as they are answered, and what they saw.

use std::future::Future;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

/// How fast it went and how long each call took.
#[derive(Clone, Debug)]
pub struct Seen {
    pub count: u64,
    pub elapsed: Duration,
    latency_us: Histogram<u64>,
}

impl Seen {
    /// So many calls as there are times, in microseconds.
    pub fn of(latency_us: Histogram<u64>, elapsed: Duration) -> Self {
        Self { count: latency_us.len(), elapsed, latency_us }
    }

    pub fn per_second(&self) -> f64 {
        // Counts of calls are far below 2^52: the conversion is exact.
        f64::from(u32::try_from(self.count).unwrap_or(u32::MAX)) / self.elapsed.as_secs_f64()
    }

    pub fn millis_at(&self, percentile: f64) -> f64 {
        f64::from(u32::try_from(self.latency_us.value_at_percentile(percentile)).unwrap_or(u32::MAX)) / 1_000.0
    }
}

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
            let mut count: u64 = 0;
            let mut turn = 0;
            while begin.elapsed() < duration {
                let asked = Instant::now();
                if call(caller, turn).await {
                    count = count.saturating_add(1);
                    latency_us.record(u64::try_from(asked.elapsed().as_micros())?)?;
                }
                turn = turn.saturating_add(1);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((count, latency_us))
        });
    }
    let mut seen = Seen { count: 0, elapsed: Duration::ZERO, latency_us: Histogram::new(3)? };
    while let Some(done) = tasks.join_next().await {
        let (count, latency_us) = done??;
        seen.count = seen.count.saturating_add(count);
        seen.latency_us.add(&latency_us)?;
    }
    seen.elapsed = begin.elapsed();
    Ok(seen)
}
