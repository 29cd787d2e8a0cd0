//! Where the processors' time goes: to the server, to Postgres, to whoever asks.

use std::time::Instant;

use crate::Problem;
use crate::server::Server;

/// Time used until now, in seconds.
pub(crate) struct Used {
    at: Instant,
    server: f64,
    postgres: f64,
    asker: f64,
}

impl Used {
    pub(crate) fn now(server: &Server, postmaster: i32) -> Result<Self, Problem> {
        let postgres = children(postmaster)?.into_iter().map(seconds_of).sum();
        let (server, asker) = (seconds_of(server.pid()?), seconds_of(std::process::id()));
        Ok(Self { at: Instant::now(), server, postgres, asker })
    }

    /// Processors busy since then with each.
    pub(crate) fn since(&self, before: &Self) -> String {
        let elapsed = self.at.duration_since(before.at).as_secs_f64();
        let share = |now: f64, then: f64| (now - then) / elapsed;
        format!(
            "cores: server {:.2}, postgres {:.2}, asker {:.2}",
            share(self.server, before.server),
            share(self.postgres, before.postgres),
            share(self.asker, before.asker)
        )
    }
}

fn children(parent: i32) -> Result<Vec<u32>, Problem> {
    let ours = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let of = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse::<i32>().ok()?;
        (of == parent).then_some(pid)
    };
    let processes = std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(processes.filter_map(ours).collect())
}

/// By all threads it has now; what has ended counts for nothing.
fn seconds_of(pid: u32) -> f64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let nanoseconds: u64 = threads
        .filter_map(|thread| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
}
