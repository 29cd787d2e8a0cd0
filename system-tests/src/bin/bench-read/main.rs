//! `make bench-read`: read models built, kept up and asked, on a million events.

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
/// For those who only want to see whether building is as fast as it was: `bench-read --short`.
const FEW_EVENTS: usize = 200_000;

fn main() -> Result<(), Problem> {
    let argument = std::env::args().nth(1);
    let is_short = argument.as_deref() == Some("--short");
    let events = match argument {
        Some(_) if is_short => FEW_EVENTS,
        Some(count) => count.parse()?,
        None => EVENTS,
    };
    let settings =
        embedded_postgres::Settings::new().with("checkpoint_timeout", "30min").with("max_connections", "200");
    let server = embedded_postgres::Cluster::ephemeral(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run(&server.url("daybook"), events, is_short))?;
    let file = if events < EVENTS { "target/bench/read-short.json" } else { "target/bench/read.json" };
    system_tests::report::write(&figures, &PathBuf::from(file))?;
    Ok(())
}

async fn run(server: &str, events: usize, is_short: bool) -> Result<Vec<Figure>, Problem> {
    line(&format!("{events} events: Zipf merchants, six currencies, about twelve events a payment, 3 % refunds\n"))?;
    let mut books = books::Books::with(server, events).await?;
    let mut figures = building::measure(&books).await?;
    if is_short {
        return Ok(figures);
    }
    figures.push(building::hot_over_spread(server).await?);
    figures.extend(books.ask().await?);
    figures.push(live::measure(&mut books).await?);
    Ok(figures)
}
