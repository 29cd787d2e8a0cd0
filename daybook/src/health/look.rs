//! One look at everything a server rests on.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};

use super::{Check, Standing, Watched};
use crate::database;

pub(super) const ROLE: &str = "role";
/// A follower that is so far behind is worth a word.
const BEHIND_SECONDS: f64 = 60.0;
/// The relay sends at once: where it is so far behind, Kafka does not take it.
const RELAY_BEHIND_SECONDS: f64 = 5.0;

pub(super) async fn look(watched: &Watched, before: &Arc<Standing>) -> (Vec<Check>, Arc<Standing>) {
    // One that lay in the pool may be dead: it is the answer that shows the database is there.
    let reached = async {
        let mut connection = watched.pool.acquire().await?;
        connection.ping().await.map(|()| connection)
    };
    let mut connection = match reached.await {
        Ok(connection) => connection,
        Err(error) => {
            let unreached = Check::wrong("database", "it cannot be reached").because(error);
            return (vec![unreached], Arc::clone(before));
        }
    };
    let mut checks = vec![Check::fine("database", "reachable"), schema(&mut connection).await];
    checks.push(role(&mut connection).await);
    let standing = Standing::look(&mut connection, before).await;
    drop(connection);
    checks.push(key(watched).await);
    let standing = match standing {
        Ok(standing) => Arc::new(standing),
        Err(error) => {
            checks.push(Check::degraded("followers", "where they stand cannot be read").because(error));
            return (checks, Arc::clone(before));
        }
    };
    checks.push(followers(&standing, watched.relay.as_deref()));
    checks.extend(watched.relay.as_deref().map(|relay| kafka(&standing, relay)));
    (checks, standing)
}

async fn schema(connection: &mut PgConnection) -> Check {
    match database::status(connection).await {
        Ok(status) => {
            let (applied, known) = (database::version(&status.applied), database::version(&status.known));
            if status.is_current() && applied > known {
                // A newer release has been here: it adds, and takes nothing that this one needs.
                Check::fine("schema", format!("version {applied}, newer than the {known} of this binary"))
            } else if status.is_current() {
                Check::fine("schema", format!("version {applied}"))
            } else {
                let words = format!("version {applied}, this binary needs {known} as it holds it: daybook doctor");
                Check::wrong("schema", words)
            }
        }
        Err(failure) => Check::wrong("schema", "it cannot be read").because(failure),
    }
}

/// Whatever it may do beyond its few rights, it will be made to do one day.
async fn role(connection: &mut PgConnection) -> Check {
    match database::unbound(connection).await {
        Ok(None) => Check::fine(ROLE, "bound to append"),
        Ok(Some(words)) => Check::wrong(ROLE, words),
        Err(error) => Check::degraded(ROLE, "what it may do cannot be read").because(error),
    }
}

async fn key(watched: &Watched) -> Check {
    match vault::is_its_key(&watched.pool, &watched.vault).await {
        Ok(true) => Check::fine("key", "the one this ledger was begun with"),
        Ok(false) => Check::wrong("key", "another than the one this ledger was begun with: name that one"),
        Err(error) => Check::wrong("key", "its mark cannot be read").because(error),
    }
}

/// Whoever stands still holds up what follows, and no command.
fn followers(standing: &Standing, relay: Option<&str>) -> Check {
    let names = |of: Vec<&str>| of.join(", ");
    let parked = names(standing.lags.iter().filter(|lag| lag.is_parked).map(|lag| &*lag.name).collect());
    let is_behind = |name: &str, seconds: f64| Some(name) != relay && seconds > BEHIND_SECONDS;
    let behind = standing.lags.iter().filter(|lag| !lag.is_parked && is_behind(&lag.name, lag.seconds));
    let behind = names(behind.map(|lag| &*lag.name).collect());
    match (parked.is_empty(), behind.is_empty()) {
        (true, true) => Check::fine("followers", format!("{} of them, none far behind", standing.lags.len())),
        (false, _) => Check::degraded("followers", format!("parked: {parked}; daybook projection list says why")),
        (true, false) => Check::degraded("followers", format!("more than a minute behind: {behind}")),
    }
}

fn kafka(standing: &Standing, relay: &str) -> Check {
    match standing.lags.iter().find(|lag| lag.name == relay) {
        Some(lag) if lag.seconds > RELAY_BEHIND_SECONDS => {
            Check::degraded("kafka", format!("{} events wait to be taken; commands go on", lag.events))
        }
        Some(_) => Check::fine("kafka", "the relay is up to date"),
        None => Check::fine("kafka", "no relay has begun yet"),
    }
}
