//! From whatever is there to a server that accepts connections.

use std::{
    fs::{self, File},
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use super::{BREATH, Cluster, wait::PATIENCE};
use crate::{
    SUPERUSER,
    binaries::Binaries,
    error::{Attempt as _, Error, Result},
    initialise::{self, Found},
    postmaster::{self, Postmaster, Presence},
    wire::Connection,
};

/// How long a single question may take while we wait for the first answer.
const PROBE: Duration = Duration::from_secs(2);

/// The refusal of a server that starts, recovers or stops.
const NOT_NOW: &str = "57P03";

/// Said while children of a killed server are still at work: they end by themselves.
const CHILDREN_AT_WORK: &str = "pre-existing shared memory block";

enum Answer {
    Ready,
    NotNow,
    Nothing,
}

impl Cluster {
    /// Until the server answers. Called under the start lock.
    pub(super) fn bring_up(&self) -> Result<()> {
        let data_dir = self.data_dir();
        let begun_at = SystemTime::now();
        let mut heard_at = Instant::now();
        let mut said_at = Instant::now();
        let mut spawned = false;
        loop {
            match Presence::of(&data_dir) {
                Presence::Running(postmaster) => match self.ask(&postmaster) {
                    Answer::Ready => return self.adopt(postmaster),
                    Answer::NotNow => heard_at = Instant::now(),
                    Answer::Nothing if heard_at.elapsed() > PATIENCE => return Err(self.silent(&postmaster)),
                    Answer::Nothing => {}
                },
                Presence::Absent | Presence::Reused if spawned && !self.reap() => {
                    if heard_at.elapsed() > PATIENCE {
                        return Err(self.did_not_start("it has been silent for a minute".to_owned()));
                    }
                }
                presence @ (Presence::Absent | Presence::Reused) => {
                    if spawned {
                        self.excuse_or_fail(begun_at, heard_at)?;
                    }
                    if presence == Presence::Reused {
                        postmaster::disown(&data_dir)?;
                    }
                    self.spawn()?;
                    spawned = true;
                }
            }
            if said_at.elapsed() > Duration::from_secs(5) {
                said_at = Instant::now();
                tracing::info!(data_dir = %data_dir.display(), "waiting for Postgres (it may be recovering)");
            }
            sleep(BREATH);
        }
    }

    /// Our child ended before it answered: waits a little if only the children of its predecessor are in the way.
    fn excuse_or_fail(&self, begun_at: SystemTime, heard_at: Instant) -> Result<()> {
        let reason = self.last_complaint(begun_at);
        if reason.contains(CHILDREN_AT_WORK) && heard_at.elapsed() < PATIENCE {
            sleep(BREATH * 10);
            return Ok(());
        }
        Err(self.did_not_start(reason))
    }

    fn ask(&self, postmaster: &Postmaster) -> Answer {
        let Postmaster { socket_dir, port, .. } = postmaster;
        match Connection::open(socket_dir, *port, SUPERUSER, SUPERUSER, PROBE) {
            Ok(_) => Answer::Ready,
            Err(Error::Refused { code, .. }) if code == NOT_NOW => Answer::NotNow,
            Err(error) => {
                tracing::debug!(%error, "no answer yet");
                Answer::Nothing
            }
        }
    }

    /// Takes the server as it is: its own port and socket, whatever we would have chosen.
    fn adopt(&self, postmaster: Postmaster) -> Result<()> {
        let mut running = self.state();
        running.socket_dir = postmaster.socket_dir;
        running.port = postmaster.port;
        Ok(())
    }

    fn spawn(&self) -> Result<()> {
        let data_dir = self.data_dir();
        let distribution = self.options.distribution.as_deref();
        let binaries = match initialise::look(&data_dir)? {
            Found::WrittenBy(major) => Binaries::find_for(Some(major), distribution).map_err(|(error, others)| {
                let found = others.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
                let other =
                    |found| Error::OtherMajor { data_dir: data_dir.clone(), written_by: major.to_string(), found };
                if others.is_empty() { error } else { other(found) }
            })?,
            Found::Nothing => {
                let binaries = Binaries::find(distribution)?;
                self.must_run(&binaries)?;
                initialise::initialise(&self.place, &binaries, self.ephemeral.is_none())?;
                binaries
            }
        };
        self.must_run(&binaries)?;
        self.place.clear_socket(self.options.port)?;
        let (first_words, errors) = self.first_words()?;
        let mut command = self.place.runner.command(&binaries.postgres());
        command.arg("-D").arg(&data_dir);
        command.args(self.options.settings.arguments(&self.place.socket_dir()?, self.options.port));
        let child = command.stdout(first_words).stderr(errors).spawn();
        let child = child.attempt(|| format!("running {}", binaries.postgres().display()))?;
        self.state().child = Some(child);
        Ok(())
    }

    fn must_run(&self, binaries: &Binaries) -> Result<()> {
        let postgres = binaries.postgres();
        let runner = &self.place.runner;
        if runner.can_run(&postgres) { Ok(()) } else { Err(Error::Unreachable { path: postgres, uid: runner.uid() }) }
    }

    fn first_words(&self) -> Result<(File, File)> {
        let path = self.place.first_words();
        let describe = || format!("opening {}", path.display());
        let file = File::create(&path).attempt(describe)?;
        self.place.runner.give(&path)?;
        let again = file.try_clone().attempt(describe)?;
        Ok((file, again))
    }

    /// What the server complained of last: in its first words, or else in its log.
    fn last_complaint(&self, since: SystemTime) -> String {
        let first_words = fs::read_to_string(self.place.first_words()).unwrap_or_default();
        let log = || {
            let logs = fs::read_dir(self.log_dir()).ok()?.flatten().map(|entry| entry.path());
            let written_at = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
            let newest = logs.filter(|path| written_at(path) >= Some(since)).max_by_key(written_at)?;
            fs::read_to_string(newest).ok()
        };
        complaint(&first_words)
            .or_else(|| complaint(&log()?))
            .or_else(|| Some(first_words.trim().replace('\n', " ")).filter(|words| !words.is_empty()))
            .unwrap_or_else(|| "it ended without a word".to_owned())
    }

    fn did_not_start(&self, reason: String) -> Error {
        Error::DidNotStart { data_dir: self.data_dir(), reason, log_dir: self.log_dir() }
    }

    fn silent(&self, postmaster: &Postmaster) -> Error {
        let seconds = PATIENCE.as_secs();
        Error::Silent { data_dir: self.data_dir(), pid: postmaster.pid, seconds, log_dir: self.log_dir() }
    }
}

/// The last fatal line, our own probes' "the database system is starting up" excepted.
fn complaint(text: &str) -> Option<String> {
    let fatal = |line: &&str| line.contains("FATAL:") || line.contains("PANIC:");
    let last = text.lines().rev().filter(fatal).find(|line| !line.contains("the database system is"))?;
    let at = last.find("FATAL:").or_else(|| last.find("PANIC:"))?;
    last.get(at..).map(|words| words.trim().to_owned())
}
