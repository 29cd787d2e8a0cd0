//! The end of the log, for whoever waits for it to move.

use tokio::sync::watch;

/// The end of the log as this process knows it. It hands out numbers, never the lock they are kept under: nobody who
/// waits here can hold up the writer.
#[derive(Clone, Debug)]
pub struct Head(watch::Receiver<i64>);

impl Head {
    pub(crate) fn of(head: watch::Receiver<i64>) -> Self {
        Self(head)
    }

    pub fn position(&self) -> i64 {
        *self.0.borrow()
    }

    /// What has happened until now is no news any more.
    pub fn mark_seen(&mut self) {
        self.0.mark_unchanged();
    }

    /// Returns when the log has moved on since it was last seen, or the store is gone.
    pub async fn changed(&mut self) {
        drop(self.0.changed().await);
    }

    /// Returns when the log has reached a position; false where the store is gone before.
    pub async fn reaches(&mut self, position: i64) -> bool {
        self.0.wait_for(|head| *head >= position).await.is_ok()
    }
}
