//! `daybook postgres run`: a fresh Postgres for one command, gone when the command is.

use std::{
    os::unix::process::ExitStatusExt as _,
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use clap::Args;
use embedded_postgres::{Cluster, SUPERUSER, Settings};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::timeout,
};

use crate::failure::{Attempt as _, Result};

/// How long the command may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// Run one command with a fresh Postgres: its superuser's URL is in `DAYBOOK_TEST_DATABASE_URL`
///
/// The exit code is the command's own. The Postgres is stopped and removed, also when the command is interrupted.
/// Its settings are durable, as in production.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// A server setting, such as `commit_delay=5000`; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "expected NAME=VALUE".to_owned())
}

impl Run {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let listening = || "listening for signals".to_owned();
        let mut interrupt = signal(SignalKind::interrupt()).attempt(listening)?;
        let mut terminate = signal(SignalKind::terminate()).attempt(listening)?;
        // Tests run side by side and each holds a pool.
        let settings = Settings::new().with("max_connections", "300");
        let settings = self.settings.into_iter().fold(settings, |all, (name, value)| all.with(name, value));
        let cluster = blocking(move || Cluster::ephemeral(settings)).await??;
        let (program, arguments) = self.command.split_first().map_or((String::new(), &[][..]), |(p, a)| (p.clone(), a));
        let mut child = Command::new(&program)
            .args(arguments)
            .env("DAYBOOK_TEST_DATABASE_URL", cluster.url(SUPERUSER))
            .spawn()
            .attempt(|| format!("running {program}"))?;
        let status = tokio::select! {
            status = child.wait() => status,
            // From a terminal the command had it too; it is asked again only if it does not end.
            _ = interrupt.recv() => match timeout(GRACE, child.wait()).await {
                Ok(status) => status,
                Err(_) => end(&mut child).await,
            },
            _ = terminate.recv() => end(&mut child).await,
        };
        blocking(move || drop(cluster)).await?;
        Ok(code(status.attempt(|| format!("waiting for {program}"))?))
    }
}

/// Asks the command to end, and ends it if it does not.
async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM)?;
    }
    if let Ok(status) = timeout(GRACE, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

/// The command's own code; what ended by a signal counts as the shell counts it.
fn code(status: ExitStatus) -> ExitCode {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(std::io::Error::other).attempt(|| "running Postgres".to_owned())
}
