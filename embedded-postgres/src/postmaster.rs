//! The server process of a data directory: found, told apart from a stranger, signalled.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};

use crate::error::{Attempt as _, Error, Result};

/// Never the id of a process: both Linux and the BSDs stop far below it.
const NOBODY: i32 = i32::MAX;

/// What `postmaster.pid` says, if its process is, or may be, the server of this directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Postmaster {
    pub(crate) pid: i32,
    pub(crate) port: u16,
    pub(crate) socket_dir: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Its process is a Postgres at work in this directory.
    Running(Postmaster),
    /// No pid file, or the process it names is gone: Postgres clears that up itself.
    Absent,
    /// The process it names is another program that was given the number since.
    Reused,
}

impl Presence {
    pub(crate) fn of(data_dir: &Path) -> Self {
        let Some(postmaster) = read(data_dir) else { return Self::Absent };
        match test_kill_process(pid(postmaster.pid)) {
            Err(Errno::SRCH) => Self::Absent,
            Ok(()) | Err(_) if works_in(postmaster.pid, data_dir) => Self::Running(postmaster),
            Ok(()) | Err(_) => Self::Reused,
        }
    }
}

impl Postmaster {
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        signal_process(self.pid, signal)
    }
}

/// Whether the server that was process `number` has ended: nobody, a zombie nobody reaps, or another program by now.
pub(crate) fn has_ended(number: i32, data_dir: &Path) -> bool {
    if test_kill_process(pid(number)) == Err(Errno::SRCH) {
        return true;
    }
    let status = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
    let zombie = status.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']));
    // A process on its way out has no arguments any more: it still counts as there.
    let on_its_way_out = fs::read(format!("/proc/{number}/cmdline")).is_ok_and(|arguments| arguments.is_empty());
    zombie || !(on_its_way_out || works_in(number, data_dir))
}

/// A process that has ended meanwhile is no error: that is what the signal was for.
pub(crate) fn signal_process(number: i32, signal: Signal) -> Result<()> {
    match kill_process(pid(number), signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).attempt(|| format!("signalling process {number}")),
    }
}

/// Names nobody in the pid file, so that Postgres does not take a stranger for its predecessor. The rest stays: from
/// its shared memory key Postgres learns whether children of a killed server are still at work.
pub(crate) fn disown(data_dir: &Path) -> Result<()> {
    let path = data_dir.join("postmaster.pid");
    let text = fs::read_to_string(&path).attempt(|| format!("reading {}", path.display()))?;
    let rest = text.split_once('\n').map(|(_, rest)| rest).unwrap_or_default();
    fs::write(&path, format!("{NOBODY}\n{rest}")).attempt(|| format!("writing {}", path.display()))
}

/// Lines: process, data directory, start time, port, socket directories, listen address, shared memory key, status.
fn read(data_dir: &Path) -> Option<Postmaster> {
    let text = fs::read_to_string(data_dir.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
    let port = lines.nth(2).and_then(|port| port.trim().parse().ok()).unwrap_or(crate::DEFAULT_PORT);
    let socket_dir = lines.next().map(|path| PathBuf::from(path.trim())).unwrap_or_default();
    Some(Postmaster { pid, port, socket_dir })
}

/// Whether the process is a Postgres that works in this directory, by its working directory or its arguments.
fn works_in(pid: i32, data_dir: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    if !Path::new("/proc/self").exists() {
        return said_by_ps(pid).contains(&data_dir.display().to_string());
    }
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let program = arguments.next().unwrap_or_default().into_owned();
    let is_postgres = Path::new(&program).file_name().is_some_and(|name| name == "postgres" || name == "postmaster");
    let here = match fs::read_link(process.join("cwd")) {
        Ok(directory) => directory == data_dir,
        Err(_) => arguments.any(|argument| Path::new(argument.as_ref()) == data_dir),
    };
    is_postgres && here
}

fn said_by_ps(pid: i32) -> String {
    let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap_or(Pid::INIT)
}

/// The server of this directory, or the sentence that there is none.
pub(crate) fn running(data_dir: &Path) -> Result<Postmaster> {
    match Presence::of(data_dir) {
        Presence::Running(postmaster) => Ok(postmaster),
        Presence::Absent | Presence::Reused => Err(Error::NotRunning { data_dir: data_dir.to_path_buf() }),
    }
}
