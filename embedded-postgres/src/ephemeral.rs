//! A temporary home, owned by one process and cleared when that process has gone.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

use crate::{
    Cluster, Stop,
    error::{Attempt as _, Result},
    place::{Place, make_private},
    runner::Runner,
};

const PREFIX: &str = "daybook-ephemeral-";

/// The file whose lock says that the owner lives.
const OWNER: &str = "owner.lock";

static TAKEN_COUNT: AtomicU32 = AtomicU32::new(0);

/// The right to one temporary home. The operating system drops the lock with the process, however it ends.
#[derive(Debug)]
pub(crate) struct Lease {
    home: PathBuf,
    _lock: File,
}

impl Lease {
    pub(crate) fn take() -> Result<(Place, Self)> {
        let runner = Runner::preferred()?;
        let parent = fs::canonicalize(env::temp_dir()).attempt(|| "finding the temporary directory".to_owned())?;
        clear_abandoned(&parent);
        let number = TAKEN_COUNT.fetch_add(1, Ordering::Relaxed);
        let started = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        let name = format!("{PREFIX}{}-{started}-{number}", std::process::id());
        let home = parent.join(&name);
        let describe = || format!("making {}", home.display());
        // Locked before it has the name by which others look for abandoned ones.
        let unnamed = parent.join(format!(".{name}"));
        make_private(&unnamed, runner)?;
        let lock = File::create(unnamed.join(OWNER)).attempt(describe)?;
        lock.lock().attempt(describe)?;
        fs::rename(&unnamed, &home).attempt(describe)?;
        Ok((Place { home: home.clone(), runner }, Self { home, _lock: lock }))
    }

    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.home) {
            tracing::warn!(%error, home = %self.home.display(), "an ephemeral directory was left behind");
        }
    }
}

/// Stops and removes what processes that were killed left behind. A failure here is nobody's problem.
fn clear_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let home = entry.path();
        let Ok(file) = File::open(home.join(OWNER)) else { continue };
        if file.try_lock().is_err() {
            continue;
        }
        let stopped = Cluster::running(&home).map(|found| found.map_or(Ok(()), |found| found.stop(Stop::Immediate)));
        if matches!(stopped, Ok(Ok(()))) && fs::remove_dir_all(&home).is_ok() {
            tracing::info!(home = %home.display(), "removed an ephemeral Postgres whose owner was killed");
        }
    }
}
