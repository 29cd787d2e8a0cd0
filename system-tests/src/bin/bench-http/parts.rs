//! Where a payment's time goes: each part of a server is a process of its own.

use std::path::Path;
use std::time::Duration;

use embedded_postgres::{Cluster, DATABASE};
use load::Wire;
use system_tests::database::Ledger;
use system_tests::report::{Figure, line};
use tokio::process::Child;

use crate::cpu::{children, seconds_of};
use crate::end_to_end::until_paid;
use crate::server::{Server, daybook, free_address, operator_token};
use crate::{Problem, merchant, open_loop};

const CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(3);
const EACH: Duration = Duration::from_secs(12);

/// A figure's name, whose time it is, and the processes that are it.
struct Part {
    name: &'static str,
    about: &'static str,
    processes: Vec<u32>,
}

/// Every process there is, while they run.
struct Parts {
    api: Server,
    processes: Server,
    read_models: Server,
    tree: Server,
    sandbox: Child,
    postmaster: i32,
}

impl Parts {
    async fn start(url: &str, place: &Path, postmaster: i32) -> Result<Self, Problem> {
        let (key, checkpoints) =
            (place.join("key").display().to_string(), place.join("checkpoints").display().to_string());
        audit::key::FileSigner::draw(&place.join("key"), "example.com/bench")?;
        let (api, sandbox_at) = (free_address()?, free_address()?);
        let sandbox_url = format!("http://{sandbox_at}");
        let mut command = daybook(url)?;
        command.args(["sandbox", "--listen", &sandbox_at, "--report-url"]);
        command.arg(format!("http://{api}/api/v1/webhooks/{{channel}}"));
        let sandbox = command.kill_on_drop(true).stdout(std::process::Stdio::null()).spawn()?;
        until_open(&sandbox_at).await?;
        let part = async |address: &str, role: &str, more: &[&str]| {
            let arguments = [&["--role", role, "--sandbox-url", &sandbox_url], more].concat();
            Server::told(address, url, &arguments, &[]).await
        };
        let without = ["--without-audit"];
        let signing = ["--checkpoint-key-file", &key, "--checkpoint-directory", &checkpoints];
        Ok(Self {
            api: part(&api, "api", &without).await?,
            processes: part(&free_address()?, "processes", &without).await?,
            read_models: part(&free_address()?, "projections", &without).await?,
            // It answers nobody: what it does is the tree.
            tree: part(&free_address()?, "api", &signing).await?,
            sandbox,
            postmaster,
        })
    }

    fn all(&self) -> Result<Vec<Part>, Problem> {
        let (sessions, rest): (Vec<u32>, Vec<u32>) = children(self.postmaster)?.into_iter().partition(is_session);
        let sandbox = self.sandbox.id().ok_or("the sandbox has ended")?;
        let part = |name, about, processes| Part { name, about, processes };
        Ok(vec![
            part("us_api", "of a processor a payment: the API", vec![self.api.pid()?]),
            part("us_processes", "of a processor a payment: the processes", vec![self.processes.pid()?]),
            part("us_read_models", "of a processor a payment: the read models", vec![self.read_models.pid()?]),
            part("us_tree", "of a processor a payment: the tree, and signing it", vec![self.tree.pid()?]),
            part("us_sandbox", "of a processor a payment: the sandbox", vec![sandbox]),
            part("us_postgres_sessions", "of a processor a payment: sessions of Postgres", sessions),
            part("us_postgres_rest", "of a processor a payment: the rest of Postgres", rest),
            part("us_asker", "of a processor a payment: whoever asks", vec![std::process::id()]),
        ])
    }

    fn used(&self) -> Result<Vec<f64>, Problem> {
        Ok(self.all()?.iter().map(|part| part.processes.iter().copied().map(seconds_of).sum()).collect())
    }

    async fn end(mut self) -> Result<(), Problem> {
        for server in [self.api, self.processes, self.read_models, self.tree] {
            server.kill().await?;
        }
        Ok(self.sandbox.kill().await?)
    }
}

/// A session's process says whom it serves.
fn is_session(pid: &u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|title| title.contains("[local]"))
}

async fn until_open(address: &str) -> Result<(), Problem> {
    for _look in 0..200 {
        if Wire::open(address).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("nobody listens on {address} after ten seconds").into())
}

/// Microseconds a payment, of each part, at a steady rate.
pub(crate) async fn measure(cluster: &Cluster, per_second: f64) -> Result<Vec<Figure>, Problem> {
    let place = std::env::temp_dir().join(format!("daybook-bench-parts-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let ledger = Ledger::on(&cluster.url(DATABASE)).await?;
    let parts = Parts::start(ledger.superuser_url(), &place, cluster.pid()?).await?;
    let measured = on(&parts, &ledger, per_second).await;
    parts.end().await?;
    std::fs::remove_dir_all(&place)?;
    measured
}

async fn on(parts: &Parts, ledger: &Ledger, per_second: f64) -> Result<Vec<Figure>, Problem> {
    let address = &parts.api.address;
    let payments = merchant::set_up(address, &operator_token(ledger.superuser_url()).await?, false).await?;
    let mut books = ledger.superuser().await?;
    let warm = open_loop::run(address, &payments.series("warm"), CONNECTIONS, per_second, WARM_UP).await?;
    until_paid(&mut books, warm.count).await?;
    let before = parts.used()?;
    let seen = open_loop::run(address, &payments.series("parts"), CONNECTIONS, per_second, EACH).await?;
    until_paid(&mut books, warm.count + seen.count).await?;
    let after = parts.used()?;
    let count = f64::from(u32::try_from(seen.count)?);
    line(&format!("\nwhere a payment's time goes, at {per_second:.0}/s, each part a process of its own:"))?;
    let mut figures = Vec::new();
    for (Part { name, about, .. }, (after, before)) in parts.all()?.into_iter().zip(after.iter().zip(&before)) {
        figures.push(Figure::new(name, about, (after - before) * 1_000_000.0 / count, None));
    }
    Ok(figures)
}
