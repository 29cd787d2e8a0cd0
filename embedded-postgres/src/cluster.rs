//! One cluster: started or adopted, stopped, killed for a test, started again.

use std::{
    path::{Path, PathBuf},
    process::Child,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    DATABASE, DEFAULT_PORT, SUPERUSER,
    error::{Error, Result},
    place::Place,
    postmaster::{self, Postmaster, Presence, signal_process},
    settings::Settings,
    url,
    wire::Connection,
};

mod start;
mod wait;

/// How to start a cluster. An adopted one keeps the settings and the port it has.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names the socket file; a TCP port only if the settings open one.
    pub port: u16,
    pub settings: Settings,
    /// Where to look for binaries when the machine has none, such as `.daybook/postgres-dist`.
    pub distribution: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, settings: Settings::new(), distribution: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, everything is written out: the next start has nothing to recover.
    Fast,
    /// As a crash would: the next start recovers from the log.
    Immediate,
}

/// A running Postgres. Dropping it leaves the server running, an ephemeral one excepted.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    options: Options,
    running: Mutex<Running>,
    ephemeral: Option<crate::ephemeral::Lease>,
}

#[derive(Debug)]
struct Running {
    /// The server as our child, to be reaped; nothing when it was adopted.
    child: Option<Child>,
    socket_dir: PathBuf,
    port: u16,
}

impl Cluster {
    /// Starts the cluster that lives in `home`, making it first if it is not there, or adopts the one that runs.
    /// On return it accepts connections and has the database `daybook`.
    ///
    /// # Errors
    /// One sentence that says what is true and what to do; no data was touched.
    pub fn start(home: &Path, options: Options) -> Result<Self> {
        Self::start_in(Place::resolve(home)?, options, None)
    }

    /// A cluster of its own in a fresh temporary directory: stopped and removed when dropped.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn ephemeral(settings: Settings) -> Result<Self> {
        let (place, lease) = crate::ephemeral::Lease::take()?;
        Self::start_in(place, Options { settings, ..Options::default() }, Some(lease))
    }

    /// The cluster of `home`, if one runs there.
    ///
    /// # Errors
    /// The home cannot be looked at.
    pub fn running(home: &Path) -> Result<Option<Self>> {
        let Some(place) = Place::existing(home)? else { return Ok(None) };
        let Presence::Running(Postmaster { port, socket_dir, .. }) = Presence::of(&place.data_dir()) else {
            return Ok(None);
        };
        let running = Mutex::new(Running { child: None, socket_dir, port });
        Ok(Some(Self { place, options: Options::default(), running, ephemeral: None }))
    }

    fn start_in(place: Place, options: Options, ephemeral: Option<crate::ephemeral::Lease>) -> Result<Self> {
        let socket_dir = {
            let _lock = place.lock()?;
            place.socket_dir()?
        };
        let running = Running { child: None, socket_dir, port: options.port };
        let cluster = Self { place, options, running: Mutex::new(running), ephemeral };
        cluster.ensure_running()?;
        Ok(cluster)
    }

    /// Starts the server again after [`Cluster::stop`] or [`Cluster::kill9`]; nothing happens if it runs.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn ensure_running(&self) -> Result<()> {
        let _lock = self.place.lock()?;
        self.reap();
        self.bring_up()?;
        self.make_database()
    }

    /// # Errors
    /// It does not end within a minute, even when told to end at once.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let Presence::Running(postmaster) = Presence::of(&self.data_dir()) else {
            return Ok(());
        };
        let signal = match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        postmaster.signal(signal)?;
        match (self.wait_for_end(&postmaster, wait::PATIENCE), how) {
            (Err(Error::DidNotStop { .. }), Stop::Fast) => {
                tracing::warn!(pid = postmaster.pid, "Postgres does not stop: telling it to end at once");
                postmaster.signal(Signal::QUIT)?;
                self.wait_for_end(&postmaster, wait::PATIENCE)
            }
            (ended, Stop::Fast | Stop::Immediate) => ended,
        }
    }

    /// # Errors
    /// As [`Cluster::stop`] and [`Cluster::start`].
    pub fn restart(&self) -> Result<()> {
        self.stop(Stop::Fast)?;
        self.ensure_running()
    }

    /// Kills the server process and nothing else: its children notice by themselves.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill9(&self) -> Result<()> {
        let postmaster = postmaster::running(&self.data_dir())?;
        postmaster.signal(Signal::KILL)?;
        self.wait_for_end(&postmaster, wait::PATIENCE)
    }

    /// Kills one session's process, the busiest, and returns once the server has begun to restart all of them.
    /// Nothing if there is none.
    ///
    /// # Errors
    /// The server cannot be asked for its sessions.
    pub fn kill9_backend(&self) -> Result<Option<i32>> {
        let mut own = self.connect(SUPERUSER)?;
        let sessions = own.query(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
             ORDER BY (state = 'active') DESC, state_change DESC LIMIT 1",
        )?;
        let Some(backend) = sessions.into_iter().flatten().flatten().find_map(|pid| pid.parse().ok()) else {
            return Ok(None);
        };
        signal_process(backend, Signal::KILL)?;
        // Our own session ends with the others: that is how we know that the server has noticed.
        if own.query("SELECT pg_sleep(60)").is_ok() {
            tracing::warn!(backend, "the server has not noticed that a session was killed");
        }
        Ok(Some(backend))
    }

    /// The server's process.
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self) -> Result<i32> {
        postmaster::running(&self.data_dir()).map(|postmaster| postmaster.pid)
    }

    /// A URL of this cluster's superuser that both sqlx and psql read.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let running = self.state();
        url::url(database, &running.socket_dir, running.port, SUPERUSER)
    }

    /// A connection of the superuser for a handful of statements.
    ///
    /// # Errors
    /// The server is not there or refuses.
    pub fn connect(&self, database: &str) -> Result<Connection> {
        let (socket_dir, port) = {
            let running = self.state();
            (running.socket_dir.clone(), running.port)
        };
        Connection::open(&socket_dir, port, SUPERUSER, database, wait::PATIENCE)
    }

    /// Whether this value started the server, rather than finding it at work.
    #[must_use]
    pub fn started_here(&self) -> bool {
        self.state().child.is_some()
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.place.data_dir()
    }

    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.data_dir().join("log")
    }

    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.state().socket_dir.clone()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.state().port
    }

    fn make_database(&self) -> Result<()> {
        let mut connection = self.connect(SUPERUSER)?;
        if connection.query(&format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"))?.is_empty() {
            connection.query(&format!("CREATE DATABASE {DATABASE}"))?;
            // Also where another program starts this server with settings of its own.
            connection.query(&format!("ALTER DATABASE {DATABASE} SET timezone = 'UTC'"))?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(lease) = self.ephemeral.take() else { return };
        if let Err(error) = self.stop(Stop::Immediate) {
            tracing::warn!(%error, "an ephemeral Postgres was left running");
            return;
        }
        lease.remove();
    }
}

/// Short enough not to be noticed, long enough not to burn a core.
const BREATH: Duration = Duration::from_millis(10);
