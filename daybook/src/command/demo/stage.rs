//! Where the demo plays: a Postgres, a server of its own, a directory that goes with it.

use std::{
    fs::DirBuilder,
    io::ErrorKind,
    net::TcpListener,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use audit::key::FileSigner;
use embedded_postgres::{Cluster, DATABASE, Settings};
use load::{Caller, Wire};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use tokio::{
    process::{Child, Command},
    task::spawn_blocking,
    time::{Instant, timeout},
};
use vault::MasterKey;

use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
};

const READY_WITHIN: Duration = Duration::from_secs(30);
const ENDED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Nobody is turned away for asking too often.
const RATE: &str = "1000000";
/// What of our environment a program needs to run at all.
const KEPT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "RUST_LOG"];

pub(super) struct Stage {
    server: Child,
    cluster: Option<Arc<Cluster>>,
    directory: Directory,
    pub(super) address: String,
    url: String,
    public_key: String,
}

/// Removed with everything in it.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, directory = %self.0.display(), "it could not be removed");
        }
    }
}

impl Stage {
    /// A migrated ledger without an event, and a server on it that is ready.
    pub(super) async fn set(database_url: Option<&str>) -> Result<Self> {
        let directory = Directory(std::env::temp_dir().join(format!("daybook-demo-{}", std::process::id())));
        let making = || format!("making {}", directory.0.display());
        DirBuilder::new().mode(0o700).create(&directory.0).attempt(making)?;
        let cluster = match database_url {
            Some(_theirs) => None,
            None => Some(Arc::new(started().await?)),
        };
        let own = cluster.as_ref().map(|cluster| cluster.url(DATABASE));
        let url = own.or_else(|| database_url.map(str::to_owned)).unwrap_or_default();
        database::migrate(&url).await?;
        must_be_empty(&url).await?;
        MasterKey::read_or_draw(&directory.0.join("master.key"))?;
        let signer = FileSigner::draw(&directory.0.join("checkpoint.key"), "example.com/demo")?;
        let public_key = audit::key::Signer::key(&signer).to_string();
        let address = free_address()?;
        let mut command = program(&directory.0, &url)?;
        let log = std::fs::File::create(directory.0.join("server.log")).attempt(|| "opening a log".to_owned())?;
        command.args(["serve", "--listen", &address]).stdout(Stdio::null()).stderr(log);
        let server = command.kill_on_drop(true).spawn().attempt(|| "starting a server".to_owned())?;
        let mut stage = Self { server, cluster, directory, address, url, public_key };
        stage.is_ready().await?;
        Ok(stage)
    }

    async fn is_ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            let ended = self.server.try_wait().attempt(|| "looking at the server".to_owned())?;
            if let Some(status) = ended {
                return Err(Failure::NotThere(format!("the server ended at once ({status}): {}", self.last_words())));
            }
            if says_ready(&self.address).await {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Failure::NotThere(format!("the server did not become ready: {}", self.last_words())))
    }

    /// The last line of its log.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(self.directory.0.join("server.log")).unwrap_or_default();
        log.lines().last().unwrap_or("nothing").to_owned()
    }

    /// Connections with the few rights of a reader.
    pub(super) fn pool(&self) -> Result<PgPool> {
        database::reader_pool(&self.url)
    }

    /// An operator with a token, issued as anybody's is.
    pub(super) async fn token(&self, email: &str) -> Result<Caller> {
        let mut command = program(&self.directory.0, &self.url)?;
        command.args(["token", "create", "--role", "operator", "--email", email]);
        let output = command.output().await.attempt(|| "issuing a token".to_owned())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let token = said.lines().find(|line| line.starts_with("dbt_"));
        let why = || Failure::NotThere(format!("no token: {}", String::from_utf8_lossy(&output.stderr)));
        token.map(Caller::token).ok_or_else(why)
    }

    /// What `daybook verify` says of the log, held against everything that was signed; and whether all is well.
    pub(super) async fn verify(&self) -> Result<(String, bool)> {
        let mut command = program(&self.directory.0, &self.url)?;
        command.args(["verify", "--key", &self.public_key, "--checkpoints"]).arg(self.directory.0.join("checkpoints"));
        let output = command.output().await.attempt(|| "verifying the log".to_owned())?;
        let said = [output.stdout, output.stderr].concat();
        Ok((String::from_utf8_lossy(&said).trim().to_owned(), output.status.success()))
    }

    /// Ends the server as an operator would, and its Postgres, if that is ours.
    pub(super) async fn end(mut self) -> Result<()> {
        let pid = self.server.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have had a Ctrl-C of its own, and be gone.
            if let Err(error) = kill_process(pid, Signal::TERM) {
                tracing::debug!(%error, "the server could not be told to end");
            }
        }
        if timeout(ENDED_WITHIN, self.server.wait()).await.is_err() {
            self.server.kill().await.attempt(|| "ending the server".to_owned())?;
        }
        let cluster = self.cluster.take();
        spawn_blocking(move || drop(cluster))
            .await
            .map_err(std::io::Error::other)
            .attempt(|| "stopping Postgres".to_owned())
    }
}

async fn started() -> Result<Cluster> {
    let started = spawn_blocking(|| Cluster::ephemeral(Settings::new())).await;
    Ok(started.map_err(std::io::Error::other).attempt(|| "starting Postgres".to_owned())??)
}

async fn must_be_empty(url: &str) -> Result<()> {
    let mut connection = database::connect(url).await?;
    let head = event_store::stats::head(&mut connection).await.attempt(|| "looking at the log".to_owned())?;
    if head == 0 {
        return Ok(());
    }
    let why = format!("nothing was done: this ledger holds {head} events, and a demo needs one that holds none");
    Err(Failure::NotThere(why))
}

/// This program, told of that ledger and of nothing else.
fn program(directory: &Path, url: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().attempt(|| "finding this program".to_owned())?);
    command.env_clear().stdin(Stdio::null());
    command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.env("DATABASE_URL", url).env("DAYBOOK_MASTER_KEY_FILE", directory.join("master.key"));
    command.env("DAYBOOK_CHECKPOINT_KEY_FILE", directory.join("checkpoint.key"));
    command.env("DAYBOOK_CHECKPOINT_DIRECTORY", directory.join("checkpoints"));
    command.env("DAYBOOK_RATE_PER_KEY", RATE).env("DAYBOOK_RATE_PER_MERCHANT", RATE);
    // A channel that does not answer is asked again soon: there is a minute for all.
    command.env("DAYBOOK_CHANNEL_DEADLINE_MS", "1000").env("DAYBOOK_CHANNEL_RETRY_AFTER_MS", "200");
    Ok(command)
}

fn free_address() -> Result<String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(free.attempt(|| "looking for a free port".to_owned())?.to_string())
}

async fn says_ready(address: &str) -> bool {
    let Ok(mut wire) = Wire::open(address).await else { return false };
    Caller::demo().write("GET", "/readyz", "", &[], &mut wire.request);
    wire.ask().await.is_ok_and(|reply| reply.status == 200)
}
