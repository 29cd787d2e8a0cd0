//! A server from its first connection to its last: HTTP in front, followers behind.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use audit::{Tails, Witness};
use bus::Relay;
use clap::Args;
use command_api::{Api, Inbox, Tally, Trades};
use futures_util::future::OptionFuture;
use gate::Gate;
use processes::Processes;
use projections::{PATIENCE, Reads};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use vault::Erasures;

use crate::{
    announcing::announce,
    collector::Traced,
    database,
    facts::Facts,
    failure::{Attempt as _, Failure, Result},
    feeding,
    forgetting::Forgetting,
    health::{Health, Watched},
    http::{self, Shown},
    interrupt::Interrupt,
    kafka::OnKafka,
    outside::Outside,
    probing::Probing,
    roles::Roles,
    sentry,
    witness::{self, Witnessed},
};

/// From the signal on, until the followers are left alone: with what is left to do, all ends within 25 seconds.
const ENDED_WITHIN: Duration = Duration::from_secs(23);
/// However little is left of that: the last spans are sent, the log is let go of in good order.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// What a server was told on its command line, beside where it serves and under which keys.
#[derive(Args, Clone, Debug)]
pub(crate) struct Told {
    #[command(flatten)]
    pub(crate) roles: Roles,
    #[command(flatten)]
    outside: Outside,
    #[command(flatten)]
    pub(crate) on_kafka: OnKafka,
    #[command(flatten)]
    probing: Probing,
    #[command(flatten)]
    traced: Traced,
}

impl Told {
    /// Whether it answers requests and does nothing besides: no read models, no reactions, no relay.
    pub(crate) fn only_answers(&self) -> bool {
        let reacts = self.roles.react() && self.outside.has_processes();
        let relays = self.roles.relay() && self.on_kafka.has_kafka();
        self.roles.answer() && !self.roles.project() && !reacts && !relays
    }

    /// Makes sure that it can be done, and is safe.
    pub(crate) fn check(&self, listen: SocketAddr) -> Result<()> {
        if self.roles.must_relay() || self.roles.own_database().is_some() {
            self.on_kafka.must_kafka()?;
        }
        self.on_kafka.check_fed()?;
        self.probing.check(listen)?;
        self.traced.address()?;
        let reacts_alone = self.roles.react() && self.outside.has_processes() && !self.roles.answer();
        if reacts_alone && !self.outside.has_sandbox_elsewhere() {
            let why = "processes without the API need a sandbox that both know, for test mode: start `daybook sandbox` \
                       and give --sandbox-url to both";
            return Err(Failure::NotThere(why.to_owned()));
        }
        Ok(())
    }
}

/// When the parts of a server are to end: those that call the outside as soon as it is told to, those that requests under
/// way may wait for only when these have their answers.
struct Stops {
    reacting: watch::Receiver<bool>,
    late: watch::Sender<bool>,
    /// After the last of them.
    last: watch::Sender<bool>,
}

impl Stops {
    fn on(interrupt: &Interrupt) -> Self {
        let (stop, reacting) = watch::channel(false);
        let mut interrupt = interrupt.clone();
        tokio::spawn(async move {
            interrupt.asked().await;
            stop.send_replace(true);
            // Whoever listens late still finds it there.
            stop.closed().await;
        });
        Self { reacting, late: watch::Sender::new(false), last: watch::Sender::new(false) }
    }
}

/// What works behind the requests.
struct Behind {
    followers: JoinHandle<()>,
    sandbox: Option<JoinHandle<()>>,
    inbox: Inbox,
    in_flight: Option<Arc<AtomicI64>>,
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
    let listen = listener.local_addr().attempt(|| "looking where we listen".to_owned())?;
    let (store, stops) = (gate.store.clone(), Stops::on(&interrupt));
    let exporting = told.traced.begin(stops.last.subscribe())?;
    let pool = database::pool(app_url)?;
    let relay = told.on_kafka.relay_name().filter(|_name| told.roles.relay());
    let (seen, sight) = watch::channel(sentry::Seen::default());
    let watched = Watched { pool: pool.clone(), vault: gate.vault.clone(), relay, sight: sight.clone() };
    let health = Health::watch(watched, interrupt.clone(), stops.late.subscribe()).await;
    if let Some(why) = health.forbids() {
        return Err(Failure::Unbound(why));
    }
    let countries = told.outside.origins.countries(stops.late.subscribe())?;
    let gate = gate.behind(told.outside.origins.proxies()).with_audits_resting(witnessed.audit_idle());
    let behind = Box::pin(begin(app_url, &gate, (told, witnessed), (listen, home), (&stops, seen))).await?;
    let tally = Arc::<Tally>::default();
    let facts = Facts::new(Arc::clone(&tally));
    facts.count(&store);
    let api = Api { gate: gate.clone(), pool: pool.clone(), countries, tally };
    let readers = database::reader_pool(app_url)?;
    let shown = Shown {
        store: store.clone(),
        facts,
        partners: Arc::clone(&behind.inbox.partners),
        health,
        sight,
        relay: behind.in_flight.clone(),
        pools: vec![("probes", pool), ("readers", readers.clone())],
        token: told.probing.token()?,
    };
    let router = if told.roles.answer() {
        let tails = Tails::until(interrupt.flag());
        let proofs = Witness { gate: gate.clone(), proofs: witness::proofs(&store, app_url)?, tails };
        let reads = Reads::new(gate, readers, PATIENCE);
        http::router(api, behind.inbox.clone(), reads, proofs, shown)
    } else {
        http::probes(shown)
    };
    greet();
    let asked_at = http::serve(listener, router, interrupt, told.probing.unready_for()).await;
    end(behind, &stops, asked_at).await;
    stops.last.send_replace(true);
    if let Some(exporting) = exporting {
        drop(timeout(CLOSED_WITHIN, exporting).await);
    }
    let left = ENDED_WITHIN.saturating_sub(asked_at.elapsed()).max(CLOSED_WITHIN);
    timeout(left, store.close()).await.map_err(|_elapsed| Failure::CutShort(asked_at.elapsed().as_secs()))
}

/// Starts all that follows the log and calls the outside.
async fn begin(
    app_url: &str,
    gate: &Gate,
    (told, witnessed): (&Told, &Witnessed),
    (listen, home): (SocketAddr, Option<&Path>),
    (stops, seen): (&Stops, watch::Sender<sentry::Seen>),
) -> Result<Behind> {
    let Told { roles, outside, on_kafka, .. } = told;
    let (store, stopping) = (gate.store.clone(), stops.late.subscribe());
    let recognition = witnessed.recognition(&store, app_url)?;
    let is_recognised = recognition.look().await?;
    let forgetting = Forgetting::begin(gate, app_url, is_recognised).await?;
    let tree = witnessed.open(&store, app_url, stopping.clone()).await?;
    let (inbox, hints, sandbox) = outside.open(listen, home, &gate.vault, stopping.clone()).await?;
    let derived = database::derived_pool(app_url)?;
    let lookups = OptionFuture::from(roles.answer().then(|| {
        let trades = store.follow(Trades, derived.clone()).run(stopping.clone());
        let erasures = store.follow(Erasures, derived).run(stopping.clone());
        async { tokio::join!(trades, erasures) }
    }));
    let feeding = roles.project().then(|| feeding::open(told, &store, app_url, &gate.vault)).transpose()?;
    if let (Some(feeding), true) = (&feeding, is_recognised) {
        feeding.prepare().await;
    }
    let read_models = OptionFuture::from(feeding.map(|feeding| feeding.run(stopping.clone())));
    let (kafka, database) = (on_kafka.kafka()?, database::parse(app_url)?);
    let relay =
        kafka.filter(|_| roles.relay()).map(|kafka| Relay::new(store.clone(), database, kafka, on_kafka.topic()));
    let in_flight = relay.as_ref().map(Relay::in_flight);
    let relay = OptionFuture::from(relay.map(|relay| relay.run(stops.reacting.clone())));
    let announcing = match on_kafka.kafka()? {
        Some(kafka) if roles.relay() && witnessed.is_kept() => {
            let proofs = witness::proofs(&store, app_url)?;
            Some(announce(proofs, kafka, on_kafka.topic(), stopping.clone()))
        }
        Some(_) | None => None,
    };
    let announcing = OptionFuture::from(announcing);
    let work_pool = database::work_pool(app_url)?;
    let processes = Processes::new(store, work_pool, Arc::clone(&inbox.partners), outside.patience());
    let heeding = OptionFuture::from(roles.answer().then(|| processes.heed(hints, stops.reacting.clone())));
    let is_reacting = roles.react() && outside.has_processes();
    let processes = OptionFuture::from(is_reacting.then(|| processes.run(stops.reacting.clone())));
    let looking = sentry::watch(database::reader_pool(app_url)?, witnessed.look_every(), seen, stopping.clone());
    let (auditors, is_ending) = (gate.clone(), stopping.clone());
    let closing = async move { auditors.close_audits(is_ending).await };
    let followers = tokio::spawn(async move {
        let work = async {
            if !is_recognised {
                recognition.finish(stopping.clone()).await;
            }
            forgetting.finish(stopping).await;
            tokio::join!(lookups, read_models, heeding, processes, relay, announcing, tree, looking);
        };
        tokio::join!(work, closing);
    });
    Ok(Behind { followers, sandbox, inbox, in_flight })
}

/// Lets the followers take their last step and give back their leases; what takes too long comes back to others.
async fn end(behind: Behind, stops: &Stops, asked_at: Instant) {
    stops.late.send_replace(true);
    let Behind { mut followers, sandbox, .. } = behind;
    let left = ENDED_WITHIN.saturating_sub(asked_at.elapsed());
    match timeout(left, &mut followers).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => tracing::error!(%reason, "a follower did not end well"),
        Err(_elapsed) => {
            followers.abort();
            tracing::warn!("some followers did not end in time; their leases run out");
        }
    }
    let Some(sandbox) = sandbox else { return };
    let left = ENDED_WITHIN.saturating_sub(asked_at.elapsed());
    match timeout(left, sandbox).await {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => tracing::error!(%reason, "the sandbox did not end well"),
        Err(_elapsed) => tracing::warn!("the sandbox did not end in time"),
    }
}
