//! `make bench-bus`: the log through a real Kafka; and what its absence costs.

mod desk;
mod feeding;
mod lag;
mod outage;
mod throughput;

use std::path::PathBuf;

use system_tests::broker::Broker;
use system_tests::report::{Figure, line};

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the log is; fewer for a quick look: `bench-bus 50000`.
const EVENTS: usize = 300_000;

fn main() -> Result<(), Problem> {
    let events = std::env::args().nth(1).map_or(Ok(EVENTS), |count| count.parse())?;
    let settings =
        embedded_postgres::Settings::new().with("checkpoint_timeout", "30min").with("max_connections", "200");
    let server = embedded_postgres::Cluster::ephemeral(settings)?;
    let broker = Broker::start()?;
    if !broker.is_real() {
        return Err("a bench of the bus on a mock says nothing: run `make kafka`".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(&server.url("daybook"), broker, events))?;
    let file = if events < EVENTS { "target/bench/bus-short.json" } else { "target/bench/bus.json" };
    system_tests::report::write(&figures, &PathBuf::from(file))?;
    Ok(())
}

async fn run(server: &str, broker: Broker, events: usize) -> Result<Vec<Figure>, Problem> {
    line(&format!("{events} events; Apache Kafka, Postgres and all of ours on this machine\n"))?;
    let mut desk = desk::Desk::with(server, broker, events).await?;
    let mut figures = throughput::measure(&desk).await?;
    figures.extend(feeding::measure(&desk).await?);
    figures.push(lag::measure(&mut desk).await?);
    figures.extend(outage::measure(desk).await?);
    Ok(figures)
}
