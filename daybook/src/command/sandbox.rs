//! `daybook sandbox`: the payment partner that plays every channel in test mode.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use channels::{
    Secret,
    sandbox::{self, Books, FaultPlan, Settings},
};
use clap::Args;

use super::say;
use crate::{
    failure::{Attempt as _, Result},
    http,
    interrupt::Interrupt,
    keys::Keys,
};

/// Serve the sandbox by itself, for servers that name it (`DAYBOOK_SANDBOX_URL`)
///
/// What it does with a payment is said by its `pay_method`, such as `pm_sandbox_declined`: see docs/sandbox.md. It signs its
/// reports with a secret made of the master key, so it is given the same one as the servers.
#[derive(Args, Debug)]
pub(super) struct Sandbox {
    /// The address to serve on
    #[arg(long, env = "DAYBOOK_SANDBOX_LISTEN", default_value = "127.0.0.1:40004", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where it keeps its books; without it they end with it
    #[arg(long, value_name = "DIRECTORY")]
    books: Option<PathBuf>,
    /// Where it reports what happened, with {channel} for the channel's name
    #[arg(long, default_value = "http://127.0.0.1:40003/api/v1/webhooks/{channel}", value_name = "URL")]
    report_url: String,
    /// Let things go wrong as this seed has it: late, lost, broken, doubled
    #[arg(long, value_name = "SEED")]
    rough: Option<u64>,
    #[command(flatten)]
    keys: Keys,
}

impl Sandbox {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::listen()?;
        let vault = self.keys.vault()?;
        let listener = http::bind(self.listen).await?;
        let opening = || "opening the books of the sandbox".to_owned();
        let books = match &self.books {
            Some(directory) => Books::open(directory).map_err(std::io::Error::other).attempt(opening)?,
            None => Books::in_memory(),
        };
        let faults = self.rough.map(FaultPlan::rough).unwrap_or_default();
        let secret = Secret::new(vault.sandbox_secret().as_str());
        let settings = Settings { report_url: Some(self.report_url), faults, ..Settings::new(secret) };
        say(format_args!("the sandbox serves on http://{}", self.listen))?;
        sandbox::serve(listener, Arc::new(books), settings, async move { interrupt.asked().await }).await;
        Ok(ExitCode::SUCCESS)
    }
}
