//! A server from its first connection to its last: HTTP in front, followers behind.

use std::{path::Path, sync::Arc};

use audit::{Tails, Witness};
use bus::Relay;
use clap::Args;
use command_api::{Api, Trades};
use futures_util::future::OptionFuture;
use gate::Gate;
use processes::Processes;
use projections::{PATIENCE, Reads};
use tokio::{net::TcpListener, sync::watch};
use vault::Erasures;

use crate::{
    announcing::announce,
    database,
    failure::{Attempt as _, Failure, Result},
    feeding,
    forgetting::Forgetting,
    http,
    interrupt::Interrupt,
    kafka::OnKafka,
    outside::Outside,
    roles::Roles,
    sentry,
    witness::{self, Witnessed},
};

/// What a server was told on its command line, beside where it serves and under which keys.
#[derive(Args, Clone, Debug)]
pub(crate) struct Told {
    #[command(flatten)]
    pub(crate) roles: Roles,
    #[command(flatten)]
    outside: Outside,
    #[command(flatten)]
    pub(crate) on_kafka: OnKafka,
}

impl Told {
    /// Makes sure that it can be done.
    fn check(&self) -> Result<()> {
        if self.roles.must_relay() || self.roles.own_database().is_some() {
            self.on_kafka.must_kafka()?;
        }
        self.on_kafka.check_fed()?;
        let reacts_alone = self.roles.react() && self.outside.has_processes() && !self.roles.answer();
        if reacts_alone && !self.outside.has_sandbox_elsewhere() {
            let why = "processes without the API need a sandbox that both know, for test mode: start `daybook sandbox` \
                       and give --sandbox-url to both";
            return Err(Failure::NotThere(why.to_owned()));
        }
        Ok(())
    }
}

/// Serves until asked to end; then finishes what is under way, lets go of the followers' leases and closes the log. Greets
/// when nothing is left that could keep it from serving.
pub(crate) async fn serve(
    listener: TcpListener,
    app_url: &str,
    gate: Gate,
    (told, witnessed): (&Told, &Witnessed),
    home: Option<&Path>,
    interrupt: Interrupt,
    greet: impl FnOnce(),
) -> Result<()> {
    told.check()?;
    let Told { roles, outside, on_kafka } = told;
    let store = gate.store.clone();
    let (stop, stopping) = watch::channel(false);
    let gate = gate.with_audits_resting(witnessed.audit_idle());
    let (gate, countries) = (gate.behind(outside.origins.proxies()), outside.origins.countries(stopping.clone())?);
    let listen = listener.local_addr().attempt(|| "looking where we listen".to_owned())?;
    let forgetting = Forgetting::begin(&store, app_url).await?;
    let tree = witnessed.open(&store, app_url, stopping.clone()).await?;
    let (inbox, hints, sandbox) = outside.open(listen, home, &gate.vault, stopping.clone()).await?;
    let derived = database::derived_pool(app_url)?;
    let lookups = OptionFuture::from(roles.answer().then(|| {
        let trades = store.follow(Trades, derived.clone()).run(stopping.clone());
        let erasures = store.follow(Erasures, derived).run(stopping.clone());
        async { tokio::join!(trades, erasures) }
    }));
    let read_models = OptionFuture::from(match roles.project() {
        true => Some(feeding::prepare(told, &store, app_url, &gate.vault).await?.run(stopping.clone())),
        false => None,
    });
    let (kafka, database) = (on_kafka.kafka()?, database::parse(app_url)?);
    let relay = kafka
        .filter(|_| roles.relay())
        .map(|kafka| Relay::new(store.clone(), database, kafka, on_kafka.topic()).run(stopping.clone()));
    let relay = OptionFuture::from(relay);
    let announcing = match on_kafka.kafka()? {
        Some(kafka) if roles.relay() && witnessed.is_kept() => {
            let proofs = witness::proofs(&store, app_url)?;
            Some(announce(proofs, kafka, on_kafka.topic(), stopping.clone()))
        }
        Some(_) | None => None,
    };
    let announcing = OptionFuture::from(announcing);
    let work_pool = database::work_pool(app_url)?;
    let processes = Processes::new(store.clone(), work_pool, Arc::clone(&inbox.partners), outside.patience());
    let heeding = OptionFuture::from(roles.answer().then(|| processes.heed(hints, stopping.clone())));
    let is_reacting = roles.react() && outside.has_processes();
    let (seen, sight) = watch::channel(sentry::Seen::default());
    let looking = sentry::watch(database::reader_pool(app_url)?, witnessed.look_every(), seen, stopping.clone());
    let auditors = gate.clone();
    let is_ending = stopping.clone();
    let closing = async move { auditors.close_audits(is_ending).await };
    let processes = OptionFuture::from(is_reacting.then(|| processes.run(stopping.clone())));
    let forgotten = forgetting.clone();
    let followers = tokio::spawn(async move {
        let work = async {
            forgotten.finish(stopping).await;
            tokio::join!(lookups, read_models, heeding, processes, relay, announcing, tree, looking)
        };
        tokio::join!(work, closing)
    });
    let api = Api { gate: gate.clone(), pool: database::pool(app_url)?, countries };
    let router = if roles.answer() {
        let tails = Tails::until(interrupt.flag());
        let proofs = Witness { gate: gate.clone(), proofs: witness::proofs(&store, app_url)?, tails };
        let reads = Reads::new(gate, database::reader_pool(app_url)?, PATIENCE);
        http::router(api, inbox, reads, proofs, (&forgetting, sight))?
    } else {
        http::probes(api, &inbox, sight)?
    };
    greet();
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
