//! The log, its followers, what waits, the bus and the pools, as metrics.

use std::sync::atomic::Ordering;

use event_store::{Store, stats::Lag};
use meters::{Kind, Page};
use processes::{ForAPerson, Waiting};
use prometheus::{Registry, TextEncoder, process_collector::ProcessCollector};

use super::{Gauge, Shown};
use crate::{collector, health::Standing};

pub(super) fn write(shown: &Shown, page: &mut Page) {
    store(&shown.store, page);
    let standing = shown.health.standing();
    followers(&standing, page);
    waiting(&standing.waiting, page);
    for_a_person(standing.for_a_person.as_deref(), page);
    let mut family =
        page.family("daybook_check_state", Kind::Gauge, "What /readyz looks at: 0 fine, 1 degraded, 2 wrong");
    for (check, state) in shown.health.checks() {
        family.series(&[("check", check)], state);
    }
    let help = "Events the relay of this process has sent to Kafka that have not arrived yet";
    let in_flight = shown.relay.as_ref().map(|relay| relay.load(Ordering::Relaxed));
    let mut family = page.family("daybook_bus_in_flight", Kind::Gauge, help);
    if let Some(in_flight) = in_flight {
        family.series(&[], in_flight);
    }
    let mut family = page.family("daybook_pool_connections", Kind::Gauge, "Connections to the database, by pool");
    for (name, pool) in &shown.pools {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        let size = pool.size();
        for (state, count) in [("idle", idle), ("used", size.saturating_sub(idle))] {
            family.series(&[("pool", name), ("state", state)], count);
        }
    }
    let mut family = page.family("daybook_pool_connections_max", Kind::Gauge, "As many may there be");
    for (name, pool) in &shown.pools {
        family.series(&[("pool", name)], pool.options().get_max_connections());
    }
    for (name, help, count) in [
        ("daybook_spans_exported_total", "Spans a collector took", collector::EXPORTED.value()),
        ("daybook_spans_lost_total", "Spans no collector took", collector::LOST.value()),
        ("daybook_spans_dropped_total", "Spans there was no room for", traces::dropped()),
    ] {
        page.family(name, Kind::Counter, help).series(&[], count);
    }
    let help = "Always 1; the label says which release this is";
    page.family("daybook_build_info", Kind::Gauge, help).series(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    process(page);
}

fn store(store: &Store, page: &mut Page) {
    let figures = store.figures();
    let help = "The last position of the log this process knows of";
    page.family("daybook_store_head_position", Kind::Gauge, help).series(&[], store.head().position());
    let help = "Commands that wait for the writer";
    page.family("daybook_store_queue_depth", Kind::Gauge, help).series(&[], store.waiting());
    let help = "How many commands shared an append";
    page.family("daybook_store_append_commands", Kind::Histogram, help).histogram(&[], &figures.batch_acts);
    let help = "How long an append took";
    page.family("daybook_store_append_duration_seconds", Kind::Histogram, help).histogram(&[], &figures.append);
    let help = "How long a command waited for its turn at the log, which has taken the place of locks";
    page.family("payment_gateway_lock_wait_seconds", Kind::Histogram, help).histogram(&[], &figures.waits);
    for (name, help, count) in [
        ("daybook_store_append_conflicts_total", "Appends decided again on fresher books", figures.conflicts.value()),
        ("daybook_store_append_failures_total", "Appends that were given up", figures.failures.value()),
        (
            "daybook_store_append_unanswered_total",
            "Appends whose end was not heard of, sent again",
            figures.unanswered.value(),
        ),
        ("daybook_facts_missed_total", "Facts there was no room to count", figures.missed()),
    ] {
        page.family(name, Kind::Counter, help).series(&[], count);
    }
}

fn followers(standing: &Standing, page: &mut Page) {
    let (position, lag, seconds, is_parked, is_held) = (
        |lag: &Lag| lag.position.to_string(),
        |lag: &Lag| lag.events.to_string(),
        |lag: &Lag| lag.seconds.to_string(),
        |lag: &Lag| u8::from(lag.is_parked).to_string(),
        |lag: &Lag| u8::from(lag.is_held).to_string(),
    );
    let gauges: [Gauge<'_, Lag>; 5] = [
        ("daybook_follower_position", "The last position a follower has worked on", &position),
        ("daybook_follower_lag_events", "Events a follower has yet to work on", &lag),
        ("daybook_follower_lag_seconds", "How long ago the first of them was recorded", &seconds),
        ("daybook_follower_parked", "1 where a follower stands still until somebody has looked", &is_parked),
        ("daybook_follower_held", "1 where some process runs it", &is_held),
    ];
    for (name, help, value) in gauges {
        let mut family = page.family(name, Kind::Gauge, help);
        for lag in &standing.lags {
            family.series(&[("follower", &lag.name)], value(lag));
        }
    }
    let help = "Events a follower worked on in a second, between the last two looks";
    let mut family = page.family("daybook_follower_rate", Kind::Gauge, help);
    for (name, rate) in &standing.rates {
        family.series(&[("follower", name)], rate);
    }
    let help = "How long ago the database was last asked for what stands here of followers and sagas";
    let mut family = page.family("daybook_standing_age_seconds", Kind::Gauge, help);
    if let Some(age) = standing.age() {
        family.series(&[], age.as_secs_f64());
    }
}

/// Every process has its series, also where it has nothing to look at.
fn waiting(waiting: &[Waiting], page: &mut Page) {
    let of = |name: &str| waiting.iter().find(|of| of.process == name);
    let mut family = page.family("daybook_saga_work", Kind::Gauge, "Business that processes are to look at now");
    for name in processes::NAMES {
        let (taken, due) = of(name).map_or((0, 0), |of| (of.taken_count, of.due_count));
        family.series(&[("process", name), ("state", "taken")], taken);
        family.series(&[("process", name), ("state", "due")], due);
    }
    let help = "How long the oldest of what is due has been due";
    let mut family = page.family("daybook_saga_oldest_due_seconds", Kind::Gauge, help);
    for name in processes::NAMES {
        family.series(&[("process", name)], of(name).map_or(0.0, |of| of.oldest_due_seconds));
    }
}

/// Until somebody has looked. What is kept elsewhere has no series.
fn for_a_person(waiting: Option<&[ForAPerson]>, page: &mut Page) {
    let help = "Sagas that go no further until a person has looked: daybook saga list --status failed";
    let mut family = page.family("daybook_saga_awaiting_person", Kind::Gauge, help);
    let Some(waiting) = waiting else { return };
    for name in processes::NAMES {
        let count = waiting.iter().find(|of| of.process == *name).map_or(0, |of| of.waiting_count);
        family.series(&[("process", name)], count);
    }
}

/// Processor, memory, descriptors: as everybody's are called.
fn process(page: &mut Page) {
    let registry = Registry::new();
    let gathered = registry
        .register(Box::new(ProcessCollector::for_self()))
        .and_then(|()| TextEncoder::new().encode_to_string(&registry.gather()));
    match gathered {
        Ok(text) => page.append(&text),
        Err(error) => tracing::warn!(%error, "the figures of the process cannot be shown"),
    }
}
