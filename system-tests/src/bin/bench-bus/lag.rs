//! How long an event takes from the log to a reader of the topic.

use std::time::{Duration, Instant};

use bus::{Reading, Said, Subscription};
use system_tests::report::{Aim, Figure, line};
use system_tests::traffic::append;

use crate::Problem;
use crate::desk::Desk;

const BATCH: usize = 100;
const EVERY: Duration = Duration::from_millis(10);
const BATCHES: usize = 1_500;
/// The first ones warm it up.
const WARM: usize = 300 * BATCH;

pub(crate) async fn measure(desk: &mut Desk) -> Result<Figure, Problem> {
    let lines = desk.traffic.more(BATCH * BATCHES)?;
    let relay = desk.start_relay()?;
    let group = "bench.lag".to_owned();
    let (kafka, topic, first) = (desk.broker.kafka(), desk.topic.clone(), desk.head);
    bus::set_offsets(&kafka, &topic.name, topic.partitions, &group, bus::From::Latest).await?;
    let mut subscription =
        Subscription::open(&kafka, &topic.name, &Reading::All { group, partitions: topic.partitions })?;
    let reading = tokio::spawn(async move {
        let mut came: Vec<(i64, Instant)> = Vec::with_capacity(BATCH * BATCHES);
        while came.len() < BATCH * BATCHES {
            for received in subscription.next(Duration::from_secs(1)).await? {
                if let Said::Event { event, previous: _ } = received.said
                    && event.position > first
                {
                    came.push((event.position, Instant::now()));
                }
            }
        }
        Ok::<_, Problem>(came)
    });
    let mut log = desk.ledger.superuser().await?;
    let (begin, mut appended) = (Instant::now(), Vec::with_capacity(BATCH * BATCHES));
    for (n, batch) in (0..).zip(lines.chunks(BATCH)) {
        tokio::time::sleep_until((begin + EVERY * n).into()).await;
        desk.head = append(&mut log, batch).await?;
        // From the moment the append has returned.
        appended.extend(batch.iter().map(|_line| Instant::now()));
    }
    let rate = f64::from(u32::try_from(BATCH * BATCHES)?) / begin.elapsed().as_secs_f64();
    let mut lags = Vec::new();
    for (position, came_at) in reading.await?? {
        let number = usize::try_from(position - first - 1)?;
        if let Some(at) = appended.get(number).filter(|_| number >= WARM) {
            lags.push(came_at.saturating_duration_since(*at).as_secs_f64() * 1_000.0);
        }
    }
    relay.end().await?;
    lags.sort_by(f64::total_cmp);
    let at = |hundredths: usize| lags.get(lags.len() * hundredths / 100).copied().unwrap_or(f64::NAN);
    line(&format!("at {rate:.0} events/s: published after p50 {:.0} ms, p99 {:.0} ms", at(50), at(99)))?;
    if rate < 9_500.0 {
        return Err(format!("the load was {rate:.0} events/s, not 10,000").into());
    }
    let about = "from appended to read from the topic, at 10,000 events/s";
    Ok(Figure::new("publish_lag_p99_ms", about, at(99), Some(Aim::AtMost(200.0))))
}
