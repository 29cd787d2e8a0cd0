//! The outside of a server: lines to the partners, and a sandbox of its own where none is named.

use std::{net::SocketAddr, path::Path, sync::Arc};

use channels::{
    Limits, Partners, SandboxAddress, Secret,
    sandbox::{self, Books, Settings},
};
use clap::Args;
use command_api::Inbox;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use vault::Vault;

use crate::failure::{Attempt as _, Result};

#[derive(Args, Clone, Debug)]
pub(crate) struct Outside {
    /// Leave reactions (channels, refunds, timers) to other processes
    #[arg(long, env = "DAYBOOK_WITHOUT_PROCESSES")]
    without_processes: bool,

    /// Where a sandbox serves, which plays every channel in test mode (`daybook sandbox`); without it, this process has
    /// one of its own
    #[arg(long, env = "DAYBOOK_SANDBOX_URL", value_name = "URL")]
    sandbox_url: Option<String>,
}

impl Outside {
    pub(crate) const fn has_processes(&self) -> bool {
        !self.without_processes
    }

    /// Opens the lines. A sandbox of our own keeps its books in `home`, or in memory where there is none, and reports to
    /// `listen`; it ends with `stopping`.
    pub(crate) async fn open(
        &self,
        listen: SocketAddr,
        home: Option<&Path>,
        vault: &Vault,
        stopping: watch::Receiver<bool>,
    ) -> Result<(Inbox, Option<JoinHandle<()>>)> {
        let secret = Secret::new(vault.sandbox_secret().as_str());
        let (address, serving) = match &self.sandbox_url {
            Some(url) => (SandboxAddress::at(url.trim_end_matches('/')), None),
            None => {
                let (url, serving) = start(listen, home, secret.clone(), stopping).await?;
                (SandboxAddress::at(url), Some(serving))
            }
        };
        let partners = Arc::new(Partners::new(&address, &Limits::default()));
        Ok((Inbox { partners, secrets: [secret].into() }, serving))
    }
}

async fn start(
    listen: SocketAddr,
    home: Option<&Path>,
    secret: Secret,
    mut stopping: watch::Receiver<bool>,
) -> Result<(String, JoinHandle<()>)> {
    let listening = || "opening the sandbox".to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.attempt(listening)?;
    let address = listener.local_addr().attempt(listening)?;
    let books = match home {
        Some(home) => Books::open(&home.join("sandbox")).map_err(std::io::Error::other).attempt(listening)?,
        None => Books::in_memory(),
    };
    let report_url = format!("http://127.0.0.1:{}/api/v1/webhooks/{{channel}}", listen.port());
    let settings = Settings { report_url: Some(report_url), ..Settings::new(secret) };
    let shutdown = async move {
        let _stopping = stopping.wait_for(|stop| *stop).await;
    };
    let serving = tokio::spawn(sandbox::serve(listener, Arc::new(books), settings, shutdown));
    Ok((format!("http://{address}"), serving))
}
