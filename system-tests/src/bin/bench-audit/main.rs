//! `make bench-audit`: a log checked, its tree built, an event proven; and the cost.

#[path = "../bench-http/cpu.rs"]
mod cpu;
mod log;
#[path = "../bench-http/merchant.rs"]
mod merchant;
#[path = "../bench-http/open_loop.rs"]
mod open_loop;
mod overhead;
#[path = "../bench-http/server.rs"]
#[expect(dead_code, reason = "the other bench starts other servers")]
mod server;

use std::path::PathBuf;

use system_tests::report::{Figure, line};

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the log is; fewer for a quick look: `bench-audit 100000`.
const EVENTS: usize = 1_000_000;

fn main() -> Result<(), Problem> {
    let events = std::env::args().nth(1).map_or(Ok(EVENTS), |count| count.parse())?;
    let settings =
        embedded_postgres::Settings::new().with("checkpoint_timeout", "30min").with("max_connections", "200");
    let cluster = embedded_postgres::Cluster::ephemeral(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(&cluster, events))?;
    let file = if events < EVENTS { "target/bench/audit-short.json" } else { "target/bench/audit.json" };
    system_tests::report::write(&figures, &PathBuf::from(file))?;
    Ok(())
}

async fn run(cluster: &embedded_postgres::Cluster, events: usize) -> Result<Vec<Figure>, Problem> {
    line(&format!("{events} events: about twelve a payment, 200 merchants\n"))?;
    let mut figures = log::measure(&cluster.url("daybook"), events).await?;
    figures.push(overhead::measure(cluster, if events < EVENTS { 1 } else { 5 }).await?);
    Ok(figures)
}
