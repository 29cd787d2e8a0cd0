//! `daybook dev`: everything on one machine, with a Postgres of its own.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use clap::Args;
use command_api::demo;
use embedded_postgres::{Cluster, DATABASE, Stop};
use gate::Gate;
use tokio::task::spawn_blocking;

use super::{
    migrate::Owned,
    say,
    serve::{Listen, Rates},
};
use crate::{
    database,
    failure::{Attempt as _, Failure, Result},
    home::{Claim, Home},
    http,
    interrupt::Interrupt,
    keys::Keys,
    serving,
    witness::Witnessed,
};

/// Serve on this machine, with a Postgres in .daybook (what `make run` starts)
///
/// Starts the embedded Postgres, or uses `DATABASE_URL` when it is set; applies the migrations; serves. Ctrl-C finishes
/// what is under way and stops the Postgres it started. The data stays.
#[derive(Args, Debug)]
pub(super) struct Dev {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    home: Home,
    #[command(flatten)]
    database: Owned,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    rates: Rates,
    #[command(flatten)]
    told: serving::Told,
    #[command(flatten)]
    witnessed: Witnessed,
}

impl Dev {
    pub(super) async fn run(self) -> Result<ExitCode> {
        if !self.listen.address.ip().is_loopback() {
            return Err(Failure::DemoInPublic { listen: self.listen.address });
        }
        self.told.check(self.listen.address)?;
        let interrupt = Interrupt::listen()?;
        let mut mark = match self.home.claim()? {
            Claim::Ours(mark) => mark,
            Claim::Theirs(url) => {
                let doing =
                    if url.is_empty() { "is just starting".to_owned() } else { format!("already serves on {url}") };
                say(format!("Daybook {doing}, from {}", self.home.directory().display()))?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let listener = http::bind(self.listen.address).await?;
        let url = format!("http://{}", self.listen.address);
        mark.write(&url)?;
        let cluster = if self.database.url().is_none() { Some(self.start_postgres().await?) } else { None };
        let ended = self.serve(listener, cluster.as_deref(), interrupt).await;
        let stopped = stop_postgres(cluster).await;
        ended.and(stopped).map(|()| ExitCode::SUCCESS)
    }

    async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        cluster: Option<&Cluster>,
        interrupt: Interrupt,
    ) -> Result<()> {
        let own = cluster.map(|cluster| cluster.url(DATABASE));
        let owner_url = own.as_deref().or(self.database.url()).unwrap_or_default();
        let app_url = own.as_deref().or(self.database.app_url()).unwrap_or(owner_url);
        let status = database::migrate(owner_url).await?;
        tracing::info!(version = database::version(&status.applied), "the schema is current");
        if interrupt.is_asked() {
            return Ok(());
        }
        let vault = self.keys.vault_or_draw(self.home.directory())?;
        database::recognise(&database::pool(app_url)?, &vault).await?;
        let store = database::store(app_url)?;
        demo::ensure(&store, &vault).await?;
        let gate = Gate::new(store, vault, Some(demo::DEMO), self.rates.limits());
        let greet = || {
            // A ledger does not end because nobody reads its greeting.
            if let Err(failure) = say(what_next(self.listen.address, own.as_deref())) {
                tracing::warn!(%failure, "what to try next could not be shown");
            }
        };
        let witnessed = self.witnessed.at_home(self.home.directory())?;
        let told = (&self.told, &witnessed);
        Box::pin(serving::serve(listener, app_url, gate, told, Some(self.home.directory()), interrupt, greet)).await
    }

    async fn start_postgres(&self) -> Result<Arc<Cluster>> {
        let home = self.home.clone();
        let started = spawn_blocking(move || Cluster::start(&home.postgres(), home.options())).await;
        let cluster = started.map_err(std::io::Error::other).attempt(|| "starting Postgres".to_owned())??;
        tracing::info!(pid = cluster.pid()?, data_dir = %cluster.data_dir().display(), "Postgres is ready");
        Ok(Arc::new(cluster))
    }
}

/// Stops the Postgres that we started; one that ran before goes on.
async fn stop_postgres(cluster: Option<Arc<Cluster>>) -> Result<()> {
    let Some(cluster) = cluster else { return Ok(()) };
    if !cluster.started_here() {
        tracing::info!("Postgres ran before and goes on; `daybook postgres stop` stops it");
        return Ok(());
    }
    let stopped = spawn_blocking(move || cluster.stop(Stop::Fast)).await;
    stopped.map_err(std::io::Error::other).attempt(|| "stopping Postgres".to_owned())??;
    tracing::info!("Postgres has stopped; the data stays");
    Ok(())
}

fn what_next(listen: SocketAddr, own_url: Option<&str>) -> String {
    let look = own_url.map_or_else(|| "psql \"$DATABASE_URL\"".to_owned(), |url| format!("psql '{url}'"));
    format!(
        "\nDaybook {version} serves on http://{listen}\n\n  \
           a payment      curl -X POST http://{listen}/api/v1/payments -H 'Content-Type: application/json' \\\n                            \
             -H 'X-API-Key: test-api-key' -H 'X-Signature: test-signature' -H 'Idempotency-Key: first' \\\n                            \
             -d '{{\"order_no\":\"ORDER-1\",\"amount\":10000,\"currency\":\"USD\",\"channel\":\"stripe\"}}'\n  \
           the API        http://{listen}/docs\n  \
           is it ready?   curl 'http://{listen}/readyz?verbose'\n  \
           metrics        curl http://{listen}/metrics\n  \
           the database   {look}\n  \
           all well?      daybook doctor\n\n\
         Ctrl-C ends it; the data stays.\n",
        version = env!("CARGO_PKG_VERSION")
    )
}
