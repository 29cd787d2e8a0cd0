//! Our store under the load of the bench.

use std::sync::Arc;
use std::time::Duration;

use event_store::{Database, Limits, Outcome, Store, Upcasters};
use system_tests::load::{Seen, closed_loop};
use system_tests::tally::{add, key};
use uuid::Uuid;

use crate::Problem;
use system_tests::report::line;

pub(crate) fn open(url: &str) -> Result<Store, Problem> {
    Ok(Store::open(Database::parse(url)?, Upcasters::default(), Limits::default()))
}

/// Every call opens a stream of its own and leaves one event and one idempotency record.
pub(crate) async fn new_streams(store: &Store, callers: usize, duration: Duration) -> Result<Seen, Problem> {
    let store = store.clone();
    closed_loop(callers, duration, move |_caller, _turn| {
        let store = store.clone();
        async move {
            let id = Uuid::now_v7().to_string();
            let key = key("bench/live", &id, &id);
            let outcome = store.execute(add(&Arc::from(id), 1, Some(key), true)).await;
            matches!(outcome, Ok(Outcome::Accepted { events: 1, .. }))
        }
    })
    .await
}

/// All callers add to one stream; each decision sees all earlier ones.
pub(crate) async fn one_stream(
    store: &Store,
    id: &Arc<str>,
    callers: usize,
    duration: Duration,
) -> Result<Seen, Problem> {
    let (store, id) = (store.clone(), Arc::clone(id));
    closed_loop(callers, duration, move |_caller, _turn| {
        let (store, id) = (store.clone(), Arc::clone(&id));
        async move {
            let unique = Uuid::now_v7().to_string();
            let key = key("bench/live", &unique, &unique);
            let outcome = store.execute(add(&id, 1, Some(key), false)).await;
            matches!(outcome, Ok(Outcome::Accepted { events: 1, .. }))
        }
    })
    .await
}

/// A process of its own: prints commands per second and the most memory it ever held, in KiB.
pub(crate) async fn append_as_a_process(url: &str, seconds: u64, callers: usize) -> Result<(), Problem> {
    let store = open(url)?;
    new_streams(&store, 64, Duration::from_millis(300)).await?;
    let seen = new_streams(&store, callers, Duration::from_secs(seconds)).await?;
    store.close().await;
    line(&format!("{} {}", seen.per_second(), most_memory_kib()?))
}

fn most_memory_kib() -> Result<u64, Problem> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(peak.trim().trim_end_matches("kB").trim().parse()?)
}
