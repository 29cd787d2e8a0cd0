//! A server from its first connection to its last: HTTP in front, followers behind.

use clap::Args;
use command_api::{Api, Trades};
use event_store::Store;
use gate::Gate;
use projections::{PATIENCE, Projections};
use tokio::{net::TcpListener, sync::watch};

use crate::{database, failure::Result, http, interrupt::Interrupt};

/// Whether this process also keeps the read models up to date.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Reads {
    /// Leave the read models to other processes
    #[arg(long, env = "DAYBOOK_WITHOUT_PROJECTIONS")]
    without_projections: bool,
}

fn projections(store: &Store, app_url: &str, gate: &Gate, reads: Reads) -> Result<Option<Projections>> {
    if reads.without_projections {
        return Ok(None);
    }
    let database = database::parse(app_url)?;
    Ok(Some(Projections::new(store.clone(), database, gate.vault.clone())))
}

/// Serves until asked to end; then finishes what is under way, lets go of the followers' leases and closes the log.
pub(crate) async fn serve(
    listener: TcpListener,
    app_url: &str,
    gate: Gate,
    reads: Reads,
    interrupt: Interrupt,
) -> Result<()> {
    let store = gate.store.clone();
    let (stop, stopping) = watch::channel(false);
    let trades = store.follow(Trades, database::derived_pool(app_url)?).run(stopping);
    let followers = tokio::spawn(trades);
    let projections = projections(&store, app_url, &gate, reads)?;
    let projections = tokio::spawn(futures_util::future::OptionFuture::from(
        projections.map(|projections| projections.run(stop.subscribe())),
    ));
    let questions = projections::Reads::new(gate.clone(), database::reader_pool(app_url)?, PATIENCE);
    let router = http::router(Api { gate, pool: database::pool(app_url)? }, questions)?;
    http::serve(listener, router, interrupt).await;
    stop.send_replace(true);
    if let Err(reason) = followers.await {
        tracing::error!(%reason, "a follower did not end well");
    }
    if let Err(reason) = projections.await {
        tracing::error!(%reason, "the read models did not end well");
    }
    store.close().await;
    Ok(())
}
