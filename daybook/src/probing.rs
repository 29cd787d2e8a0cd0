//! How a server is looked at from outside: its metrics, how it says that it ends.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use crate::{
    failure::{Failure, Result},
    secret::Token,
};

#[derive(Args, Clone)]
pub(crate) struct Probing {
    /// What opens /metrics, as `Authorization: Bearer`: needed where other machines can reach it
    #[arg(long, env = "DAYBOOK_METRICS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    metrics_token: Option<String>,

    /// Once told to end, for how long requests are still taken while /readyz says no, so that whoever sends them can notice
    #[arg(long, env = "DAYBOOK_UNREADY_FOR_MS", default_value_t = 0, value_name = "MS",
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    unready_for_ms: u32,
}

impl Probing {
    pub(crate) fn token(&self) -> Result<Option<Token>> {
        self.metrics_token.as_deref().map(|text| Token::parse(text, "the token of /metrics")).transpose()
    }

    pub(crate) fn unready_for(&self) -> Duration {
        Duration::from_millis(self.unready_for_ms.into())
    }

    /// Makes sure that what the metrics tell is told to nobody by accident.
    pub(crate) fn check(&self, listen: SocketAddr) -> Result<()> {
        let token = self.token()?;
        if token.is_none() && !listen.ip().is_loopback() {
            return Err(Failure::MetricsInPublic { listen });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Probing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probing").field("unready_for_ms", &self.unready_for_ms).finish_non_exhaustive()
    }
}
