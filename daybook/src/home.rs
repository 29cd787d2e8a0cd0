//! The directory `.daybook`: the embedded Postgres and the mark of who serves from here.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use embedded_postgres::Options;

use crate::failure::{Attempt as _, Result};

#[derive(Args, Clone, Debug)]
pub(crate) struct Home {
    /// Where the embedded Postgres keeps its data
    #[arg(long = "home", env = "DAYBOOK_HOME", default_value = ".daybook", value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// The right to be the one development server of a home; the operating system takes it back with the process.
pub(crate) enum Claim {
    Ours(Mark),
    /// Someone serves from here already, and this is what they wrote down: their URL.
    Theirs(String),
}

pub(crate) struct Mark {
    file: File,
    path: PathBuf,
}

impl Home {
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    /// How to start the Postgres of this home.
    pub(crate) fn options(&self) -> Options {
        Options { distribution: Some(self.directory.join("postgres-dist")), ..Options::default() }
    }

    pub(crate) fn claim(&self) -> Result<Claim> {
        let path = self.directory.join("serving");
        let describe = || format!("opening {}", path.display());
        fs::create_dir_all(&self.directory).attempt(describe)?;
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(&path).attempt(describe)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).attempt(describe)?;
                Ok(Claim::Ours(Mark { file, path }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut url = String::new();
                file.read_to_string(&mut url).attempt(describe)?;
                Ok(Claim::Theirs(url.trim().to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(error).attempt(describe),
        }
    }
}

impl Mark {
    /// Tells a second start where we serve.
    pub(crate) fn write(&mut self, url: &str) -> Result<()> {
        writeln!(self.file, "{url}").attempt(|| format!("writing {}", self.path.display()))
    }
}
