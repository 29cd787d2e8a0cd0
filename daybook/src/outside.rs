//! The outside of a server: lines to the partners, and a sandbox of its own.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use channels::{
    Hint, Limits, Partners, SandboxAddress, Secret,
    sandbox::{self, Books, Settings},
};
use chrono::TimeDelta;
use clap::Args;
use command_api::Inbox;
use processes::Patience;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use vault::Vault;

use crate::{
    failure::{Attempt as _, Result},
    origins::Origins,
};

/// That wait to be followed; of more, nothing is known.
const HINTS_MAX: usize = 64;

#[derive(Args, Clone, Debug)]
pub(crate) struct Outside {
    /// Leave reactions (channels, refunds, timers) to other processes
    #[arg(long, env = "DAYBOOK_WITHOUT_PROCESSES")]
    without_processes: bool,

    /// Where a sandbox serves, which plays every channel in test mode (`daybook sandbox`); without it, this process has
    /// one of its own
    #[arg(long, env = "DAYBOOK_SANDBOX_URL", value_name = "URL")]
    sandbox_url: Option<String>,

    /// How long one request to a channel may take
    #[arg(long, env = "DAYBOOK_CHANNEL_DEADLINE_MS", default_value_t = 10_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..=60_000))]
    channel_deadline_ms: u32,

    /// Before a request to a channel is tried again; eight times as long before each further time
    #[arg(long, env = "DAYBOOK_CHANNEL_RETRY_AFTER_MS", default_value_t = 1_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..))]
    channel_retry_after_ms: u32,

    /// After the last try, until a request the channel still does not know counts as never received
    #[arg(long, env = "DAYBOOK_CHANNEL_ABSENT_AFTER_MS", default_value_t = 90_000, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(10..))]
    channel_absent_after_ms: u32,

    /// For how long a merchant may capture what was authorised; then the channel is to let go of it
    #[arg(long, env = "DAYBOOK_CAPTURED_WITHIN_S", default_value_t = 7 * 24 * 60 * 60, value_name = "S",
          value_parser = clap::value_parser!(u32).range(1..=90 * 24 * 60 * 60))]
    captured_within_s: u32,

    #[command(flatten)]
    pub(crate) origins: Origins,
}

impl Outside {
    pub(crate) const fn has_processes(&self) -> bool {
        !self.without_processes
    }

    pub(crate) const fn has_sandbox_elsewhere(&self) -> bool {
        self.sandbox_url.is_some()
    }

    fn limits(&self) -> Limits {
        Limits { deadline: Duration::from_millis(self.channel_deadline_ms.into()), ..Limits::default() }
    }

    pub(crate) fn patience(&self) -> Patience {
        let of = |ms: u32| TimeDelta::milliseconds(i64::from(ms));
        Patience {
            retry_after: of(self.channel_retry_after_ms),
            look_again_after: of(self.channel_retry_after_ms.saturating_mul(3)),
            captured_within: TimeDelta::seconds(i64::from(self.captured_within_s)),
            last_look_after: of(self.channel_absent_after_ms),
        }
    }

    /// Opens the lines. A sandbox of our own keeps its books in `home`, or in memory where there is none, and reports to
    /// `listen`; it ends with `stopping`.
    pub(crate) async fn open(
        &self,
        listen: SocketAddr,
        home: Option<&Path>,
        vault: &Vault,
        stopping: watch::Receiver<bool>,
    ) -> Result<(Inbox, mpsc::Receiver<Hint>, Option<JoinHandle<()>>)> {
        let secret = Secret::new(vault.sandbox_secret().as_str());
        let (address, serving) = match &self.sandbox_url {
            Some(url) => (SandboxAddress::at(url.trim_end_matches('/')), None),
            None => {
                let (url, serving) = start(listen, home, secret.clone(), stopping).await?;
                (SandboxAddress::at(url), Some(serving))
            }
        };
        let partners = Arc::new(Partners::new(&address, &self.limits()));
        let (hints, hinted) = mpsc::channel(HINTS_MAX);
        Ok((Inbox { partners, secrets: [secret].into(), hints }, hinted, serving))
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
    tracing::info!("the sandbox plays every channel in test mode at http://{address}");
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
