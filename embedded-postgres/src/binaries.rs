//! Where `postgres` and `initdb` are: named, on the path, the distribution's, unpacked.

use std::{
    env, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::{Error, Result};

/// What our SQL runs on.
pub const SUPPORTED_MAJORS: RangeInclusive<u32> = 15..=18;

/// Where the distribution's packages put each major version.
const DISTRIBUTION: &str = "/usr/lib/postgresql";

/// A directory with a working `postgres` and `initdb` of a supported major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub directory: PathBuf,
    pub major: u32,
    /// As `postgres --version` tells it, such as `15.18`.
    pub version: String,
}

impl Binaries {
    /// The first of: `DAYBOOK_POSTGRES_BIN`, the path, the distribution's newest, `extra_dir` (without it the
    /// nearest `.daybook/postgres-dist` upwards from here).
    ///
    /// # Errors
    /// None of a supported version was found, or the one asked for cannot be used.
    pub fn find(extra_dir: Option<&Path>) -> Result<Self> {
        Self::find_for(None, extra_dir).map_err(|(error, _)| error)
    }

    /// As [`Binaries::find`], of one major version. The error carries the other versions that were found.
    pub(crate) fn find_for(major: Option<u32>, extra_dir: Option<&Path>) -> Result<Self, (Error, Vec<u32>)> {
        let fits = |found: &Self| major.is_none_or(|major| found.major == major);
        if let Some(directory) = env::var_os("DAYBOOK_POSTGRES_BIN").filter(|value| !value.is_empty()) {
            let directory = PathBuf::from(directory);
            let found = Self::in_directory(&directory)
                .map_err(|reason| (Error::UnusableBinaries { directory: directory.clone(), reason }, Vec::new()))?;
            return if fits(&found) { Ok(found) } else { Err((Self::none(&[directory]), vec![found.major])) };
        }
        let mut candidates = on_path();
        candidates.extend(distribution());
        candidates.extend(unpacked(extra_dir));
        let mut others = Vec::new();
        for directory in &candidates {
            match Self::in_directory(directory) {
                Ok(found) if fits(&found) => return Ok(found),
                Ok(found) => others.push(found.major),
                Err(reason) => tracing::debug!(directory = %directory.display(), reason, "passed over"),
            }
        }
        Err((Self::none(&candidates), others))
    }

    /// `psql`, when it lies beside the server or on the path.
    #[must_use]
    pub fn psql(&self) -> Option<PathBuf> {
        let beside = self.directory.join("psql");
        if beside.is_file() {
            Some(beside)
        } else {
            path_directories().map(|dir| dir.join("psql")).find(|p| p.is_file())
        }
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    pub(crate) fn initdb(&self) -> PathBuf {
        self.directory.join("initdb")
    }

    fn in_directory(directory: &Path) -> Result<Self, String> {
        let postgres = directory.join("postgres");
        let output = Command::new(&postgres)
            .arg("--version")
            .output()
            .map_err(|error| format!("{} cannot be run ({error})", postgres.display()))?;
        if !directory.join("initdb").is_file() {
            return Err("there is no initdb in it".to_owned());
        }
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let version = said.split_whitespace().nth(2).unwrap_or_default().to_owned();
        let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(major) if SUPPORTED_MAJORS.contains(&major) => {
                let directory = fs::canonicalize(directory).map_err(|error| error.to_string())?;
                Ok(Self { directory, major, version })
            }
            Ok(major) => Err(format!("it is Postgres {major}")),
            Err(_) => Err(format!("`postgres --version` said {said:?}")),
        }
    }

    fn none(candidates: &[PathBuf]) -> Error {
        let looked: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
        let nothing = || format!("no postgres on the path or in {DISTRIBUTION}");
        Error::NoBinaries {
            supported: format!("{}-{}", SUPPORTED_MAJORS.start(), SUPPORTED_MAJORS.end()),
            looked: if looked.is_empty() { nothing() } else { format!("passed over: {}", looked.join(", ")) },
        }
    }
}

fn path_directories() -> impl Iterator<Item = PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default().into_iter()
}

/// A `postgres` on the path is often a link into the directory that holds its neighbours too.
fn on_path() -> Vec<PathBuf> {
    path_directories()
        .map(|directory| directory.join("postgres"))
        .filter(|postgres| postgres.is_file())
        .filter_map(|postgres| fs::canonicalize(postgres).ok()?.parent().map(Path::to_path_buf))
        .collect()
}

fn distribution() -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(DISTRIBUTION)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
        .unwrap_or_default();
    majors.sort_unstable_by(|one, other| other.cmp(one));
    majors.into_iter().map(|major| Path::new(DISTRIBUTION).join(major.to_string()).join("bin")).collect()
}

fn unpacked(extra_dir: Option<&Path>) -> Vec<PathBuf> {
    let nearest = || {
        let here = env::current_dir().ok()?;
        here.ancestors().map(|directory| directory.join(".daybook/postgres-dist")).find(|path| path.is_dir())
    };
    extra_dir
        .map(Path::to_path_buf)
        .or_else(nearest)
        .map(|directory| vec![directory.join("bin"), directory])
        .unwrap_or_default()
        .into_iter()
        .filter(|directory| directory.join("postgres").is_file())
        .collect()
}
