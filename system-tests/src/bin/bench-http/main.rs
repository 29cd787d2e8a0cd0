//! `make bench-http`: payments over HTTP, beside postgres-es and bare inserts.
//!
//! Everything shares the machine: the server, its Postgres and the one thread that asks.

mod closed_loop;
mod costs;
mod cpu;
mod end_to_end;
mod limit;
mod merchant;
mod open_loop;
mod parts;
mod postgres_es_baseline;
mod scenes;
mod server;

use std::path::PathBuf;

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Problem> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--baseline") {
        let [url, address] = [(); 2].map(|()| arguments.next().ok_or("--baseline URL ADDRESS"));
        // As many threads as a server has that answers and nothing else.
        let cores = std::thread::available_parallelism()?.get();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.saturating_sub(1).max(1))
            .enable_all()
            .build()?;
        return runtime.block_on(postgres_es_baseline::serve(&url?, &address?));
    }
    // One turn of each alone, for whoever works on the way of a payment.
    let is_short = std::env::args().any(|argument| argument == "--short");
    // Whoever asks must leave the cores to those who answer: one thread is enough.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = embedded_postgres::Settings::new().with("commit_siblings", "0").with("checkpoint_timeout", "30min");
    let cluster = embedded_postgres::Cluster::ephemeral(settings)?;
    if std::env::args().any(|argument| argument == "--end-to-end") {
        let figures = runtime.block_on(end_to_end::run(&cluster))?;
        return system_tests::report::write(&figures, &PathBuf::from("target/bench/e2e.json"));
    }
    if std::env::args().any(|argument| argument == "--costs") {
        let figures = runtime.block_on(costs::run(&cluster))?;
        return system_tests::report::write(&figures, &PathBuf::from("target/bench/costs.json"));
    }
    let figures = runtime.block_on(scenes::run(&cluster, is_short))?;
    let file = if is_short { "target/bench/http-short.json" } else { "target/bench/http.json" };
    system_tests::report::write(&figures, &PathBuf::from(file))?;
    Ok(())
}
