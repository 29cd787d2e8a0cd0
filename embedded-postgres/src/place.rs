//! Where a cluster lives: home, data, socket, and the way its user reaches them.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink},
    path::{self, Path, PathBuf},
};

use crate::{
    error::{Attempt as _, Error, Result},
    runner::Runner,
};

/// Where root keeps the data of a clone that the unprivileged user cannot reach.
const ELSEWHERE: &str = "/var/lib/daybook";

/// A socket's path has 107 bytes on Linux and 103 elsewhere; its file name takes about 16 of them.
const LONGEST_SOCKET_DIR: usize = 84;

#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Without links; holds `data`, `socket`, the start lock and what the server says before its log opens.
    pub(crate) home: PathBuf,
    pub(crate) runner: Runner,
}

impl Place {
    /// The home as asked for, or a link there to the place where the server's user can reach it.
    pub(crate) fn resolve(asked: &Path) -> Result<Self> {
        let asked = path::absolute(asked).attempt(|| format!("resolving {}", asked.display()))?;
        let parent = asked.parent().unwrap_or(&asked);
        fs::create_dir_all(parent).attempt(|| format!("making {}", parent.display()))?;
        // Two that come at once must not see each other's home half made.
        let _lock = lock(File::open(parent), parent)?;
        if let Some(found) = Self::existing(&asked)? {
            return Ok(found);
        }
        let runner = Runner::preferred()?;
        make_private(&asked, runner)?;
        if !runner.can_use(&asked) {
            fs::remove_dir(&asked).attempt(|| format!("moving {} elsewhere", asked.display()))?;
            let elsewhere = Path::new(ELSEWHERE).join(stable_hash(&asked));
            fs::create_dir_all(ELSEWHERE).attempt(|| format!("making {ELSEWHERE}"))?;
            if elsewhere.exists() {
                tracing::warn!(kept_in = %elsewhere.display(), "using the data kept for this path before; remove it to start empty");
            }
            make_private(&elsewhere, runner)?;
            symlink(&elsewhere, &asked).attempt(|| format!("linking {}", asked.display()))?;
            tracing::info!(kept_in = %elsewhere.display(), "the server's user cannot reach this directory");
        }
        Ok(Self { home: canonical(&asked)?, runner })
    }

    /// The home, if there is one already.
    pub(crate) fn existing(asked: &Path) -> Result<Option<Self>> {
        if !asked.exists() {
            return match fs::read_link(asked) {
                Ok(target) => Err(Error::DanglingLink { link: asked.to_path_buf(), target }),
                Err(_) => Ok(None),
            };
        }
        let home = canonical(asked)?;
        let runner = Runner::owner_of(&home)?;
        if !runner.can_use(&home) {
            return Err(Error::Unreachable { path: home, uid: runner.uid() });
        }
        Ok(Some(Self { home, runner }))
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// What the server says before its log opens.
    pub(crate) fn first_words(&self) -> PathBuf {
        self.home.join("start.log")
    }

    /// `socket` in the home, or a short directory when a socket's path would be too long or read as a list.
    pub(crate) fn socket_dir(&self) -> Result<PathBuf> {
        let inside = self.home.join("socket");
        let text = inside.display().to_string();
        let plain = !text.contains([',', '"', '\\', '\'']) && !text.contains(char::is_control);
        if text.len() <= LONGEST_SOCKET_DIR && plain {
            make_private(&inside, self.runner)?;
            return Ok(inside);
        }
        let short = PathBuf::from(format!("/tmp/daybook-{}", stable_hash(&self.home)));
        make_private(&short, self.runner)?;
        Ok(short)
    }

    /// Removes the socket of a server that is known to be gone. The directory is this cluster's alone; Postgres
    /// itself would shrink from the lock file if the number in it were another program's by now.
    pub(crate) fn clear_socket(&self, port: u16) -> Result<()> {
        for name in [format!(".s.PGSQL.{port}"), format!(".s.PGSQL.{port}.lock")] {
            let path = self.socket_dir()?.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).attempt(|| format!("removing {}", path.display()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Held while a cluster is made or started, so that two starts at once become one start and one adoption.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.home.join("start.lock");
        let file = lock(File::create(&path), &path)?;
        self.runner.give(&path)?;
        Ok(file)
    }
}

fn lock(opened: io::Result<File>, path: &Path) -> Result<File> {
    let describe = || format!("locking {}", path.display());
    let file = opened.attempt(describe)?;
    file.lock().attempt(describe)?;
    Ok(file)
}

/// A directory that only its user may enter. One that is there already must be just that.
pub(crate) fn make_private(directory: &Path, runner: Runner) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => runner.give(directory),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = fs::symlink_metadata(directory).attempt(|| format!("looking at {}", directory.display()))?;
            let private = there.is_dir() && there.uid() == runner.uid() && there.permissions().mode() & 0o077 == 0;
            let refusal = || Error::UnsafeSocketDirectory { directory: directory.to_path_buf(), uid: runner.uid() };
            if private { Ok(()) } else { Err(refusal()) }
        }
        Err(error) => Err(error).attempt(|| format!("making {}", directory.display())),
    }
}

/// The same for the same path, in every release and on every machine (FNV-1a).
fn stable_hash(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

fn canonical(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).attempt(|| format!("resolving {}", path.display()))
}
