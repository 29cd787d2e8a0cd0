//! `make bench-read`: how fast read models are built, kept up and asked, on a million events.

mod books;
mod building;
mod live;

use std::path::PathBuf;

use system_tests::report::{Figure, line};

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the log is; fewer for a quick look: `bench-read 100000`.
const EVENTS: usize = 1_000_000;

fn main() -> Result<(), Problem> {
    let events = std::env::args().nth(1).map_or(Ok(EVENTS), |count| count.parse())?;
    let settings =
        embedded_postgres::Settings::new().with("checkpoint_timeout", "30min").with("max_connections", "200");
    let server = embedded_postgres::Cluster::ephemeral(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(&server.url("daybook"), events))?;
    system_tests::report::write(&figures, &PathBuf::from("target/bench/read.json"))?;
    Ok(())
}

async fn run(server: &str, events: usize) -> Result<Vec<Figure>, Problem> {
    line(&format!("{events} events: Zipf merchants, six currencies, about twelve events a payment, 3 % refunds\n"))?;
    let mut books = books::Books::with(server, events).await?;
    let mut figures = building::measure(server, &books).await?;
    figures.extend(books.ask().await?);
    figures.push(live::measure(&mut books).await?);
    Ok(figures)
}
