//! The machine that figures were found on.

use serde::{Deserialize, Serialize};

/// What of it the figures hang on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    pub cores_count: usize,
    pub processor: String,
    pub memory_mib: u64,
    pub kernel: String,
    pub postgres: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// There is no Postgres to be found.
    pub fn look() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let postgres = embedded_postgres::Binaries::find(None)?.version;
        Ok(Self {
            cores_count: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            memory_mib: memory_mib(&read("/proc/meminfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            postgres,
        })
    }
}

/// The first line of that name, after its colon.
pub(super) fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start().strip_prefix(':')?.trim().to_owned())
}

pub(super) fn memory_mib(meminfo: &str) -> u64 {
    let total = field(meminfo, "MemTotal").unwrap_or_default();
    total.trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() / 1_024
}
