//! `daybook log`: read the log itself; it changes nothing.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use embedded_postgres::{Cluster, DATABASE};
use event_store::{Database, Limits, Store, Upcasters};
use sqlx::PgConnection;

use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
    home::Home,
};

mod show;
mod stats;
mod tail;
mod text;

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

/// Which log to read.
#[derive(Args, Debug)]
struct Place {
    #[command(flatten)]
    home: Home,
    /// Where the ledger is; without it, the embedded Postgres
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
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

impl Place {
    fn url(&self) -> Result<String> {
        if let Some(url) = self.database_url.as_deref().filter(|url| !url.is_empty()) {
            return Ok(url.to_owned());
        }
        let home = self.home.postgres();
        let start = "nothing was read; set DATABASE_URL, or start one";
        let cluster = Cluster::running(&home)?
            .ok_or_else(|| Failure::NoDatabase(format!("{start} in {}: `daybook dev`", home.display())))?;
        Ok(cluster.url(DATABASE))
    }

    /// A connection to a ledger that is there, with a schema this binary can read.
    async fn connect(&self) -> Result<PgConnection> {
        let mut connection = database::connect(&self.url()?).await?;
        let status = database::status(&mut connection).await?;
        if !status.is_current() {
            let (applied, known) = (database::version(&status.applied), database::version(&status.known));
            return Err(Failure::Schema { applied, known });
        }
        Ok(connection)
    }

    /// A store on such a ledger. Its connections have the application's few rights.
    async fn store(&self) -> Result<Store> {
        drop(self.connect().await?);
        let database = Database::parse(&self.url()?).map_err(|reason| Failure::NoDatabase(reason.to_string()))?;
        Ok(Store::open(database, Upcasters::default(), Limits::default()))
    }
}

fn reading<T>(read: std::result::Result<T, sqlx::Error>, what: impl FnOnce() -> String) -> Result<T> {
    read.attempt(|| format!("{} (nothing was changed; `daybook doctor` says whether the database is well)", what()))
}
