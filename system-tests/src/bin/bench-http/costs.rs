//! `bench-http --costs`: what being watched costs a server, at half of what it takes.
//!
//! Counting cannot be turned off: what is measured of metrics is a scrape every second. Each side gets a server and a
//! ledger of its own, in turns, so that a drift of the machine falls on all alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::routing::post;
use embedded_postgres::{Cluster, DATABASE};
use load::Wire;
use system_tests::database::Ledger;
use system_tests::report::{Aim, Figure, line, median};
use tokio::net::TcpListener;

use crate::closed_loop::{self, Asked};
use crate::cpu::Used;
use crate::server::{Server, free_address, operator_token};
use crate::{Problem, merchant, open_loop};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_secs(2);
const EACH: Duration = Duration::from_secs(8);
const WRITES_ALONE: [&str; 3] = ["--without-projections", "--without-processes", "--without-audit"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Not,
    /// Its metrics are read every second.
    Scraped,
    /// So many traces of a hundred are kept.
    Traced(u32),
}

const SIDES: [Watched; 4] = [Watched::Not, Watched::Scraped, Watched::Traced(10), Watched::Traced(100)];

/// Somebody who takes traces, and how much came.
struct Collector {
    url: String,
    bytes: Arc<AtomicU64>,
}

impl Collector {
    async fn open() -> Result<Self, Problem> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let bytes = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&bytes);
        let take = move |body: Bytes| {
            counted.fetch_add(u64::try_from(body.len()).unwrap_or_default(), Ordering::Relaxed);
            std::future::ready("{}")
        };
        let router = axum::Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { url, bytes })
    }
}

pub(crate) async fn run(cluster: &Cluster) -> Result<Vec<Figure>, Problem> {
    let collector = Collector::open().await?;
    let rate = (most(cluster).await? / 2.0 / 100.0).round() * 100.0;
    line(&format!("the server's processor time a payment, at {rate:.0} payments a second: half of what it takes\n"))?;
    let mut spent: [Vec<f64>; SIDES.len()] = Default::default();
    for round in 0..ROUNDS {
        let mut told = format!("round {}:", round + 1);
        for turn in 0..SIDES.len() {
            let n = (round + turn) % SIDES.len();
            let (Some(side), Some(spent)) = (SIDES.get(n), spent.get_mut(n)) else { continue };
            let us = one(cluster, *side, rate, &collector).await?;
            told.push_str(&format!(" {side:?} {us:.1} us"));
            spent.push(us);
        }
        line(&told)?;
    }
    let [without, scraped, tenth, all] = spent;
    let figure = |name, about, with: &[f64], aim| {
        Figure::new(name, about, overhead_percent(with, &without), Some(Aim::AtMost(aim)))
    };
    Ok(vec![
        Figure::new("rate_per_s", "payments a second: half of what it takes", rate, None),
        Figure::new("server_us", "of a processor for a payment, unwatched", median(without.clone()), None),
        figure(
            "scrape_cpu_percent",
            "more processor time, scraped every second (counting itself is always on)",
            &scraped,
            0.5,
        ),
        figure("traces_10_cpu_percent", "more processor time, 10 of 100 traces kept", &tenth, 1.0),
        figure("traces_100_cpu_percent", "more processor time, every trace kept", &all, 3.0),
        Figure::new(
            "noise_percent",
            "the same server unwatched differs by as much, either way",
            noise_percent(&without),
            None,
        ),
    ])
}

/// The median over rounds of what one side spent more than the other in the same round.
fn overhead_percent(with: &[f64], without: &[f64]) -> f64 {
    median(with.iter().zip(without).map(|(with, without)| (with / without - 1.0) * 100.0).collect())
}

/// Half the spread of one side, of its median.
fn noise_percent(of: &[f64]) -> f64 {
    let (least, most) =
        of.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
    (most - least) / 2.0 / median(of.to_vec()) * 100.0
}

/// Payments a second, as fast as they are taken.
async fn most(cluster: &Cluster) -> Result<f64, Problem> {
    let ledger = Ledger::on(&cluster.url(DATABASE)).await?;
    let server = Server::daybook(ledger.superuser_url()).await?;
    let payments = merchant::set_up(&server.address, &operator_token(ledger.superuser_url()).await?, false).await?;
    closed_loop::run(&server.address, &payments.series("warm"), Asked::new(CONNECTIONS), WARM_UP).await?;
    let seen =
        closed_loop::run(&server.address, &payments.series("most"), Asked::new(CONNECTIONS), WARM_UP * 2).await?;
    server.kill().await?;
    Ok(seen.per_second())
}

/// Microseconds of the server for a payment.
async fn one(cluster: &Cluster, side: Watched, rate: f64, collector: &Collector) -> Result<f64, Problem> {
    let ledger = Ledger::on(&cluster.url(DATABASE)).await?;
    let url = ledger.superuser_url();
    let share = if let Watched::Traced(share) = side { share.to_string() } else { String::new() };
    let tracing = [("JAEGER_ENDPOINT", collector.url.as_str()), ("JAEGER_SAMPLING_RATE", share.as_str())];
    let environment = if share.is_empty() { &[][..] } else { &tracing };
    let server = Server::told(&free_address()?, url, &WRITES_ALONE, environment).await?;
    let payments = merchant::set_up(&server.address, &operator_token(url).await?, false).await?;
    let scraping = (side == Watched::Scraped).then(|| tokio::spawn(scrape(server.address.clone())));
    open_loop::run(&server.address, &payments.series("warm"), CONNECTIONS, rate, WARM_UP).await?;
    let (came, before) = (collector.bytes.load(Ordering::Relaxed), Used::now(&server, cluster.pid()?)?);
    let seen = open_loop::run(&server.address, &payments.series("measured"), CONNECTIONS, rate, EACH).await?;
    let spent = Used::now(&server, cluster.pid()?)?.since(&before, f64::from(u32::try_from(seen.count)?));
    if let Some(scraping) = scraping {
        if scraping.is_finished() {
            return Err("nobody read the metrics any more".into());
        }
        scraping.abort();
    }
    let has_come = collector.bytes.load(Ordering::Relaxed) > came;
    if has_come == share.is_empty() {
        return Err(format!("{side:?}, and traces came: {has_come}").into());
    }
    server.kill().await?;
    Ok(spent.server)
}

/// Until it is told to stop, or there is no answer.
async fn scrape(address: String) -> Result<(), load::Trouble> {
    let mut wire = Wire::open(&address).await?;
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        wire.request.clear();
        wire.request.extend_from_slice(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n");
        wire.ask().await?.expect(false)?;
    }
}

#[cfg(test)]
mod tests {
    use super::{noise_percent, overhead_percent};

    #[test]
    fn each_round_is_compared_with_itself_and_one_that_is_off_counts_for_little() {
        // The machine became slower half way: in each round the one side spent two of a hundred more.
        let without = [100.0, 100.0, 150.0, 150.0, 150.0];
        let with = [102.0, 102.0, 153.0, 153.0, 300.0];
        assert!((overhead_percent(&with, &without) - 2.0).abs() < 1e-9);
        assert!((noise_percent(&[99.0, 100.0, 101.0]) - 1.0).abs() < 1e-9);
    }
}
