//! What operators rely on: metrics, probes, an orderly end, and logs that keep secrets.

mod away;
mod health;
mod import;
pub(crate) mod logs;
mod metrics;
mod soak;
mod traces;
mod upgrades;

use std::time::{Duration, Instant};

use system_tests::client::{Answer, Client, Request};
use system_tests::exposition::Exposition;
use system_tests::server::Server;

pub(crate) async fn page(server: &Server) -> Exposition {
    let answer = server.client().send(&Request::get("/metrics")).await.unwrap();
    assert_eq!(answer.status, 200);
    Exposition::read(&answer.body).unwrap_or_else(|amiss| panic!("{amiss:#?}"))
}

async fn ready(client: &mut Client) -> Answer {
    client.send(&Request::get("/readyz?verbose")).await.unwrap()
}

/// Asks until nothing is amiss; what was amiss last is told where that takes too long.
pub(crate) async fn until_well(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let (begun, mut looks) = (Instant::now(), tokio::time::interval(Duration::from_millis(50)));
    loop {
        looks.tick().await;
        let Err(amiss) = look().await else { return };
        assert!(begun.elapsed() < within, "not in time: {what}: {amiss}");
    }
}

/// Asks until it is so.
pub(crate) async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let (begun, mut looks) = (Instant::now(), tokio::time::interval(Duration::from_millis(50)));
    loop {
        looks.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < within, "not in time: {what}");
    }
}
