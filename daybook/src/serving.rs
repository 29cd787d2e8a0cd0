//! A server from its first connection to its last: HTTP in front, followers behind.

use std::{path::Path, sync::Arc};

use audit::Witness;
use clap::Args;
use command_api::{Api, Trades};
use futures_util::future::OptionFuture;
use gate::Gate;
use processes::Processes;
use projections::{PATIENCE, Projections, Reads};
use tokio::{net::TcpListener, sync::watch};
use vault::Erasures;

use crate::{
    database,
    failure::{Attempt as _, Result},
    http,
    interrupt::Interrupt,
    outside::Outside,
    witness::{self, Witnessed},
};

/// Whether this process also keeps the read models up to date.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Followed {
    /// Leave the read models to other processes
    #[arg(long, env = "DAYBOOK_WITHOUT_PROJECTIONS")]
    without_projections: bool,
}

impl Followed {
    const fn are_kept(self) -> bool {
        !self.without_projections
    }
}

/// Serves until asked to end; then finishes what is under way, lets go of the followers' leases and closes the log.
pub(crate) async fn serve(
    listener: TcpListener,
    app_url: &str,
    gate: Gate,
    (followed, witnessed): (Followed, &Witnessed),
    (outside, home): (&Outside, Option<&Path>),
    interrupt: Interrupt,
) -> Result<()> {
    let store = gate.store.clone();
    let (stop, stopping) = watch::channel(false);
    let (gate, countries) = (gate.behind(outside.origins.proxies()), outside.origins.countries(stopping.clone())?);
    let listen = listener.local_addr().attempt(|| "looking where we listen".to_owned())?;
    let tree = witnessed.open(&store, app_url, stopping.clone()).await?;
    let (inbox, hints, sandbox) = outside.open(listen, home, &gate.vault, stopping.clone()).await?;
    let derived = database::derived_pool(app_url)?;
    let trades = store.follow(Trades, derived.clone()).run(stopping.clone());
    let erasures = store.follow(Erasures, derived).run(stopping.clone());
    let read_models = Projections::new(store.clone(), database::parse(app_url)?, gate.vault.clone());
    if followed.are_kept() {
        read_models.prepare().await;
    }
    let read_models = OptionFuture::from(followed.are_kept().then(|| read_models.run(stopping.clone())));
    let work_pool = database::work_pool(app_url)?;
    let processes = Processes::new(store.clone(), work_pool, Arc::clone(&inbox.partners), outside.patience());
    let heeding = processes.heed(hints, stopping.clone());
    let processes = OptionFuture::from(outside.has_processes().then(|| processes.run(stopping)));
    let followers = tokio::spawn(async { tokio::join!(trades, erasures, read_models, heeding, processes, tree) });
    let reads = Reads::new(gate.clone(), database::reader_pool(app_url)?, PATIENCE);
    let proofs = Witness { gate: gate.clone(), proofs: witness::proofs(&store, app_url)? };
    let router = http::router(Api { gate, pool: database::pool(app_url)?, countries }, inbox, reads, proofs)?;
    http::serve(listener, router, interrupt).await;
    stop.send_replace(true);
    if let Err(reason) = followers.await {
        tracing::error!(%reason, "a follower did not end well");
    }
    if let Some(sandbox) = sandbox
        && let Err(reason) = sandbox.await
    {
        tracing::error!(%reason, "the sandbox did not end well");
    }
    store.close().await;
    Ok(())
}
