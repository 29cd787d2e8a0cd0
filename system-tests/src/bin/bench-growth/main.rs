//! `make bench-growth`: rates and latencies as the log grows, ten times at each step.

#[path = "../bench-read/books.rs"]
mod books;
#[path = "../bench-read/building.rs"]
#[expect(dead_code, reason = "another bench asks for more of it")]
mod building;
#[path = "../bench-append/limit.rs"]
#[expect(dead_code, reason = "another bench asks for more of it")]
mod limit;
#[path = "../bench-audit/log.rs"]
#[expect(dead_code, reason = "another bench asks for more of it")]
mod log;
#[path = "../bench-append/ours.rs"]
#[expect(dead_code, reason = "another bench asks for more of it")]
mod ours;
mod room;
mod steps;

use std::path::PathBuf;
use std::time::Duration;

use system_tests::performance::growth::{Growth, lengths};
use system_tests::times::times;

type Problem = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As far as `DAYBOOK_GROWTH_EVENTS` says, and for as many minutes as `DAYBOOK_GROWTH_MINUTES` does.
const EVENTS: usize = 10_000_000;
const MINUTES: usize = 90;

fn main() -> Result<(), Problem> {
    let most = u64::try_from(times("DAYBOOK_GROWTH_EVENTS", EVENTS))?;
    let budget = Duration::from_secs(u64::try_from(times("DAYBOOK_GROWTH_MINUTES", MINUTES))?.saturating_mul(60));
    let settings =
        embedded_postgres::Settings::new().with("checkpoint_timeout", "30min").with("max_connections", "200");
    let cluster = embedded_postgres::Cluster::ephemeral(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let place = std::env::temp_dir().join(format!("daybook-bench-growth-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let grown = runtime.block_on(steps::run(&cluster, &lengths(most), budget, &place));
    std::fs::remove_dir_all(&place)?;
    let (points, ended) = grown?;
    let growth = Growth { points, ended, ..Growth::default() };
    let file = PathBuf::from("target/bench/growth.json");
    std::fs::create_dir_all("target/bench")?;
    std::fs::write(&file, serde_json::to_string_pretty(&growth)? + "\n")?;
    system_tests::report::line(&format!("\nwritten to {}", file.display()))
}
