//! `daybook migrate`: brings a database to the schema of this binary, as its owner.

use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::{
    database,
    failure::{Failure, Result},
};

/// Apply the migrations this binary carries
///
/// They only ever go forward, and one that was applied never changes. Run it as the owner of the schema, before the
/// new release serves.
#[derive(Args, Debug)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: Owned,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Owned {
    /// The database as its owner sees it
    #[arg(long, env = "DATABASE_OWNER_URL", hide_env_values = true)]
    database_owner_url: Option<String>,

    /// Used when no owner is named
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

impl Owned {
    /// The owner's URL, or else the application's.
    pub(super) fn url(&self) -> Option<&str> {
        self.database_owner_url.as_deref().or(self.app_url()).filter(|url| !url.is_empty())
    }

    pub(super) fn app_url(&self) -> Option<&str> {
        self.database_url.as_deref().filter(|url| !url.is_empty())
    }
}

impl Migrate {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let unnamed = || Failure::NoDatabase("set DATABASE_OWNER_URL, or DATABASE_URL".to_owned());
        let status = database::migrate(self.database.url().ok_or_else(unnamed)?).await?;
        say(format!("the schema is at version {}", database::version(&status.applied)))?;
        Ok(ExitCode::SUCCESS)
    }
}
