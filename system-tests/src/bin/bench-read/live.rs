//! How far read models lag behind a log that grows by 10,000 events a second.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use projections::MODELS;
use sqlx::PgConnection;
use system_tests::report::{Aim, Figure, line};
use system_tests::traffic::append;
use tokio::sync::{mpsc, watch};

use crate::Problem;
use crate::books::{Books, percentile};

const BATCH: usize = 100;
const EVERY: Duration = Duration::from_millis(10);
const BATCHES: usize = 1_500;
/// The first ones warm it up.
const WARM: usize = 200;

/// From the append that returned to the moment all read models have it.
pub(crate) async fn measure(books: &mut Books) -> Result<Figure, Problem> {
    let lines = books.traffic.more(BATCH * BATCHES)?;
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(books.projections.clone().run(MODELS.to_vec(), stopping));
    let (appended, appends) = mpsc::unbounded_channel();
    let looking = tokio::spawn(look(books.ledger.superuser().await?, appends));
    let mut log = books.ledger.superuser().await?;
    let begin = Instant::now();
    for (n, batch) in (0..).zip(lines.chunks(BATCH)) {
        tokio::time::sleep_until((begin + EVERY * n).into()).await;
        let last = append(&mut log, batch).await?;
        appended.send((last, Instant::now()))?;
    }
    let rate = f64::from(u32::try_from(BATCH * BATCHES)?) / begin.elapsed().as_secs_f64();
    drop(appended);
    let lags: Vec<f64> = looking.await??.into_iter().skip(WARM).collect();
    stop.send_replace(true);
    running.await?;
    let (half, p99) = (percentile(lags.clone(), 50), percentile(lags, 99));
    line(&format!("at {rate:.0} events/s, {} read models lag p50 {half:.0} ms, p99 {p99:.0} ms", MODELS.len()))?;
    if rate < 9_500.0 {
        return Err(format!("the load was {rate:.0} events/s, not 10,000").into());
    }
    Ok(Figure::new("live_lag_p99_ms", "of the slowest read model at 10,000 events/s", p99, Some(Aim::AtMost(250.0))))
}

async fn look(
    mut connection: PgConnection,
    mut appends: mpsc::UnboundedReceiver<(i64, Instant)>,
) -> Result<Vec<f64>, Problem> {
    let names: Vec<&str> = MODELS.iter().map(|model| model.plan().name).collect();
    let (mut waiting, mut lags, mut is_open) = (VecDeque::new(), Vec::new(), true);
    while is_open || !waiting.is_empty() {
        loop {
            match appends.try_recv() {
                Ok(append) => waiting.push_back(append),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    is_open = false;
                    break;
                }
            }
        }
        let slowest: Option<i64> = sqlx::query_scalar("select min(position) from log.followers where name = any($1)")
            .bind(&names)
            .fetch_one(&mut connection)
            .await?;
        let now = Instant::now();
        while let Some((_position, at)) = waiting.front().filter(|(position, _at)| Some(*position) <= slowest) {
            lags.push(now.duration_since(*at).as_secs_f64() * 1_000.0);
            waiting.pop_front();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(lags)
}
