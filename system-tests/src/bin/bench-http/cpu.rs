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

    /// Microseconds of a processor each spent on one payment since then, and how many processors were busy in all.
    pub(crate) fn since(&self, before: &Self, payments: f64) -> Spent {
        let each = |now: f64, then: f64| (now - then) * 1_000_000.0 / payments;
        let (server, postgres) = (each(self.server, before.server), each(self.postgres, before.postgres));
        let asker = each(self.asker, before.asker);
        let elapsed_us = self.at.duration_since(before.at).as_secs_f64() * 1_000_000.0;
        Spent { server, postgres, asker, cores: (server + postgres + asker) * payments / elapsed_us }
    }
}

/// Microseconds a payment.
pub(crate) struct Spent {
    pub(crate) server: f64,
    pub(crate) postgres: f64,
    asker: f64,
    cores: f64,
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { server, postgres, asker, cores } = self;
        write!(f, "us a payment: server {server:.0}, postgres {postgres:.0}, asker {asker:.0}; {cores:.2} cores busy")
    }
}

pub(crate) fn children(parent: i32) -> Result<Vec<u32>, Problem> {
    let ours = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let of = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse::<i32>().ok()?;
        (of == parent).then_some(pid)
    };
    let processes = std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(processes.filter_map(ours).collect())
}

/// By all threads it has now; what has ended counts for nothing.
pub(crate) fn seconds_of(pid: u32) -> f64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return 0.0 };
    let nanoseconds: u64 = threads
        .filter_map(|thread| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        })
        .sum();
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
}
