//! Which ledger a command is about, and how it is reached.

use std::path::PathBuf;

use clap::Args;
use embedded_postgres::{Cluster, DATABASE};
use event_store::Store;
use sqlx::PgConnection;
use vault::Vault;

use crate::{
    database,
    failure::{Failure, Result},
    home::Home,
    keys::Keys,
};

#[derive(Args, Debug)]
pub(super) struct Place {
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    keys: Keys,
    /// Where the ledger is; without it, the embedded Postgres
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
}

impl Place {
    pub(super) fn url(&self) -> Result<String> {
        if let Some(url) = self.database_url.as_deref().filter(|url| !url.is_empty()) {
            return Ok(url.to_owned());
        }
        let home = self.home.postgres();
        let start = "nothing was done; set DATABASE_URL, or start one";
        let cluster = Cluster::running(&home)?
            .ok_or_else(|| Failure::NoDatabase(format!("{start} in {}: `daybook dev`", home.display())))?;
        Ok(cluster.url(DATABASE))
    }

    /// The directory of checkpoints of this home, if it has one.
    pub(super) fn checkpoints(&self) -> Option<PathBuf> {
        let directory = crate::witness::directory_of(self.home.directory());
        (self.database_url.is_none() && directory.is_dir()).then_some(directory)
    }

    /// A connection to a ledger that is there, with a schema this binary can read.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let mut connection = database::connect(&self.url()?).await?;
        let status = database::status(&mut connection).await?;
        if !status.is_current() {
            let (applied, known) = (database::version(&status.applied), database::version(&status.known));
            return Err(Failure::Schema { applied, known });
        }
        Ok(connection)
    }

    /// A store on such a ledger. Its connections have the application's few rights.
    pub(super) async fn store(&self) -> Result<Store> {
        drop(self.connect().await?);
        database::store(&self.url()?)
    }

    /// The vault of that ledger: behind the key that was named, or the one of this home.
    pub(super) async fn vault(&self) -> Result<Vault> {
        let vault = self.keys.vault_of(self.home.directory())?;
        database::recognise(&database::pool(&self.url()?)?, &vault).await?;
        Ok(vault)
    }
}
