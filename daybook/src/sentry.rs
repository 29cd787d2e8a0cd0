//! The books looked at in passing, all the time: told as metrics and by an alarm.

use std::time::{Duration, Instant};

use audit::Glance as TreeGlance;
use projections::ledger::invariants::{Glance as BooksGlance, glance};
use sqlx::PgPool;
use tokio::sync::watch;

/// What is grown and not signed for so long is told of.
const UNSIGNED_FOR_SECONDS: f64 = 300.0;

/// What the last look has found. Nothing of what could not be looked at: an old answer is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) books: Option<BooksGlance>,
    pub(crate) tree: Option<TreeGlance>,
    /// Each thing that is wrong, in a sentence.
    pub(crate) alarms: Vec<String>,
    pub(crate) at: Option<Instant>,
}

/// The last look, for whoever tells of it.
pub(crate) type Sight = watch::Receiver<Seen>;

/// Looks every so often until told to stop.
pub(crate) async fn watch(pool: PgPool, every: Duration, seen: watch::Sender<Seen>, mut stop: watch::Receiver<bool>) {
    let mut told = Vec::new();
    while !*stop.borrow_and_update() {
        let now = look(&pool).await;
        // The same trouble is told once; and once that it is over.
        if now.alarms != told {
            for alarm in &now.alarms {
                tracing::error!(alarm, "the books are not as they must be: `daybook check`, `daybook verify`");
            }
            if now.alarms.is_empty() {
                tracing::info!("the books are as they must be again, as far as they were looked at");
            }
            told.clone_from(&now.alarms);
        }
        seen.send_replace(now);
        tokio::select! {
            _stopping = stop.changed() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn look(pool: &PgPool) -> Seen {
    let mut alarms = Vec::new();
    let books = match books(pool).await {
        Ok(books) => Some(books),
        Err(reason) => {
            // Where read models are elsewhere, or not made yet, there is nothing to look at.
            tracing::debug!(%reason, "the books could not be looked at");
            None
        }
    };
    if let Some(books) = &books {
        alarms.extend(books.unbalanced.iter().map(|what| format!("the trial balance is not zero: {what}")));
        alarms.extend(books.unlike.iter().map(|what| format!("its last lines do not come to its balance: {what}")));
    }
    let tree = match audit::glance(pool).await {
        Ok(tree) => Some(tree),
        Err(audit::TreeFailure::Damaged(damaged)) => {
            alarms.push(damaged.to_string());
            None
        }
        Err(audit::TreeFailure::Database(reason)) => {
            tracing::debug!(%reason, "the tree could not be looked at");
            None
        }
    };
    if let Some(signed) = tree.and_then(|tree| tree.signed) {
        if !signed.is_of_the_tree {
            alarms.push(format!("the stored tree is not the one that was signed at {}", signed.size));
        }
        if signed.age_seconds > UNSIGNED_FOR_SECONDS {
            alarms.push(format!("nothing was signed since the checkpoint of {}, and the log has grown", signed.size));
        }
    }
    Seen { books, tree, alarms, at: Some(Instant::now()) }
}

async fn books(pool: &PgPool) -> Result<BooksGlance, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    glance(&mut connection).await
}
