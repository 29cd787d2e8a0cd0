//! What became of what was looked at, written down: much of it together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::sync::{Notify, mpsc};

use crate::{
    due::{self, Looked, Then},
    runner::Name,
};

const SETTLED_TOGETHER: usize = 1_000;
const SETTLED_WITHIN: Duration = Duration::from_millis(20);
/// While the table cannot be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes down what became of what was looked at, much of it together.
pub(crate) async fn settle(pool: PgPool, mut looked: mpsc::UnboundedReceiver<Looked>, more: Arc<Notify>) {
    let mut together = Vec::with_capacity(SETTLED_TOGETHER);
    while looked.recv_many(&mut together, SETTLED_TOGETHER).await > 0 {
        tokio::time::sleep(SETTLED_WITHIN).await;
        while together.len() < SETTLED_TOGETHER
            && let Ok(more) = looked.try_recv()
        {
            together.push(more);
        }
        let settled = latest(std::mem::take(&mut together));
        if let Err(failure) = due::settle(&pool, &settled).await {
            tracing::warn!(%failure, "what was looked at was not settled; it comes back");
            tokio::time::sleep(PAUSE).await;
        }
        // A timer may be due before all that are known of.
        if settled.iter().any(|looked| !matches!(looked.then, Then::Done)) {
            more.notify_one();
        }
    }
}

/// Of each piece of work, what was found last.
fn latest(looked: Vec<Looked>) -> Vec<Looked> {
    let by_name: BTreeMap<Name, Looked> = looked.into_iter().map(|looked| (looked.due.name(), looked)).collect();
    by_name.into_values().collect()
}
