//! The master key: where it is kept, and the vault behind it.

use std::path::{Path, PathBuf};

use clap::Args;
use vault::{MasterKey, Vault};

use crate::failure::{Failure, Result};

// No group by its name: `daybook audit keys` has one of that name.
#[derive(Args, Clone)]
#[group(skip)]
pub(crate) struct Keys {
    /// The file with the master key: 64 hexadecimal digits (`openssl rand -hex 32`)
    #[arg(long, global = true, env = "DAYBOOK_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,

    /// The master key itself, for those who cannot give a file
    #[arg(
        long,
        global = true,
        env = "DAYBOOK_MASTER_KEY",
        hide_env_values = true,
        hide = true,
        conflicts_with = "master_key_file"
    )]
    master_key: Option<String>,
}

impl Keys {
    /// The vault behind the key that was named.
    pub(crate) fn vault(&self) -> Result<Vault> {
        let master = match (&self.master_key, &self.master_key_file) {
            (_, Some(file)) => MasterKey::read(file)?,
            (Some(key), None) => MasterKey::parse(key)?,
            (None, None) => return Err(Failure::NoMasterKey),
        };
        Ok(Vault::new(&master))
    }

    /// The same; where none was named, the key of this home, if it has one.
    pub(crate) fn vault_of(&self, home: &Path) -> Result<Vault> {
        let file = home.join("master.key");
        let is_named = self.master_key.is_some() || self.master_key_file.is_some();
        if is_named || !file.exists() { self.vault() } else { Ok(Vault::new(&MasterKey::read(&file)?)) }
    }

    /// The same; where none was named, the key of this home, drawn when it is first needed.
    pub(crate) fn vault_or_draw(&self, home: &Path) -> Result<Vault> {
        if self.master_key.is_some() || self.master_key_file.is_some() {
            return self.vault();
        }
        Ok(Vault::new(&MasterKey::read_or_draw(&home.join("master.key"))?))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[keys]")
    }
}
