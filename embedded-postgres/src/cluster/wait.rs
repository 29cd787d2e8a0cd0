//! Waiting for a server to answer or to end, with a bound and without noise.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{BREATH, Cluster};
use crate::{
    error::{Error, Result},
    postmaster::{self, Postmaster},
};

/// How long a server may keep silent. One that says it is recovering may take longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// Until the process is gone; a child of ours is reaped, or it would look alive for ever.
    pub(super) fn wait_for_end(&self, postmaster: &Postmaster, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let is_child = self.started_here();
            if self.reap() || (!is_child && postmaster::has_ended(postmaster.pid, &self.data_dir())) {
                return Ok(());
            }
            sleep(BREATH);
        }
        Err(Error::DidNotStop { pid: postmaster.pid, seconds: patience.as_secs() })
    }

    /// Whether our child has ended; it is forgotten then.
    pub(super) fn reap(&self) -> bool {
        let mut running = self.state();
        let ended = running.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_some()));
        if ended {
            running.child = None;
        }
        ended
    }
}
