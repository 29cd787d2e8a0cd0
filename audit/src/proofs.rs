//! Makes proofs, from the log, the stored tree and what was signed of it.

use std::ops::DerefMut as _;
use std::sync::Arc;
use std::time::Duration;

use domain::id::PaymentId;
use event_store::{Recorded, Store};
use sqlx::postgres::{PgConnection, PgPool};
use tokio::time::Instant;

use crate::checkpoint::Note;
use crate::hash::Hash;
use crate::proof::{Nodes, consistency, inclusion};
use crate::receipt::{About, FORMAT, Growth, Proven, Receipt, Told};
use crate::rows::{self, Damaged, TreeFailure};

/// Events of one payment in a receipt, at most: a payment has about twelve.
const EVENTS_MAX: i64 = 10_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofsFailure {
    #[error("there is nothing of that name in the log")]
    Absent,
    #[error("no checkpoint of that size was signed")]
    NoCheckpoint,
    #[error("position {position} is not in a signed checkpoint yet: the newest is of {signed}")]
    NotSigned { position: i64, signed: u64 },
    #[error("position {0} moved no money: it is no journal entry")]
    NoEntry(i64),
    #[error("the payment has more than {EVENTS_MAX} events")]
    TooMany,
    #[error(transparent)]
    Tree(#[from] TreeFailure),
}

impl From<sqlx::Error> for ProofsFailure {
    fn from(failure: sqlx::Error) -> Self {
        Self::Tree(failure.into())
    }
}

/// Where proofs are made. Cheap to clone.
#[derive(Clone)]
pub struct Proofs {
    pub store: Store,
    pub pool: PgPool,
    /// How long a question waits for a checkpoint that reaches far enough.
    pub patience: Duration,
}

impl Proofs {
    /// The event at a position.
    ///
    /// # Errors
    /// There is none, or the log cannot be read.
    pub async fn event(&self, position: i64) -> Result<Recorded, ProofsFailure> {
        self.store.event(position).await?.map(Arc::unwrap_or_clone).ok_or(ProofsFailure::Absent)
    }

    /// All events of a payment.
    ///
    /// # Errors
    /// There are none, or the log cannot be read.
    pub async fn payment(&self, payment: PaymentId) -> Result<Vec<Recorded>, ProofsFailure> {
        let events = self.store.stream_events("payment", &payment.to_string(), 0, EVENTS_MAX.saturating_add(1)).await?;
        if events.is_empty() {
            return Err(ProofsFailure::Absent);
        }
        if i64::try_from(events.len()).is_ok_and(|count| count <= EVENTS_MAX) {
            Ok(events)
        } else {
            Err(ProofsFailure::TooMany)
        }
    }

    /// That an event is a journal entry.
    ///
    /// # Errors
    /// It moves no money, or cannot be read.
    pub fn is_entry(&self, event: &Recorded) -> Result<(), ProofsFailure> {
        let fact = self.store.upcasters().fact(event);
        let moves = fact.map_err(Damaged).map_err(TreeFailure::from)?;
        if moves.posting().moves_no_money() { Err(ProofsFailure::NoEntry(event.position)) } else { Ok(()) }
    }

    /// The receipt for these events, under the newest checkpoint; waits for one that reaches as far as they do.
    ///
    /// # Errors
    /// None comes in time, or the tree cannot be read.
    pub async fn receipt(&self, about: About, events: &[Recorded]) -> Result<Receipt, ProofsFailure> {
        let position = events.iter().map(|event| event.position).max().unwrap_or_default();
        let note = self.reaching(position).await?;
        self.receipt_under(about, events, &note).await
    }

    /// The receipt for these events under a checkpoint that reaches as far as they do.
    ///
    /// # Errors
    /// It does not, or the tree cannot be read.
    pub async fn receipt_under(
        &self,
        about: About,
        events: &[Recorded],
        note: &Note,
    ) -> Result<Receipt, ProofsFailure> {
        let position = events.iter().map(|event| event.position).max().unwrap_or_default();
        let size = note.claimed().size;
        let mut connection = self.pool.acquire().await?;
        // While the tree is made anew it may be smaller than what was signed.
        let grown = rows::standing(connection.deref_mut()).await?.size;
        if grown < size {
            return Err(ProofsFailure::NotSigned { position, signed: grown });
        }
        let paths = paths(connection.deref_mut(), events, size).await?;
        let proven = events.iter().zip(paths).map(|(event, path)| Proven { event: Told::from(event), path }).collect();
        Ok(Receipt { format: FORMAT.to_owned(), about, checkpoint: note.to_string(), events: proven })
    }

    /// The newest checkpoint, if any was signed.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn newest(&self) -> Result<Option<Note>, ProofsFailure> {
        let kept = rows::last_checkpoint(&self.pool).await?;
        Ok(kept.map(|kept| kept.read()).transpose().map_err(TreeFailure::from)?)
    }

    /// Checkpoints of a size and larger, in order, at most so many.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn checkpoints(&self, from: u64, most: i64) -> Result<Vec<Note>, ProofsFailure> {
        let kept = rows::checkpoints(&self.pool, from, most).await?;
        Ok(kept.iter().map(rows::Kept::read).collect::<Result<_, _>>().map_err(TreeFailure::from)?)
    }

    /// The public keys that have signed.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn keys(&self) -> Result<Vec<String>, ProofsFailure> {
        Ok(rows::keys(&self.pool).await?)
    }

    /// That the log has only grown from one checkpoint to another.
    ///
    /// # Errors
    /// There are no such checkpoints, or the tree cannot be read.
    pub async fn growth(&self, first: u64, second: u64) -> Result<Growth, ProofsFailure> {
        let (before, after) = (self.signed(first).await?, self.signed(second).await?);
        if first > second {
            return Err(ProofsFailure::NoCheckpoint);
        }
        let path = rows::answer(
            &self.pool,
            |wanted| consistency(wanted, first, second),
            |tiles| consistency(tiles, first, second),
        );
        Ok(Growth { first: before.to_string(), second: after.to_string(), path: path.await? })
    }

    async fn signed(&self, size: u64) -> Result<Note, ProofsFailure> {
        let found = self.checkpoints(size, 1).await?.pop();
        found.filter(|note| note.claimed().size == size).ok_or(ProofsFailure::NoCheckpoint)
    }

    async fn reaching(&self, position: i64) -> Result<Note, ProofsFailure> {
        let until = Instant::now() + self.patience;
        loop {
            let newest = self.newest().await?;
            let signed = newest.as_ref().map_or(0, |note| note.claimed().size);
            match newest {
                Some(note) if rows::number(signed) >= position => return Ok(note),
                Some(_) | None if Instant::now() >= until => return Err(ProofsFailure::NotSigned { position, signed }),
                Some(_) | None => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
        }
    }
}

/// The way from each event to the root, from tiles that are fetched at once.
async fn paths(connection: &mut PgConnection, events: &[Recorded], size: u64) -> Result<Vec<Vec<Hash>>, TreeFailure> {
    fn all(nodes: &mut impl Nodes, events: &[Recorded], size: u64) -> Option<Vec<Vec<Hash>>> {
        let index = |event: &Recorded| u64::try_from(event.position.saturating_sub(1)).ok();
        events.iter().map(|event| inclusion(nodes, index(event)?, size)).collect()
    }
    rows::answer(connection, |wanted| all(wanted, events, size), |tiles| all(tiles, events, size)).await
}
