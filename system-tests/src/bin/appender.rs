//! A process for tests to kill: appends under load and says what it was told.

use std::io::Write;
use std::sync::Arc;

use event_store::{Database, Failure, Limits, Outcome, Store, Upcasters};
use system_tests::copyist::Copyist;
use system_tests::tally::{add, key};
use tokio::task::JoinSet;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// `appender URL NAME CALLERS COMMANDS`: every caller gives so many commands, one after the other, each under a key
/// `NAME-CALLER-NUMBER`; every fourth goes to the stream all share, the others open one each. A line per outcome:
/// `acked KEY POSITION`, `replayed KEY POSITION`,
/// `not_applied KEY`, `unknown KEY`.
#[tokio::main]
async fn main() -> Result<(), Problem> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, callers, commands] = arguments.as_slice() else {
        return Err("appender URL NAME CALLERS COMMANDS".into());
    };
    let database = Database::parse(url)?;
    let store = Store::open(database.clone(), Upcasters::default(), Limits::default());
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let follower = tokio::spawn(store.follow(Copyist, database.pool(2)).run(stopping));

    let mut callers_at_work = JoinSet::new();
    for caller in 0..callers.parse::<u32>()? {
        let (store, name, commands) = (store.clone(), name.clone(), commands.parse::<u32>()?);
        callers_at_work.spawn(async move {
            for number in 0..commands {
                give(&store, &format!("{name}-{caller}-{number}"), number % 4 == 0).await?;
            }
            Ok::<(), std::io::Error>(())
        });
    }
    while let Some(done) = callers_at_work.join_next().await {
        done??;
    }
    stop.send(true)?;
    follower.await?;
    store.close().await;
    Ok(())
}

async fn give(store: &Store, name: &str, is_shared: bool) -> Result<(), std::io::Error> {
    let stream: Arc<str> = if is_shared { "shared".into() } else { name.into() };
    let outcome = store.execute(add(&stream, 1, Some(key("appender", name, name)), !is_shared)).await;
    let told = match outcome {
        Ok(Outcome::Accepted { position, .. }) => format!("acked {name} {position}"),
        Ok(Outcome::Replayed { position, .. }) => format!("replayed {name} {position}"),
        Ok(Outcome::Refused { .. } | Outcome::KeyReused | Outcome::VersionMismatch { .. }) => format!("wrong {name}"),
        Ok(Outcome::InFlight) | Err(Failure::Unknown) => format!("unknown {name}"),
        Err(_not_applied) => format!("not_applied {name}"),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{told}")?;
    out.flush()
}
