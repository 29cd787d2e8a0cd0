//! `daybook serve`: the HTTP faces on a database that someone else looks after.

use std::{net::SocketAddr, process::ExitCode};

use clap::Args;

use crate::{database, failure::Result, http, interrupt::Interrupt};

/// Serve HTTP on an existing, migrated database
///
/// The server starts even when the database is away: /readyz says so until it is back. SIGTERM stops accepting,
/// finishes what is under way within 25 seconds and ends; a second signal ends at once.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Where the ledger is; every connection takes on the role `daybook_app`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    #[command(flatten)]
    listen: Listen,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Listen {
    /// The address to serve on
    #[arg(long = "listen", env = "DAYBOOK_LISTEN", default_value = "127.0.0.1:40003", value_name = "ADDRESS:PORT")]
    pub(super) address: SocketAddr,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let interrupt = Interrupt::listen()?;
        let listener = http::bind(self.listen.address).await?;
        let router = http::router(database::pool(&self.database_url)?)?;
        tracing::info!(listen = %self.listen.address, "serving");
        http::serve(listener, router, interrupt).await;
        Ok(ExitCode::SUCCESS)
    }
}
