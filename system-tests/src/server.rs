//! A `daybook serve` on a ledger of a test: free port, own log, gone when the test is.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::client::{Client, Request};

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Any thirty-two bytes that differ will do.
const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const READY_WITHIN: Duration = Duration::from_secs(20);
const STARTS: usize = 3;
/// Starts the program; a line on standard input, or its end, ends the program, so that none outlives the tests.
const LEASH: &str = r#""$0" "$@" & echo $!; read -r signal; kill -s "${signal:-KILL}" $!; wait $!"#;

static LOG_COUNT: AtomicU32 = AtomicU32::new(0);

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    leash: Child,
    orders: Option<ChildStdin>,
    pid: u32,
    log: File,
}

/// The program, with a master key and nothing of our own environment's ledgers.
///
/// # Errors
/// Where it was not built.
pub fn daybook() -> Result<Command, Problem> {
    let mut command = Command::new(program()?);
    clear(&mut command);
    Ok(command)
}

/// As `make test` has built it, beside the tests.
fn program() -> Result<PathBuf, Problem> {
    let tests = std::env::current_exe()?;
    let program = tests.parent().and_then(|deps| deps.parent()).map(|built| built.join("daybook"));
    program.filter(|program| program.is_file()).ok_or_else(|| "build it first: `cargo build -p daybook`".into())
}

fn clear(command: &mut Command) {
    command.env("DAYBOOK_MASTER_KEY", MASTER_KEY);
    // What follows from a payment is a matter of the tests that ask for it: with `DAYBOOK_WITHOUT_PROCESSES` set to false.
    command.env("DAYBOOK_WITHOUT_PROCESSES", "true");
    // As is the witness: with `DAYBOOK_WITHOUT_AUDIT` set to false.
    command.env("DAYBOOK_WITHOUT_AUDIT", "true");
    for name in [
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "DAYBOOK_CONFIG",
        "DAYBOOK_LISTEN",
        "DAYBOOK_MASTER_KEY_FILE",
        "DAYBOOK_METRICS_TOKEN",
        "DAYBOOK_TOKEN",
        "JAEGER_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
}

impl Server {
    /// Starts one and waits until it is ready. Its rates let tests through; `environment` may say otherwise.
    ///
    /// # Errors
    /// Where it does not start.
    pub async fn start(database_url: &str, environment: &[(&str, &str)]) -> Result<Self, Problem> {
        for _start in 1..STARTS {
            match Self::try_start(database_url, environment).await {
                // Between our looking and its binding somebody else may take the port.
                Err(reason) if reason.to_string().contains(" is taken by ") => {}
                started => return started,
            }
        }
        Self::try_start(database_url, environment).await
    }

    /// Starts one that may die at any moment, also before it is ready: then it is there all the same, to be asked how.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub async fn start_to_die(database_url: &str, environment: &[(&str, &str)]) -> Result<Self, Problem> {
        let server = Self::spawn(database_url, environment)?;
        drop(tokio::time::timeout(READY_WITHIN, server.is_ready()).await);
        Ok(server)
    }

    async fn try_start(database_url: &str, environment: &[(&str, &str)]) -> Result<Self, Problem> {
        let server = Self::spawn(database_url, environment)?;
        match tokio::time::timeout(READY_WITHIN, server.is_ready()).await {
            Ok(()) if server.is_running() => Ok(server),
            _ => Err(format!("the server did not start: {}", server.log()?).into()),
        }
    }

    fn spawn(database_url: &str, environment: &[(&str, &str)]) -> Result<Self, Problem> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (written, log) = log()?;
        let mut command = Command::new("sh");
        command.args(["-c", LEASH]).arg(program()?);
        clear(&mut command);
        command.args(["serve", "--listen", &address.to_string()]);
        for name in ["DAYBOOK_RATE_PER_KEY", "DAYBOOK_RATE_PER_MERCHANT"] {
            command.env(name, "1000000");
        }
        command.env("DATABASE_URL", database_url).envs(environment.iter().copied());
        let mut leash = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(written).spawn()?;
        let mut pid = String::new();
        BufReader::new(leash.stdout.take().ok_or("no output to read")?).read_line(&mut pid)?;
        let orders = leash.stdin.take();
        Ok(Self { address, leash, orders, pid: pid.trim().parse()?, log })
    }

    async fn is_ready(&self) {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while self.is_running() {
            looks.tick().await;
            if Client::new(self.address).send(&Request::get("/livez")).await.is_ok_and(|answer| answer.status == 200) {
                return;
            }
        }
    }

    /// Whether the program has not ended yet.
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything it has logged so far.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn log(&self) -> Result<String, Problem> {
        let mut bytes = vec![0; usize::try_from(self.log.metadata()?.len())?];
        self.log.read_exact_at(&mut bytes, 0)?;
        Ok(String::from_utf8(bytes)?)
    }

    /// How much memory it has, in KiB.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn resident_kib(&self) -> Result<u64, Problem> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Whether its end of a connection from this address is still in its hands.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn holds(&self, peer: SocketAddr) -> Result<bool, Problem> {
        let (ours, theirs) = (format!(":{:04X}", self.address.port()), format!(":{:04X}", peer.port()));
        // A long table is told in pieces, between which others come and go: one look may miss a line that is there.
        for _look in 0..5 {
            let table = std::fs::read_to_string("/proc/net/tcp")?;
            // The tenth column is the socket of a process; zero where no process has it any more.
            let is_there = table.lines().any(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                let ends_with = |n: usize, end: &str| columns.get(n).is_some_and(|column| column.ends_with(end));
                ends_with(1, &ours) && ends_with(2, &theirs) && columns.get(9).is_some_and(|inode| *inode != "0")
            });
            if is_there {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends a signal, by its name.
    ///
    /// # Errors
    /// Where it has been sent one before.
    pub fn signal(&mut self, signal: &str) -> Result<(), Problem> {
        let mut orders = self.orders.take().ok_or("it was told before")?;
        Ok(writeln!(orders, "{signal}")?)
    }

    /// Waits for its end after a signal, or tells how it ended by itself. Blocks.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn wait(&mut self) -> Result<ExitStatus, Problem> {
        if !self.is_running() {
            drop(self.orders.take());
        }
        Ok(self.leash.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It was killed, or had ended before: either way there is nobody left to tell.
        drop(self.leash.wait());
    }
}

/// A file to write to and the same to read; it has no name any more, so that nothing is left behind.
fn log() -> Result<(File, File), Problem> {
    let number = LOG_COUNT.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf = std::env::temp_dir().join(format!("daybook-log-{}-{number}", std::process::id()));
    let files = (File::options().create(true).append(true).open(&path)?, File::open(&path)?);
    std::fs::remove_file(&path)?;
    Ok(files)
}
