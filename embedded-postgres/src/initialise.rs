//! A data directory made whole or not at all: initdb works beside it, then one rename.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    binaries::Binaries,
    error::{Attempt as _, Error, Result},
    place::Place,
    runner::Runner,
};

/// What initdb works in; one left behind was killed in the middle.
const UNFINISHED: &str = "data.unfinished-";

/// Whether a data directory has to be made; one that is there must be whole. `PG_VERSION` names its major version.
pub(crate) enum Found {
    Nothing,
    WrittenBy(u32),
}

pub(crate) fn look(data_dir: &Path) -> Result<Found> {
    let describe = || format!("reading {}", data_dir.display());
    let no_data_directory = || Error::NotADataDirectory { data_dir: data_dir.to_path_buf() };
    match fs::read_to_string(data_dir.join("PG_VERSION")) {
        Ok(text) => text.trim().parse().map(Found::WrittenBy).or(Err(no_data_directory())),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).attempt(describe),
        Err(_) if !data_dir.exists() => Ok(Found::Nothing),
        Err(_) if fs::read_dir(data_dir).attempt(describe)?.count() == 0 => Ok(Found::Nothing),
        Err(_) => Err(no_data_directory()),
    }
}

/// Makes the data directory of a home. Only called under its start lock.
pub(crate) fn initialise(place: &Place, binaries: &Binaries, durably: bool) -> Result<()> {
    let data_dir = place.data_dir();
    clear_unfinished(&place.home)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let unfinished = place.home.join(format!("{UNFINISHED}{}-{now}", std::process::id()));
    run_initdb(&place.runner, binaries, &unfinished, durably)?;
    if data_dir.exists() {
        fs::remove_dir(&data_dir).attempt(|| format!("replacing the empty {}", data_dir.display()))?;
    }
    fs::rename(&unfinished, &data_dir).attempt(|| format!("naming {}", data_dir.display()))?;
    if durably {
        File::open(&place.home).and_then(|home| home.sync_all()).attempt(|| "flushing the new directory".to_owned())?;
    }
    Ok(())
}

fn run_initdb(runner: &Runner, binaries: &Binaries, directory: &Path, durably: bool) -> Result<()> {
    let mut command = runner.command(&binaries.initdb());
    command.args(["--locale=C.UTF-8", "-E", "UTF8", "--data-checksums", "-U", crate::SUPERUSER]);
    // Trust needs a socket, and its directory is closed to others. TCP, should someone open it, asks for a password.
    command.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
    if !durably {
        command.arg("--no-sync");
    }
    let output = command.arg("-D").arg(directory).output();
    let failed = |reason: String| Error::Initdb { data_dir: directory.to_path_buf(), reason };
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
}

/// What a killed initdb left is no data: nothing was ever served from it.
fn clear_unfinished(home: &Path) -> Result<()> {
    let describe = || format!("clearing what a killed initdb left in {}", home.display());
    for entry in fs::read_dir(home).attempt(describe)? {
        let entry = entry.attempt(describe)?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).attempt(describe)?;
        }
    }
    Ok(())
}
