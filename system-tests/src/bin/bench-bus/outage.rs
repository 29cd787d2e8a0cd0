//! The broker away: whether commands notice, and how fast the rest is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use event_store::{Outcome, Store};
use system_tests::report::{Aim, Figure, line};
use system_tests::tally::{add, key};
use system_tests::traffic::append;
use tokio::task::JoinSet;

use crate::Problem;
use crate::desk::{Desk, rate};

const CALLERS: usize = 32;
const WINDOW: Duration = Duration::from_secs(8);
const ROUNDS: usize = 3;
/// Waits for the broker when it comes back.
const BACKLOG: usize = 100_000;
/// And meanwhile as many come each second.
const ARRIVALS_PER_S: usize = 5_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) async fn measure(mut desk: Desk) -> Result<Vec<Figure>, Problem> {
    let relay = desk.start_relay()?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _round in 0..ROUNDS {
        desk.until_relayed(desk.store.head().position()).await?;
        with.push(commands(&desk.store).await?);
        desk = tokio::task::spawn_blocking(move || desk.broker.kill().map(|()| desk)).await??;
        without.push(commands(&desk.store).await?);
        desk = tokio::task::spawn_blocking(move || desk.broker.restart().map(|()| desk)).await??;
    }
    let (with, without) = (system_tests::report::median(with), system_tests::report::median(without));
    line(&format!("{with:.0} commands/s with a broker and a relay, {without:.0} without a broker"))?;

    desk.until_relayed(desk.store.head().position()).await?;
    desk = tokio::task::spawn_blocking(move || desk.broker.kill().map(|()| desk)).await??;
    let mut log = desk.ledger.superuser().await?;
    for batch in desk.traffic.more(BACKLOG)?.chunks(1_000) {
        append(&mut log, batch).await?;
    }
    desk = tokio::task::spawn_blocking(move || desk.broker.restart().map(|()| desk)).await??;
    let (from, begin) = (desk.relayed().await?, Instant::now());
    let mut arriving = desk.traffic.more(ARRIVALS_PER_S * 60)?.into_iter();
    for n in 0_u32.. {
        tokio::time::sleep_until((begin + Duration::from_millis(20) * n).into()).await;
        let batch: Vec<_> = arriving.by_ref().take(ARRIVALS_PER_S / 50).collect();
        let head = append(&mut log, &batch).await?;
        if head - desk.relayed().await? < i64::try_from(ARRIVALS_PER_S / 10)? {
            break;
        }
    }
    let drained = rate(desk.relayed().await? - from, begin.elapsed());
    relay.end().await?;
    let arrivals = f64::from(u32::try_from(ARRIVALS_PER_S)?);
    line(&format!("{drained:.0} events/s while {BACKLOG} were waiting and {arrivals:.0} came each second"))?;
    let of_commands = "commands a second of a store whose broker is away, of those with one";
    Ok(vec![
        Figure::new("outage_api_share", of_commands, without / with, Some(Aim::AtLeast(0.9))),
        Figure::new("drain_ratio", "sent a second, of those that arrive", drained / arrivals, Some(Aim::AtLeast(5.0))),
    ])
}

/// How many commands a second are accepted.
async fn commands(store: &Store) -> Result<f64, Problem> {
    let (mut callers, accepted, begin) = (JoinSet::new(), Arc::new(AtomicU32::new(0)), Instant::now());
    for _caller in 0..CALLERS {
        let (store, accepted) = (store.clone(), Arc::clone(&accepted));
        callers.spawn(async move {
            while begin.elapsed() < WINDOW {
                let name = format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed));
                let act = add(&name.as_str().into(), 1, Some(key("bench", &name, &name)), true);
                let Outcome::Accepted { .. } = store.execute(act).await? else { return Err("not accepted".into()) };
                accepted.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Problem>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(rate(accepted.load(Ordering::Relaxed).into(), begin.elapsed()))
}
