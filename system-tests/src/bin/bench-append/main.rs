//! `make bench-append`: the append path beside postgres-es and bare inserts, in one run.

mod limit;
mod ours;
mod postgres_es_baseline;
mod scenes;

use std::path::PathBuf;

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--appender") {
        let [url, seconds, callers] = [(); 3].map(|()| arguments.next().ok_or("--appender URL SECONDS CALLERS"));
        return runtime.block_on(ours::append_as_a_process(&url?, seconds?.parse()?, callers?.parse()?));
    }
    // The first scene alone, for whoever works on the append path.
    let is_short = std::env::args().any(|argument| argument == "--short");
    let settings = embedded_postgres::Settings::new().with("commit_siblings", "0").with("checkpoint_timeout", "30min");
    let server = embedded_postgres::Cluster::ephemeral(settings)?;
    let figures = runtime.block_on(scenes::run(&server.url("daybook"), is_short))?;
    let file = if is_short { "target/bench/append-short.json" } else { "target/bench/append.json" };
    system_tests::report::write(&figures, &PathBuf::from(file))?;
    Ok(())
}
