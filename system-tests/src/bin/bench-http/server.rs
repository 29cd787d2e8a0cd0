//! The server under load: a process of its own, started as anybody would start it.

use std::path::PathBuf;
use std::time::Duration;

use load::Wire;
use tokio::process::{Child, Command};

use crate::Problem;

pub(crate) const MASTER_KEY: &str = "5d1f0a9be8437c26f0b3921e6dac548702c7e1f49a3bd8605ef1247c8b90a36d";
/// More than any machine will ever send.
const RATE: &str = "100000000";

pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// `daybook serve` on that ledger: the writes alone.
    pub(crate) async fn daybook(url: &str) -> Result<Self, Problem> {
        Self::serving(url, &["--without-projections", "--without-processes", "--without-audit"]).await
    }

    /// The same with read models, reactions, the tree and a sandbox of its own.
    pub(crate) async fn with_everything(url: &str) -> Result<Self, Problem> {
        Self::serving(url, &[]).await
    }

    pub(crate) async fn serving(url: &str, arguments: &[&str]) -> Result<Self, Problem> {
        Self::told(&free_address()?, url, arguments, &[]).await
    }

    /// At that address, and with this in its environment.
    pub(crate) async fn told(
        address: &str,
        url: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, Problem> {
        let mut command = daybook(url)?;
        command.args(["serve", "--listen", address]).args(arguments).envs(environment.iter().copied());
        command.env("DAYBOOK_RATE_PER_KEY", RATE).env("DAYBOOK_RATE_PER_MERCHANT", RATE);
        Self::start(command, address.to_owned()).await
    }

    /// The baseline, on the same ledger.
    pub(crate) async fn baseline(url: &str) -> Result<Self, Problem> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--baseline", url, &address]);
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: String) -> Result<Self, Problem> {
        let mut child = command.kill_on_drop(true).spawn()?;
        for _look in 0..200 {
            if let Some(ended) = child.try_wait()? {
                return Err(format!("the server ended at once: {ended}").into());
            }
            if is_ready(&address).await.unwrap_or(false) {
                return Ok(Self { child, address });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the server did not become ready in ten seconds".into())
    }

    pub(crate) fn pid(&self) -> Result<u32, Problem> {
        Ok(self.child.id().ok_or("the server has ended")?)
    }

    /// The most memory it ever held, in MiB.
    pub(crate) fn most_memory_mib(&self) -> Result<f64, Problem> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in its status")?;
        Ok(f64::from(peak.trim().trim_end_matches("kB").trim().parse::<u32>()?) / 1_024.0)
    }

    /// Ends it at once: what was answered is in the log.
    pub(crate) async fn kill(mut self) -> Result<(), Problem> {
        Ok(self.child.kill().await?)
    }
}

/// An operator's token.
pub(crate) async fn operator_token(url: &str) -> Result<String, Problem> {
    let mut command = daybook(url)?;
    command.args(["token", "create", "--role", "operator", "--email", "operator@example.com"]);
    let output = command.output().await?;
    let told = String::from_utf8(output.stdout)?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(told.lines().next().ok_or_else(|| format!("no token: {said}"))?.to_owned())
}

/// The program beside this one.
pub(crate) fn daybook(url: &str) -> Result<Command, Problem> {
    let program: PathBuf = std::env::current_exe()?.with_file_name("daybook");
    if !program.exists() {
        return Err(format!("{} is not there: `make bench-http` builds it", program.display()).into());
    }
    let mut command = Command::new(program);
    command.env("DATABASE_URL", url).env("DAYBOOK_MASTER_KEY", MASTER_KEY).env("RUST_LOG", "warn");
    Ok(command)
}

pub(crate) fn free_address() -> Result<String, Problem> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

async fn is_ready(address: &str) -> Result<bool, Problem> {
    let mut wire = Wire::open(address).await?;
    wire.request.extend_from_slice(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    Ok(wire.ask().await?.status == 200)
}
