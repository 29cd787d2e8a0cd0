//! `daybook postgres`: the embedded Postgres by hand.

use std::{os::unix::process::CommandExt as _, process::ExitCode};

use clap::{Args, Subcommand};
use embedded_postgres::{Binaries, Cluster, DATABASE, Error, Stop};

use super::say;
use crate::{
    failure::{Attempt as _, Failure, Result},
    home::Home,
};

mod run;

/// Start, stop and look into the embedded Postgres
#[derive(Args, Debug)]
pub(super) struct Postgres {
    #[command(flatten)]
    home: Home,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start it and leave it running
    Start,
    /// Stop it; the data stays
    Stop {
        /// As a crash would: the next start recovers
        #[arg(long)]
        now: bool,
    },
    /// Say whether it runs, and where (exit code 1 if not)
    Status,
    /// Print the URL of a database in it, for sqlx and psql alike
    Url {
        #[arg(default_value = DATABASE)]
        database: String,
    },
    /// Open psql on it, or on `DATABASE_URL`; what follows `--` goes to psql
    Psql {
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: Option<String>,
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    Run(run::Run),
}

impl Postgres {
    pub(super) fn run(self) -> Result<ExitCode> {
        match self.action {
            Action::Start => start(&self.home),
            Action::Stop { now } => stop(&self.home, if now { Stop::Immediate } else { Stop::Fast }),
            Action::Status => status(&self.home),
            Action::Url { database } => {
                say(running(&self.home)?.url(&database))?;
                Ok(ExitCode::SUCCESS)
            }
            Action::Psql { database_url, arguments } => psql(&self.home, database_url, &arguments),
            Action::Run(run) => super::runtime()?.block_on(run.run()),
        }
    }
}

fn start(home: &Home) -> Result<ExitCode> {
    let cluster = Cluster::start(&home.postgres(), home.options())?;
    let verb = if cluster.started_here() { "started" } else { "ran already" };
    say(format!("Postgres {verb} (process {}): {}", cluster.pid()?, cluster.url(DATABASE)))?;
    Ok(ExitCode::SUCCESS)
}

fn stop(home: &Home, how: Stop) -> Result<ExitCode> {
    match Cluster::running(&home.postgres())? {
        Some(cluster) => {
            cluster.stop(how)?;
            say("Postgres has stopped; the data stays")?;
        }
        None => say(format!("no Postgres runs in {}", home.postgres().display()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn status(home: &Home) -> Result<ExitCode> {
    let Some(cluster) = Cluster::running(&home.postgres())? else {
        say(format!("no Postgres runs in {}", home.postgres().display()))?;
        return Ok(ExitCode::FAILURE);
    };
    let version = cluster.connect(DATABASE)?.query("SHOW server_version")?;
    say(format!("Postgres {} runs", version.into_iter().flatten().flatten().collect::<String>()))?;
    say(format!("  process  {}", cluster.pid()?))?;
    say(format!("  data     {}", cluster.data_dir().display()))?;
    say(format!("  log      {}", cluster.log_dir().display()))?;
    say(format!("  url      {}", cluster.url(DATABASE)))?;
    Ok(ExitCode::SUCCESS)
}

/// Becomes psql, so that the terminal and the exit code are its own.
fn psql(home: &Home, database_url: Option<String>, arguments: &[String]) -> Result<ExitCode> {
    let url = match database_url.filter(|url| !url.is_empty()) {
        Some(url) => url,
        None => running(home)?.url(DATABASE),
    };
    let found = Binaries::find(home.options().distribution.as_deref())?.psql();
    let error = std::process::Command::new(found.unwrap_or_else(|| "psql".into())).arg(url).args(arguments).exec();
    Err(error).attempt(|| "psql cannot be run (it is in your distribution's postgresql-client package)".to_owned())
}

fn running(home: &Home) -> Result<Cluster> {
    let data_dir = home.postgres();
    let none = || Failure::NoDatabase(format!("no Postgres runs in {}: `daybook postgres start`", data_dir.display()));
    match Cluster::running(&data_dir) {
        Ok(found) => found.ok_or_else(none),
        Err(Error::NotRunning { .. }) => Err(none()),
        Err(error) => Err(error.into()),
    }
}
