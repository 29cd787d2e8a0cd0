//! Before anybody is served: whoever was ordered to be forgotten is.

use std::time::Duration;

use event_store::Store;
use gate::{Gate, Shutter};
use sqlx::PgPool;
use tokio::{select, sync::watch, time::timeout};

use crate::{database, failure::Result};

/// Where the database is away, the server starts all the same, and answers nothing until this is done.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);

/// The orders of the log, being carried out once more: keys that were put back from an older copy go again.
pub(crate) struct Forgetting {
    store: Store,
    pool: PgPool,
    /// Shut until it is done: nothing is answered that might tell of somebody who is to be forgotten.
    shutter: Shutter,
}

impl Forgetting {
    /// Shuts the door. Carries them out and opens it, where the log is known to be the one it should be and the database is
    /// there.
    pub(crate) async fn begin(gate: &Gate, app_url: &str, is_recognised: bool) -> Result<Self> {
        gate.shutter.shut();
        // No follower would destroy them once more: what is said to be done is on the disk.
        let pool = database::pool(app_url)?;
        let forgetting = Self { store: gate.store.clone(), pool, shutter: gate.shutter.clone() };
        if is_recognised && timeout(LOOK_WITHIN, forgetting.carry_out()).await.is_err() {
            tracing::warn!(
                "whether everybody is forgotten who is to be could not be told in time: nothing is answered"
            );
        }
        Ok(forgetting)
    }

    /// Goes on until they are carried out, or it is told to stop.
    pub(crate) async fn finish(&self, mut stop: watch::Receiver<bool>) {
        let mut again = tokio::time::interval(AGAIN);
        while !self.shutter.is_open() {
            select! {
                _tick = again.tick() => self.carry_out().await,
                () = stopped(&mut stop) => return,
            }
        }
    }

    async fn carry_out(&self) {
        match vault::forget_again(&self.store, &self.pool).await {
            Ok(0) => self.shutter.open(),
            Ok(keys_count) => {
                tracing::warn!(
                    keys_count,
                    "keys of people who are to be forgotten were there again: they are destroyed"
                );
                self.shutter.open();
            }
            Err(failure) => {
                tracing::warn!(%failure, "whether everybody is forgotten who is to be could not be told: nothing is answered");
            }
        }
    }
}

pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could still say so has gone: that is an end as well.
    drop(stop.wait_for(|stop| *stop).await);
}
