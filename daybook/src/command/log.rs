//! `daybook log`: read the log itself; it changes nothing.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::place::Place;
use crate::failure::{Attempt as _, Failure, Result};

mod show;
mod stats;
mod tail;
pub(super) mod text;

const EXAMPLES: &str = "\
Examples:
  daybook log tail                        the last ten events, then each as it happens
  daybook log tail --type payment -n 100  those of one type
  daybook log show 42                     one event whole
  daybook log show payment pay_1          a whole stream
  daybook log stats                       how long, how fast, how large, and who follows

Uses DATABASE_URL, else the embedded Postgres of this directory. Nothing is ever changed.";

/// Read the log: follow it, show events whole, count it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Log {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Tail(tail::Tail),
    Show(show::Show),
    Stats(stats::Stats),
}

impl Log {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let done = match self.action {
            Action::Tail(tail) => tail.run(&self.place).await,
            Action::Show(show) => show.run(&self.place).await,
            Action::Stats(stats) => stats.run(&self.place).await,
        };
        match done {
            // Whoever read us has seen enough.
            Err(Failure::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            done => done.map(|()| ExitCode::SUCCESS),
        }
    }
}

fn reading<T>(read: std::result::Result<T, sqlx::Error>, what: impl FnOnce() -> String) -> Result<T> {
    read.attempt(|| format!("{} (nothing was changed; `daybook doctor` says whether the database is well)", what()))
}
