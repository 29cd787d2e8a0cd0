//! `daybook serve`: the HTTP faces on a database that someone else looks after.

use std::{net::SocketAddr, num::NonZero, process::ExitCode, thread::available_parallelism};

use clap::Args;
use gate::{Gate, Limits, Rate};

use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
    http,
    interrupt::Interrupt,
    keys::Keys,
    serving,
    witness::Witnessed,
};

/// Serve HTTP on an existing, migrated database
///
/// The server starts even when the database is away: /readyz says so until it is back. SIGTERM stops accepting,
/// finishes what is under way within 25 seconds and ends; a second signal ends at once.
#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Where the ledger is; every connection takes on the role `daybook_app`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    /// How many threads serve, beside the writer's own: as many as there are cores, and one less where requests are
    /// answered and nothing else is done
    #[arg(long, env = "DAYBOOK_THREADS", value_name = "COUNT")]
    threads: Option<NonZero<usize>>,

    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    rates: Rates,
    #[command(flatten)]
    told: serving::Told,
    #[command(flatten)]
    witnessed: Witnessed,
}

#[derive(Args, Clone, Debug)]
pub(super) struct Listen {
    /// The address to serve on
    #[arg(long = "listen", env = "DAYBOOK_LISTEN", default_value = "127.0.0.1:40003", value_name = "ADDRESS:PORT")]
    pub(super) address: SocketAddr,
}

impl Serve {
    pub(super) fn threads(&self) -> usize {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let only_answers = self.told.only_answers() && !self.witnessed.is_kept();
        let all = if only_answers { cores.saturating_sub(1).max(1) } else { cores };
        self.threads.map_or(all, NonZero::get)
    }

    pub(super) async fn run(self) -> Result<ExitCode> {
        let interrupt = Interrupt::listen()?;
        self.told.check(self.listen.address)?;
        let vault = self.keys.vault()?;
        let listener = http::bind(self.listen.address).await?;
        let store = database::store(&self.database_url)?;
        let gate = Gate::new(store, vault, None, self.rates.limits());
        let greet = || tracing::info!(listen = %self.listen.address, "serving");
        let told = (&self.told, &self.witnessed);
        Box::pin(serving::serve(listener, &self.database_url, gate, told, None, interrupt, greet)).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Serve {
    /// What would keep it from serving, and what of the rest is as it should be. Nothing is listened on or written.
    pub(super) async fn check(&self) -> Result<Vec<String>> {
        self.told.check(self.listen.address)?;
        let vault = self.keys.vault()?;
        let mut findings = vec![
            format!("ok    listen     {}", self.listen.address),
            "ok    key        named, and not plain".to_owned(),
        ];
        let pool = database::pool(&self.database_url)?;
        let mut connection = match pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => {
                findings.push(format!("warn  database   it cannot be reached now, and is not looked at: {error}"));
                return Ok(findings);
            }
        };
        if let Some(why) = database::unbound(&mut connection).await.attempt(|| "looking at the role".to_owned())? {
            return Err(Failure::Unbound(why));
        }
        let status = database::status(&mut connection).await?;
        let (applied, known) = (database::version(&status.applied), database::version(&status.known));
        if !status.is_current() {
            return Err(Failure::Schema { applied, known });
        }
        findings.push(format!("ok    schema     version {applied}"));
        match vault::is_its_key(&pool, &vault).await.attempt(|| "looking at the key".to_owned())? {
            true => findings.push("ok    database   reachable, its role bound, the key its own".to_owned()),
            false => return Err(Failure::OtherMasterKey),
        }
        Ok(findings)
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Requests a second for one API key or token; twice as many at once. Each payment of a bulk counts
    #[arg(long, env = "DAYBOOK_RATE_PER_KEY", default_value_t = 1_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..))]
    rate_per_key: u32,

    /// Requests a second for one merchant, whatever its keys; twice as many at once
    #[arg(long, env = "DAYBOOK_RATE_PER_MERCHANT", default_value_t = 2_000, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..))]
    rate_per_merchant: u32,
}

impl Rates {
    pub(super) fn limits(self) -> Limits {
        let rate = |per_second: u32| Rate { per_second, burst: per_second.saturating_mul(2) };
        Limits { per_key: rate(self.rate_per_key), per_merchant: rate(self.rate_per_merchant), ..Limits::default() }
    }
}
